"""Notebook 10: what its text says is what its cells give, and its statistics are right."""

from __future__ import annotations

import math

import pytest

from fedlab_core import simulate
from fedlab_core.costs.codec import encode
from fedlab_core.lessons.checks.lesson_10_pairs import paired_difference
from fedlab_core.lessons.widgets.budgets import choices_of
from fedlab_core.plots.choices import best_choice, front_of

from .cells import Names, finished, notebook, text


def said() -> str:
    return text(notebook("10"))


def false_alarms(t: float) -> float:
    """P(|T| > t) of Student's distribution with two degrees of freedom, from its density by Simpson's rule."""
    steps = 2000
    heights = [(2 + (t * place / steps) ** 2) ** -1.5 for place in range(steps + 1)]
    weights = [1, *([4, 2] * (steps // 2))[:-1], 1]
    return 1 - 2 * sum(map(math.prod, zip(weights, heights, strict=True))) * t / steps / 3


def test_students_distribution_with_two_degrees_of_freedom() -> None:
    for t in (1.0, 1.96, 4.303):
        assert 1 - t / math.sqrt(2 + t * t) == pytest.approx(false_alarms(t), abs=1e-6)
    assert false_alarms(4.303) == pytest.approx(0.05, abs=1e-4)
    assert f"in {false_alarms(1.96):.1%} of all".replace("%", " %") in said()


def test_three_wins_of_three_do_not_settle_it() -> None:
    mean, error = paired_difference({0: 1, 1: 2, 2: 3}, {0: 0, 1: 0, 2: 0})
    assert f"{error:.3f}" in said()
    assert f"{mean / error:.2f} < 4.303" in said()


def test_the_noise_of_359_images() -> None:
    assert f"= {100 * math.sqrt(0.95 * 0.05 / 359):.2f}$ points" in said()


@pytest.fixture(scope="module")
def names() -> Names:
    return finished(notebook("10"))


@pytest.mark.slow
def test_a_run_contains_the_shorter_ones_where_the_text_says_so(names: Names) -> None:
    for family in ("FedAvg, E = 4", "SNIP 90 %, E = 4"):
        changes, stops = names["families"][family]
        short = names["run"](changes, 0, stops[1])
        whole = names["runs"][family][0]
        assert [one.test_accuracy for one in short] == [one.test_accuracy for one in whole[: stops[1] + 1]]
        assert [one.upload_bytes for one in short] == [one.upload_bytes for one in whole[: stops[1] + 1]]


@pytest.mark.slow
def test_what_two_budgets_choose(names: Names) -> None:
    choices = choices_of(names["settings"])
    assert len(choices) == 16
    assert "the best of 16 settings" in said()
    assert best_choice(choices, 1, 10).name.startswith("SNIP 90 %, E = 4")
    assert best_choice(choices, 1, 0.3).name.startswith("SNIP 90 %, E = 1")
    assert best_choice(choices, 0.1, 10) is None
    fronts = {cost: {one.name for one in front_of(choices, cost)} for cost in ("megabytes", "gigaflops")}
    assert not any(name.startswith("Random") for front in fronts.values() for name in front)
    assert not any("SNIP 90 %, E = 1" in name for name in fronts["megabytes"])
    assert any("SNIP 90 %, E = 1" in name for name in fronts["gigaflops"])
    assert any("FedSparsify" in name for name in fronts["gigaflops"] - fronts["megabytes"])
    assert all("FedAvg, E = 1, 12 rounds" in front for front in fronts.values())


@pytest.mark.slow
def test_a_dense_round_breaks_the_budget_of_a_megabyte(names: Names) -> None:
    first = next(iter(simulate(names["base"].replace({"federation.rounds": 1})))).state
    message = len(encode({**first.params, **first.buffers}))
    assert f"one dense round alone takes {10 * message / 1e6:.2f} MB" in said()


@pytest.mark.slow
def test_noise_and_pairs(names: Names) -> None:
    assert 0.35 < names["share"] < 0.75
    assert names["alarms"][1.96] / 10_000 == pytest.approx(0.189, abs=0.015)
    assert names["alarms"][4.303] / 10_000 == pytest.approx(0.05, abs=0.01)
    last = names["last"]
    mean, error = paired_difference(last[names["sparsify"]], last["Random 90 %, E = 1"])
    assert mean > 6 * error
    mean, error = paired_difference(last[names["sparsify"]], last[names["channels"]])
    assert abs(mean) < 3 * error
    mean, error = paired_difference(last["FedAvg, E = 1"], last[names["sparsify"]])
    assert 0.005 < mean < 0.05
    assert mean > 2 * error
