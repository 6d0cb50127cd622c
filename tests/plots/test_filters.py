import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image, ImageColor

from fedlab_core.plots import channel_bars, filter_pictures
from fedlab_core.plots.style import CIVIDIS, LIGHT


def title(figure) -> str:
    return figure.layout.title.text.replace("<br>", " ")


def picture(figure, place: int) -> np.ndarray:
    source = figure.layout.images[place].source
    return np.array(Image.open(io.BytesIO(base64.b64decode(source.removeprefix("data:image/png;base64,")))))


def test_weights_are_coloured_by_sign_and_pruned_ones_are_crossed_out() -> None:
    weight = torch.tensor([[-2.0, 2.0, 0.0, 1.0], [1.0, 1.0, 1.0, 1.0]])
    mask = torch.tensor([[True, True, False, True], [False] * 4])
    figure = filter_pictures(weight, mask, (1, 2, 2), name="fc1")
    first = picture(figure, 0)
    assert first.shape == (96, 96, 3)
    assert tuple(first[5, 5]) == ImageColor.getrgb(CIVIDIS[0])
    assert tuple(first[5, 90]) == ImageColor.getrgb(CIVIDIS[-1])
    assert tuple(first[50, 5]) == ImageColor.getrgb(LIGHT.pruned)
    assert tuple(first[72, 24]) == (128, 128, 128), "the cross goes through the middle of a pruned weight"
    faded = picture(figure, 1)
    assert (faded[5, 5] > first[50, 5]).all(), "what is cut is nearer to the background"
    assert [note.text for note in figure.layout.annotations] == ["0: 75%", "✕ 1 cut"]
    assert title(figure) == "Of the 2 units of fc1, 1 is cut; 0 have all their weights"


def test_colour_filters_keep_their_colours() -> None:
    weight, mask = torch.zeros(1, 3, 1, 1), torch.ones(1, 3, 1, 1, dtype=torch.bool)
    weight[0, 0], weight[0, 1] = 1.0, -1.0
    assert tuple(picture(filter_pictures(weight, mask), 0)[0, 0]) == (255, 0, 128)


@pytest.mark.parametrize(("weight", "shape"), [(torch.ones(2, 1, 3, 2, 2), ()), (torch.ones(2, 12), (1, 3, 2, 2))])
def test_of_volumes_the_middle_slice_is_shown(weight: torch.Tensor, shape: tuple[int, ...]) -> None:
    mask = torch.ones(2, 1, 3, 2, 2, dtype=torch.bool)
    mask[:, :, 1] = False
    figure = filter_pictures(weight, mask.view_as(weight), shape)
    assert tuple(picture(figure, 0)[2, 2]) == ImageColor.getrgb(LIGHT.pruned)
    assert "The middle slice of each." in figure.layout.title.subtitle.text.replace("<br>", " ")


def test_a_screenful_of_units_is_shown_and_the_sentence_is_about_all() -> None:
    figure = filter_pictures(torch.ones(40, 4), torch.ones(40, 4, dtype=torch.bool), (1, 2, 2), name="fc1")
    assert len(figure.layout.images) == 32
    assert title(figure) == "All 40 units of fc1 have all their weights"
    assert "The first 32 of 40 units." in figure.layout.title.subtitle.text.replace("<br>", " ")
    half = filter_pictures(torch.ones(2, 4), torch.tensor([[True] * 4, [True, False, False, False]]), (1, 2, 2))
    assert title(half) == "All 2 units of the first layer are left, with 25 % to 100 % of their weights"


def test_other_shapes_are_refused() -> None:
    kept = torch.ones(2, 4, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"mask has shape \(2, 4\); allowed is the weight's, \(2, 5\)"):
        filter_pictures(torch.ones(2, 5), kept, (1, 5, 1))
    with pytest.raises(ValueError, match=r"input_shape is \(1, 5, 1\); allowed is a shape of 4 inputs"):
        filter_pictures(torch.ones(2, 4), kept, (1, 5, 1))


def test_channels_that_are_gone_are_counted_and_marked() -> None:
    mask = torch.tensor([[True, True], [True, False], [False, False]])
    figure = channel_bars(mask, name="conv1")
    kept, gone = figure.data
    assert kept.y.tolist() == [1, 0.5, 0]
    assert (gone.x.tolist(), gone.marker.symbol) == ([2], "x")
    assert title(figure) == "1 of 3 channels of conv1 are gone; the others have 50 % to 100 % of their weights"
    assert title(channel_bars(~mask & mask, name="conv1")) == "All 3 channels of conv1 are gone"
    assert title(channel_bars(mask | ~mask, name="conv1")) == "All 3 channels of conv1 have all their weights"


def test_many_channels_share_bars() -> None:
    mask = torch.zeros(300, 2, dtype=torch.bool)
    mask[:3] = True
    figure = channel_bars(mask)
    assert figure.data[0].x.tolist() == list(range(0, 300, 3))
    assert figure.data[0].y.tolist() == [1] + 99 * [0]
    assert "mean of 3 channels" in figure.layout.title.subtitle.text
