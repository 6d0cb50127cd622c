import pytest
import torch

from fedlab_core.plots import network_picture


def title(figure) -> str:
    return figure.layout.title.text.replace("<br>", " ")


def thinned():
    """conv: one of four channels is left, with half of its weights; fc: both outputs; the vector is no layer."""
    conv, fc = torch.zeros(4, 1, 1, 2, dtype=torch.bool), torch.ones(2, 4, dtype=torch.bool)
    conv[2, 0, 0, 1] = True
    return {"conv.weight": conv, "fc.weight": fc, "norm.weight": torch.zeros(4, dtype=torch.bool)}


def test_layers_are_as_tall_as_they_have_units_left() -> None:
    figure = network_picture(thinned())
    bar = figure.data[0]
    assert (bar.y, bar.base) == ((1, 2), (-0.5, -1))
    boxes = [shape for shape in figure.layout.shapes if shape.type == "rect"]
    assert [(box.y0, box.y1) for box in boxes] == [(-2, 2), (-1, 1)]
    assert {box.line.dash for box in boxes} == {"dash"}
    assert figure.layout.xaxis.ticktext == ("conv<br>1/4 units<br>12.5 % kept", "fc<br>2/2 units<br>100 % kept")


@pytest.mark.parametrize(
    ("masks", "sentence"),
    [
        (thinned(), "With 55 % of the weights, 3 of 6 units are gone; conv is the thinnest, 1 of 4 left"),
        ({"fc.weight": torch.ones(3, 4, dtype=torch.bool)}, "Nothing is pruned: all 3 units of 1 layers are there"),
        (
            {"fc.weight": torch.eye(4, dtype=torch.bool)},
            "75 % of the weights are gone, but no unit has lost them all: every layer is as wide as before",
        ),
    ],
)
def test_the_sentence_says_whether_the_network_is_thinner(masks: dict[str, torch.Tensor], sentence: str) -> None:
    gone = 1 - sum(int(m.sum()) for m in masks.values()) / sum(m.numel() for m in masks.values())
    assert title(network_picture(masks)) == sentence.replace("55 %", f"{100 * gone:.0f} %")


def test_many_layers_have_no_names_on_the_axis() -> None:
    figure = network_picture({f"conv{i}": torch.ones(2, 2, dtype=torch.bool) for i in range(20)})
    assert not figure.layout.xaxis.showticklabels
    assert figure.data[0].customdata[19][0] == "conv19"
