import pytest

from fedlab_core.metrics import MAE
from fedlab_core.plots import attack_against_sparsity, attack_roc

ROWS = [
    {"sparsity": 0.9, "gap": 0.10, "auc": {"black-box": 0.60}},
    {"sparsity": 0.0, "gap": 0.30, "auc": {"black-box": 0.70}},
    {"sparsity": 0.0, "gap": 0.40, "auc": {"black-box": 0.80}},
]


def title(figure) -> str:
    return figure.layout.title.text.replace("<br>", " ")


def test_means_over_seeds_and_a_band_of_one_deviation() -> None:
    areas_band, areas, gap_band, gaps = attack_against_sparsity(ROWS).data
    assert areas.x == pytest.approx((1, 10))  # weights that there were for each that is left
    assert areas.y == pytest.approx((0.75, 0.6))
    assert gaps.y == pytest.approx((0.35, 0.1))
    deviation = 0.05 * 2**0.5  # of 0.7 and 0.8
    assert areas_band.x == pytest.approx((1, 10, 10, 1))
    assert areas_band.y == pytest.approx((0.75 + deviation, 0.6, 0.6, 0.75 - deviation))
    assert gap_band.y == pytest.approx((0.35 + deviation, 0.1, 0.1, 0.35 - deviation))
    assert (areas.yaxis, gaps.yaxis) == ("y", "y2")


def test_the_title_goes_from_the_densest_to_the_sparsest() -> None:
    assert title(attack_against_sparsity(ROWS)) == (
        "At 90 % sparsity the attack has an AUC of 0.60 after 0.75 at 0 %, and the gap is 10 points after 35 points"
    )
    assert title(attack_against_sparsity(ROWS, metric=MAE)).endswith("the gap is 0.1 years after 0.35 years")
    assert title(attack_against_sparsity(ROWS[:1])) == "At 90 % sparsity the attack has an AUC of 0.60"


def test_the_axis_names_sparsities() -> None:
    axis = attack_against_sparsity(ROWS).layout.xaxis
    assert axis.type == "log"
    assert axis.ticktext == ("0 %", "90 %")


def test_the_gap_is_one_of_accuracies_or_of_errors() -> None:
    assert attack_against_sparsity(ROWS).layout.yaxis2.title.text == "training minus test accuracy"
    assert attack_against_sparsity(ROWS, metric=MAE).layout.yaxis2.title.text == "test minus training error (years)"
    better_on_new = [{**row, "gap": -row["gap"]} for row in ROWS]
    assert "the gap is -10 points after -35 points" in title(attack_against_sparsity(better_on_new))


def test_a_roc_curve_is_said_at_one_per_cent() -> None:
    rocs = {"black-box": [at / 100 for at in range(101)], "white-box": [0.0, 0.125, *[1.0] * 99]}
    figure = attack_roc(rocs, {"black-box": 0.5, "white-box": 0.987})
    assert title(figure) == (
        "The white-box attack finds 12.5 % of the members where 1 % of the others are accused; its AUC is 0.99"
    )
    guessing, black, white = figure.data
    assert list(guessing.y) == [0, 1]
    assert (black.x[1], black.y[1]) == (0.01, 0.01)
    assert white.y[:3] == (0.0, 0.125, 1.0)
    assert white.line.shape == "hv", "an attacker has to choose a threshold: nothing in between"
