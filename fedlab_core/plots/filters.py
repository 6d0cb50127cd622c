"""The first layer as pictures: each filter, or what each hidden unit looks for, with what is pruned crossed out.

U units, C channels of the input, H x W pixels of a filter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw

from fedlab_core.plots.data import PIXELS, image_grid
from fedlab_core.plots.style import CIVIDIS, format_percent, theme

if TYPE_CHECKING:
    from torch import Tensor

UNITS, COLUMNS = 32, 16
"""More pictures, and more of them in a row, do not fit on a screen."""
CROSSED = 8
"""A cross fits into a weight that is drawn with so many pixels."""
FADED = 0.75
"""How much of a unit's picture that is cut is background."""
_STOPS = np.array([ImageColor.getrgb(color) for color in CIVIDIS], dtype=float)
WEIGHTS = np.stack(
    [np.interp(np.linspace(0, 1, 256), np.linspace(0, 1, len(_STOPS)), channel) for channel in _STOPS.T], axis=1
)
"""The colour of each level of a weight: dark blue the most negative, yellow the most positive."""


def filter_pictures(
    weight: Tensor, mask: Tensor, input_shape: Sequence[int] = (), *, name: str = "the first layer", dark: bool = False
) -> go.Figure:
    """What the units of the first layer look for; of the first `UNITS` of them.

    A pruned weight is grey, with a cross where there is room; a unit without any weight is faded and called cut.
    Colour images give filters in their own colours, everything else is from dark (negative) to yellow (positive).

    Args:
        weight: of the first layer, (U, C, H, W) of a convolution, (U, C, D, H, W) of volumes, or (U, inputs).
        mask: the same shape, True = kept.
        input_shape: of one example, (C, H, W) or (C, D, H, W): how a dense layer's inputs lie; needed by no other.
        name: of the layer.
        dark: for a dark background.

    Raises:
        ValueError: another shape of the mask, or a dense layer that is not for such inputs.
    """
    if mask.shape != weight.shape:
        raise ValueError(f"mask has shape {tuple(mask.shape)}; allowed is the weight's, {tuple(weight.shape)}")
    dense = weight.dim() == 2
    if dense and weight.shape[1] != np.prod(input_shape):
        raise ValueError(f"input_shape is {tuple(input_shape)}; allowed is a shape of {weight.shape[1]} inputs")
    kept_U = mask.flatten(1).any(1).tolist()
    density_U = mask.flatten(1).float().mean(1).tolist()
    values, kept = (_flat_pictures(tensor[:UNITS], input_shape) for tensor in (weight, mask.to(weight.dtype)))
    top = float(np.abs(values).max()) or 1.0
    look = theme(dark)
    grey, behind = ImageColor.getrgb(look.pruned), ImageColor.getrgb(look.surface)
    pictures = [
        _picture(value_CHW / top, kept_CHW > 0, alive, grey, behind)
        for value_CHW, kept_CHW, alive in zip(values, kept, kept_U, strict=False)
    ]
    titles = [
        f"✕ {unit} cut" if not alive else f"{unit}: {density:.0%}" if density < 1 else str(unit)
        for unit, (alive, density) in enumerate(zip(kept_U, density_U, strict=True))
    ][:UNITS]
    how = "Filters in colour." if _in_colour(values) else "Dark: negative, yellow: positive."
    slices = " The middle slice of each." if 5 in (weight.dim(), 1 + len(input_shape)) else ""
    shown = f" The first {UNITS} of {len(kept_U)} units." if len(kept_U) > UNITS else ""
    note = f"{how} Grey or crossed: pruned; with a number: the share of weights kept.{slices}{shown}"
    sentence = _sentence(kept_U, density_U, name)
    return image_grid(np.stack(pictures), titles, columns=COLUMNS, sentence=sentence, note=note, dark=dark)


def _flat_pictures(tensor: Tensor, input_shape: Sequence[int]) -> NDArray[np.float32]:
    """Units as (U, C, H, W): a dense layer's inputs in their places, of volumes the slice in the middle."""
    units = tensor.detach().cpu().float()
    if units.dim() == 2:
        units = units.view(len(units), *input_shape)
    if units.dim() == 5:
        units = units[:, :, units.shape[2] // 2]
    return units.numpy()


def _in_colour(values: NDArray[np.float32]) -> bool:
    return values.shape[1] == 3


def _picture(
    value_CHW: NDArray[np.float32],
    kept_CHW: NDArray[np.bool_],
    alive: bool,
    grey: Sequence[int],
    behind: Sequence[int],
) -> NDArray[np.uint8]:
    """One unit, uint8 (height, width, 3), enlarged to whole squares of pixels; values between -1 and 1."""
    if len(value_CHW) == 3:
        cells_HWC = (127.5 * (1 + value_CHW * kept_CHW)).transpose(1, 2, 0)
    else:
        cells_HWC = WEIGHTS[np.rint(127.5 * (1 + value_CHW.mean(0))).astype(int)]
    gone_HW = ~kept_CHW.any(0)
    cells_HWC[gone_HW] = grey
    if not alive:
        cells_HWC = (1 - FADED) * cells_HWC + FADED * np.array(behind)
    side = max(1, -(-PIXELS // max(gone_HW.shape)))
    image = Image.fromarray(cells_HWC.round().astype(np.uint8)).resize(
        (gone_HW.shape[1] * side, gone_HW.shape[0] * side), Image.Resampling.NEAREST
    )
    if side >= CROSSED:
        pen, edge = ImageDraw.Draw(image), side // 4
        for row, column in np.argwhere(gone_HW).tolist():
            box = (column * side + edge, row * side + edge, (column + 1) * side - edge, (row + 1) * side - edge)
            pen.line(box, fill=(128, 128, 128))
            pen.line((box[0], box[3], box[2], box[1]), fill=(128, 128, 128))
    return np.asarray(image)


def _sentence(kept_U: Sequence[bool], density_U: Sequence[float], name: str) -> str:
    cut, units = len(kept_U) - sum(kept_U), len(kept_U)
    whole = sum(density == 1 for density in density_U)
    if cut:
        return (
            f"Of the {units} units of {name}, {cut} {'is' if cut == 1 else 'are'} cut; {whole} have all their weights"
        )
    if whole == units:
        return f"All {units} units of {name} have all their weights"
    return (
        f"All {units} units of {name} are left, with {format_percent(min(density_U))} to "
        f"{format_percent(max(density_U))} of their weights"
    )
