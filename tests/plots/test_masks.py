import numpy as np
import pytest
import torch

from fedlab_core.plots import mask_map
from fedlab_core.plots.style import DARK, GROWN_SINCE, LIGHT, PRUNED_SINCE
from fedlab_core.types import seeded_generator

BEFORE = torch.tensor([[1, 1, 0], [0, 1, 1]], dtype=torch.bool)
AFTER = torch.tensor([[1, 0, 0], [1, 1, 0]], dtype=torch.bool)


def title(figure) -> str:
    return figure.layout.title.text.replace("<br>", " ")


def cells(figure) -> np.ndarray:
    return figure.data[0].z


def test_kept_and_pruned_have_their_colours_and_names() -> None:
    for dark, theme in ((False, LIGHT), (True, DARK)):
        figure = mask_map(AFTER, name="fc1.weight", dark=dark)
        assert cells(figure).dtype == np.uint8
        assert cells(figure).tolist() == [[100, 0, 0], [100, 100, 0]]
        assert figure.data[0].colorscale == ((0, theme.pruned), (1, theme.kept))
        legend = {trace.name: trace.marker.color for trace in figure.data[1:]}
        assert legend == {"kept": theme.kept, "pruned": theme.pruned}
    assert title(figure) == "50 % of the 6 weights of fc1.weight are kept"
    assert not figure.layout.title.subtitle.text


def test_large_layers_are_averaged_and_say_so() -> None:
    mask = torch.zeros(130, 64, 3, 3, dtype=torch.bool)
    mask[0, 0, 0, :2] = True
    figure = mask_map(mask)
    assert cells(figure).shape == (65, 116)
    assert cells(figure)[0, 0] == 20  # 2 of 2 x 5 weights
    assert figure.data[0].dx == 5
    assert figure.data[0].x0 == 2
    assert "2 x 5 weights" in figure.layout.title.subtitle.text
    assert "kernel" in figure.layout.xaxis.title.text


def test_a_frame_is_small_enough_to_be_sent_often() -> None:
    values = torch.rand(512, 4608, generator=seeded_generator("frame"))
    mask = values > 0.5
    for view in ("mask", "change", "magnitude"):
        figure = mask_map(mask, ~mask, view, values=values)  # type: ignore[arg-type]
        assert len(figure.to_json()) < 40_000


def test_changes_are_told_apart_by_colour_and_mark() -> None:
    figure = mask_map(AFTER, BEFORE, "change", name="fc1.weight")
    assert cells(figure).tolist() == [[1, 2, 0], [3, 1, 2]]
    assert figure.data[0].text.tolist() == [["", "×", ""], ["+", "", "×"]]
    scale = {round(4 * place): color for place, color in figure.data[0].colorscale[1::2]}
    assert scale == {1: LIGHT.pruned, 2: LIGHT.kept, 3: PRUNED_SINCE, 4: GROWN_SINCE}
    marks = {trace.name: (trace.marker.color, trace.marker.symbol) for trace in figure.data[1:]}
    assert marks["pruned since last round"] == (PRUNED_SINCE, "x")
    assert marks["grown since last round"] == (GROWN_SINCE, "cross")
    assert title(figure) == "2 of the 6 weights of fc1.weight were pruned and 1 grown since last round"


def test_large_layers_show_one_weight_a_cell_in_the_change_view() -> None:
    before = torch.ones(200, 300, dtype=torch.bool)
    after = torch.rand(200, 300, generator=seeded_generator("change")) > 0.3
    figure = mask_map(after, before, "change")
    assert set(np.unique(cells(figure))) == {1, 2}
    assert (cells(figure) == 2).mean() == pytest.approx(0.3, abs=0.03)
    assert figure.data[0].text is None
    assert "one of them" in figure.layout.title.subtitle.text


def test_magnitudes_of_the_kept_and_the_colour_of_the_pruned() -> None:
    values = torch.tensor([[1.0, 50.0, 50.0], [-2.0, 4.0, 50.0]])
    figure = mask_map(AFTER, view="magnitude", values=values, name="fc1.weight")
    levels = cells(figure)
    assert ((levels == 0) == ~AFTER.numpy()).all()
    assert levels[0, 0] < levels[1, 0] < levels[1, 1] == 255
    assert figure.data[0].colorscale[0] == (0, LIGHT.pruned)
    assert title(figure) == "Kept weights of fc1.weight have magnitude 2.3 on average, the largest 4"


def test_the_magnitude_of_a_block_is_the_mean_over_its_kept_weights() -> None:
    values = torch.full((1, 256), 8.0)
    mask = torch.arange(256)[None] % 2 == 0
    mask[0, 1] = True
    mask[0, 2:4] = False
    figure = mask_map(mask, view="magnitude", values=values)
    assert cells(figure).shape == (1, 128)
    assert cells(figure)[0, :3].tolist() == [255, 0, 255]  # both, none, one of two kept
    assert figure.data[0].colorbar.ticktext[2] == "≥ 8"


@pytest.mark.parametrize("view", ["mask", "change", "magnitude"])
@pytest.mark.parametrize("shape", [(1,), (7,), (2, 2), (3, 1, 5, 5)])
@pytest.mark.parametrize("kept", [True, False])
def test_any_shape_all_kept_or_all_pruned(view, shape: tuple[int, ...], kept: bool) -> None:
    mask = torch.full(shape, kept)
    figure = mask_map(mask, mask, view, values=torch.zeros(shape))
    assert np.isfinite(cells(figure)).all()


def test_impossible_requests_are_refused_in_one_sentence() -> None:
    with pytest.raises(ValueError, match=r"previous has shape \(2, 2\); allowed is the mask's, \(2, 3\)"):
        mask_map(AFTER, torch.ones(2, 2, dtype=torch.bool), "change")
    with pytest.raises(ValueError, match=r"values is None"):
        mask_map(AFTER, view="magnitude")
    with pytest.raises(ValueError, match=r"view is 'channels'"):
        mask_map(AFTER, view="channels")  # type: ignore[arg-type]
