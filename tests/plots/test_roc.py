import pytest

from fedlab_core.metrics import MAE
from fedlab_core.plots.roc import area_under, roc_beside_gap

POINTS = [(0.0, 0.0), (0.0, 0.5), (0.5, 1.0), (1.0, 1.0)]


def title(figure) -> str:
    return figure.layout.title.text.replace("<br>", " ")


def test_ties_count_one_half() -> None:
    assert area_under(POINTS) == pytest.approx(0.5 * 0.75 + 0.5)
    assert area_under([(0.0, 0.0), (1.0, 1.0)]) == 0.5


def test_the_title_has_area_and_gap_of_the_first_and_the_last() -> None:
    curves = {"sparse": [(0.0, 0.0), (1.0, 1.0)], "dense": POINTS}
    scores = {"sparse": (0.6, 0.65), "dense": (0.9, 0.5)}
    figure = roc_beside_gap(curves, scores)
    assert title(figure) == (
        "sparse: the attack has an AUC of 0.50 with a gap of -5 points; dense: 0.88 with a gap of 40 points"
    )
    assert [trace.name for trace in figure.data] == ["guessing", *curves, "training examples", "unseen examples"]
    assert figure.data[-1].y == (0.65, 0.5)


def test_the_gap_of_errors_is_in_years() -> None:
    figure = roc_beside_gap({"dense": POINTS}, {"dense": (2.0, 3.5)}, metric=MAE)
    assert title(figure).endswith("with a gap of 1.5 years")
    assert figure.layout.yaxis2.title.text == "mean absolute error (years)"
