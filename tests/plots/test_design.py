"""Figures before a run: what they say, and where lines and bars stand."""

import pytest

from fedlab_core.plots import density_bars, feasible_region, planned_bytes, planned_flops, planned_sparsity

from .conftest import MakeRun


def title(figure) -> str:
    return figure.layout.title.text.replace("<br>", " ")


def test_the_schedule_with_its_end_and_its_half(make_run: MakeRun) -> None:
    assert title(planned_sparsity(make_run())) == (
        "The schedule asks for 80 % sparsity in round 4, and for half of that by round 2"
    )
    found = make_run(4, target_sparsity=None)
    assert "finds its own sparsity, 80 %" in title(planned_sparsity(found))
    assert (
        title(planned_sparsity(make_run(4, target_sparsity=0.0, sparsity=0.0))) == "No weight is to be pruned for good"
    )


def test_bytes_of_all_rounds_beside_dense_ones(make_run: MakeRun) -> None:
    """Four rounds of 0.4 MB up and 0.8 MB down; dense ones take 1 MB each way."""
    figure = planned_bytes(make_run(), dense_bytes_per_round=1e6, about=True)
    assert title(figure) == "About 1.6 MB will go up and 3.2 MB down in 4 rounds, 60 % of what dense models take"
    assert not title(planned_bytes(make_run(), dense_bytes_per_round=1e6)).startswith("About")


def test_flops_of_each_round_beside_dense_ones(make_run: MakeRun) -> None:
    figure = planned_flops(make_run())
    dense, weighted = figure.data
    assert (dense.x, dense.y) == ((1, 2, 3, 4), (2e9,) * 4)
    assert weighted.y == (1e9,) * 4
    assert title(figure).startswith("4 GFLOPs (theoretical, weighted by density) to train, 50 %")


def test_densities_of_layers_add_up_to_one() -> None:
    figure = density_bars({"fc1": 0.25, "fc2": 0.5}, round=9, about=True)
    assert figure.data[0].x == (0.25, 0.5)
    assert figure.data[1].x == (0.75, 0.5)
    assert figure.data[0].y == ("fc1 · 25 %", "fc2 · 50 %")
    assert "fc1 keeps 25 % of its weights, the least" in title(figure)
    assert "untrained weights" in figure.layout.title.subtitle.text
    assert title(density_bars({"a": 1.0, "b": 1.0}, round=2)) == "Every layer keeps 100 % of its weights after round 2"


@pytest.mark.parametrize(
    ("limit", "chosen", "says"),
    [
        (0.5, (0.6, 0.5), "“S” from 0.6 keeps to 50 %"),
        (2.0, (0.0, 1.0), "Every value of “S” keeps to 200 %: the dearest one takes 100 %"),
        (0.1, None, "No value of “S” keeps to 10 %: the cheapest one takes 20 %"),
    ],
)
def test_the_feasible_region(limit: float, chosen, says: str) -> None:
    figure = feasible_region([0.9, 0.0], [0.2, 1.0], limit=limit, chosen=chosen, setting="S", cost="flops")
    assert title(figure) == says
    curve, budget, *star = figure.data
    assert (curve.x, curve.y) == ((0.0, 0.9), (1.0, 0.2))
    assert budget.y == (limit, limit)
    assert [one.x for one in star] == ([(chosen[0],)] if chosen else [])


def test_a_budget_of_bytes_is_in_megabytes() -> None:
    figure = feasible_region([0.1, 0.9], [1e6, 4e6], limit=2e6, chosen=(0.4, 2e6), setting="r", cost="bytes")
    assert title(figure) == "“r” up to 0.4 keeps to 2 MB"
    assert figure.data[0].y == (1.0, 4.0)
    assert "MB" in figure.layout.yaxis.title.text
