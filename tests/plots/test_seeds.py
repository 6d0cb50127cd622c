import pytest

from fedlab_core.plots import seed_dots

ROUNDS = {"dense": [0.9, 0.8], "SNIP": [0.7, 0.7]}
BYTES = {"dense": [0.5, 0.6], "SNIP": [0.7, 0.65]}


def title(figure) -> str:
    return figure.layout.title.text.replace("<br>", " ")


def test_the_title_has_the_best_mean_of_each_panel() -> None:
    figure = seed_dots({"equal rounds": ROUNDS, "equal bytes": BYTES})
    assert title(figure) == "At equal rounds dense leads with 85 %; at equal bytes SNIP leads with 67.5 %"
    assert (figure.layout.xaxis.title.text, figure.layout.xaxis2.title.text) == ("equal rounds", "equal bytes")


def test_every_seed_is_a_dot_beside_the_others_and_the_bar_is_one_sample_deviation() -> None:
    mean, dots, *_ = seed_dots({"equal rounds": ROUNDS}).data
    assert mean.y == pytest.approx((0.85,))
    assert mean.error_y.array == pytest.approx((0.05 * 2**0.5,))
    assert dots.y == (0.9, 0.8)
    assert dots.x[0] < mean.x[0] < dots.x[1]


def test_a_single_seed_has_no_deviation() -> None:
    mean, *_ = seed_dots({"equal rounds": {"dense": [0.9]}}).data
    assert mean.error_y.array == (0.0,)


def test_what_has_no_values_yet_keeps_its_place() -> None:
    figure = seed_dots({"equal rounds": {"dense": [], "SNIP": [0.7]}, "equal bytes": {"dense": [], "SNIP": []}})
    assert title(figure) == "At equal rounds SNIP leads with 70 %; at equal bytes nothing has been run yet"
    assert [trace.name for trace in figure.data] == ["SNIP, mean", "SNIP"]
    assert figure.layout.xaxis.ticktext == figure.layout.xaxis2.ticktext == ("dense", "SNIP")
    assert seed_dots({"equal rounds": {"dense": []}}).layout.title.text == "Nothing has been compared yet"
