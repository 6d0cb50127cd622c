"""Three costs of a sparsity: what the title says, and what is ringed."""

from fedlab_core.plots import Saving, three_costs

POINTS = [Saving(0.0, 1.0, 1.0, 1.0), Saving(0.5, 0.53, 0.5, 1.0), Saving(0.9, 0.12, 0.1, 1.0)]


def test_the_title_says_the_costs_of_the_chosen_point() -> None:
    said = three_costs(POINTS, POINTS[1]).layout.title.text.replace("<br>", " ")
    assert said == "At 50 % sparsity: 53 % of the bytes, 50 % of the FLOPs as counted, 100 % as computed"
    assert three_costs(POINTS).layout.title.text.startswith("At 90 %")


def test_the_chosen_point_is_ringed_on_every_curve() -> None:
    figure = three_costs(POINTS, POINTS[1])
    rings = [trace for trace in figure.data if trace.mode == "markers"]
    assert [(ring.x[0], ring.y[0]) for ring in rings] == [(0.5, 0.53), (0.5, 0.5), (0.5, 1.0)]
    curves = {trace.name: tuple(trace.y) for trace in figure.data if trace.name}
    assert curves["bytes of the message"] == (1.0, 0.53, 0.12)


def test_the_axis_has_room_for_what_is_dearer_than_dense() -> None:
    assert three_costs([Saving(0.1, 1.8, 0.9, 1.0)]).layout.yaxis.range[1] > 1.8
