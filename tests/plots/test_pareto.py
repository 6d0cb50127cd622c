"""Trade-offs and overlays: medians, bands, the front, and the sentences."""

import pytest

from fedlab_core.metrics import MAE
from fedlab_core.plots import Setting, cell_heatmap, overlay, trade_off

from .conftest import MakeRun


def title(figure) -> str:
    return figure.layout.title.text.replace("<br>", " ")


SETTINGS = [
    Setting("A", "0 %", (8.0, 10.0, 12.0), (0.90, 0.93, 0.91)),
    Setting("A", "90 %", (2.0, 2.0), (0.90, 0.90)),
    Setting("B", "50 %", (6.0,), (0.70,)),
]


def traces(figure):
    return {trace.name: trace for trace in figure.data if trace.name}


def test_medians_bands_and_the_front() -> None:
    figure = trade_off(SETTINGS, dense=0.91)
    named = traces(figure)
    assert list(named) == ["A", "B", "Pareto front"]
    assert named["A"].x == (2.0, 10.0)  # in the order of costs, medians
    assert named["A"].y == (0.90, 0.91)
    assert named["Pareto front"].x == (2.0, 10.0)
    assert named["A"].error_y.array == pytest.approx((0.0, 0.02))
    assert named["A"].error_y.arrayminus == pytest.approx((0.0, 0.01))
    (band,) = [trace for trace in figure.data if trace.fill == "toself"]
    assert band.y == (0.90, 0.93, 0.90, 0.90)
    assert figure.layout.xaxis.range[0] == 0
    assert figure.layout.shapes[0].y0 == 0.91
    assert (
        title(figure) == "2 of 3 settings lie on the front; A, 0 % is best, at 91 %;"
        " A, 90 % is 1 point below with 20 % of its megabytes"
    )


def test_cells_fill_in() -> None:
    scores = {("A", "0 %"): [0.90, 0.93, 0.91], ("A", "90 %"): [0.9], ("B", "0 %"): [], ("B", "90 %"): [0.7, 0.8]}
    figure = cell_heatmap(scores)
    assert [*figure.data[0].z] == [[0.91, 0.9], [None, 0.75]]
    assert [*figure.data[0].text[1]] == ["", "75 %"]
    assert title(figure) == "3 of 4 settings have finished: A, 0 % is best, at 91 %; B, 90 % is worst, at 75 %"
    years = cell_heatmap({("A", ""): [4.0], ("A", "90 %"): [3.0]}, metric=MAE)
    assert years.data[0].reversescale
    assert years.data[0].x == ("–", "90 %")
    assert title(years) == "All 2 settings: A, 90 % is best, at 3 years; A is worst, at 4 years"


def test_more_sparsity_is_better() -> None:
    settings = [Setting("A", "0 %", (0.0,), (0.91,)), Setting("A", "90 %", (0.9,), (0.90,))]
    figure = trade_off(settings, x="sparsity")
    assert title(figure).endswith("A, 90 % has 90 % sparsity and is 1 point below")
    worse = [Setting("A", "0 %", (0.0,), (0.80,)), Setting("A", "90 %", (0.9,), (0.90,))]
    assert title(trade_off(worse, x="sparsity")) == "1 of 2 settings lies on the front; A, 90 % is best, at 90 %"


def test_one_setting_and_errors() -> None:
    assert title(trade_off([SETTINGS[2]])) == "B, 50 % is best, at 70 %"
    years = [Setting("A", "0 %", (4.0,), (3.0,)), Setting("A", "90 %", (1.0,), (3.2,))]
    figure = trade_off(years, metric=MAE, x_title="rounds until 4 years")
    assert title(figure).endswith("A, 90 % is 0.2 years above with 25 % of its megabytes")
    assert figure.layout.xaxis.title.text == "rounds until 4 years"
    assert figure.layout.yaxis.range[0] == 0


def test_groups_become_a_median_with_a_band(make_run: MakeRun) -> None:
    runs = {"seeds": [make_run(4), make_run(4, test_accuracy=0.7), make_run(2)], "alone": [make_run(3)]}
    figure = overlay(runs, baseline="alone")
    named = traces(figure)
    assert named["seeds"].x == (0, 1, 2, 3, 4)
    assert named["seeds"].y[-1] == pytest.approx((0.58 + 0.7) / 2)
    (band,) = [trace for trace in figure.data if trace.fill == "toself"]
    assert band.y[4] == pytest.approx(0.7)
    assert band.y[5] == pytest.approx(0.58)
    assert title(figure) == "seeds ends highest, at 58 %, 10 points above the baseline"
    assert title(overlay(runs, "sparsity")) == "seeds ends sparsest, at 80 %"
    assert title(overlay(runs, "loss")).startswith("seeds ends with the lowest test loss, 0.8")


def test_against_megabytes_a_round_stands_at_the_median(make_run: MakeRun) -> None:
    figure = overlay({"two": [make_run(2), make_run(2, upload_bytes=1_400_000)]}, x="megabytes")
    assert traces(figure)["two"].x == pytest.approx((0, 1.2, 2.9))


def test_without_numbers_there_is_a_sentence(make_run: MakeRun) -> None:
    run = make_run(0, test_loss=float("nan"))
    assert title(overlay({"broken": [run]}, "loss")) == "Nothing here is a finite number"
