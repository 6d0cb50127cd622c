import torch

from fedlab_core.plots import accuracy_against_density, mask_row, pruned_network

SOME = torch.tensor([[True, False], [False, False]])
ALL = torch.ones(1, 4, dtype=torch.bool)


def title(figure) -> str:
    return figure.layout.title.text.replace("<br>", " ")


def test_where_curves_differ_most_is_said() -> None:
    curves = {"magnitude": [(1.0, 0.9), (0.1, 0.8)], "random": [(1.0, 0.9), (0.1, 0.25)]}
    figure = accuracy_against_density(curves)
    assert title(figure) == "With 10 % of the weights: magnitude 80 %, random 25 %"
    assert figure.layout.xaxis.autorange == "reversed"


def test_curves_without_a_common_point_are_drawn_all_the_same() -> None:
    assert (
        title(accuracy_against_density({"A": [(1.0, 0.9)], "B": [(0.5, 0.4)]})) == "With 100 % of the weights: A 90 %"
    )
    assert title(accuracy_against_density({"A": [(1.0, 0.9), (0.5, 0.25)]})) == "A: 25 % with 50 % of the weights"


def test_an_emptied_layer_is_named() -> None:
    masks = {"fc1": SOME, "fc2": ~ALL}
    assert title(pruned_network(masks, "fc1")) == (
        "1 of 8 weights are left (12.5 %); fc2 keeps nothing: no image gets through"
    )
    assert "100 % of fc2, and 25 % of fc1" in title(pruned_network({"fc1": SOME, "fc2": ALL}, "fc1"))
    assert title(pruned_network({"fc2": ALL}, "fc2")).endswith("the same share in every layer")


def test_bars_count_what_each_layer_keeps() -> None:
    figure = pruned_network({"fc1": SOME, "fc2": ALL}, "fc1")
    kept = next(trace for trace in figure.data if trace.name == "kept")
    assert list(kept.x) == [0.25, 1.0]
    assert list(kept.y) == ["fc1<br>1 of 4", "fc2<br>4 of 4"]


def test_masks_stand_in_a_row() -> None:
    figure = mask_row({"one": SOME, "other": ~SOME}, "Two")
    assert [float(trace.z.mean()) for trace in figure.data] == [25, 75]  # percent
    assert {"one", "other"} <= {label.text for label in figure.layout.annotations}
