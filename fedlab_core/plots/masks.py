"""One layer's mask as a map: what is kept, what changed, how large the kept weights are.

Shape suffixes: R x Q the layer laid out flat, H x W cells of the picture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import plotly.graph_objects as go

from fedlab_core.plots.grids import Array, Grid, block_mean, block_sample, flat, grid_of
from fedlab_core.plots.style import (
    GROWN_SINCE,
    GROWN_SINCE_MARK,
    PRUNED_SINCE,
    PRUNED_SINCE_MARK,
    format_percent,
    theme,
)
from fedlab_core.plots.theme import nothing_yet, sheet

if TYPE_CHECKING:
    from torch import Tensor

View = Literal["mask", "change", "magnitude"]

MARKED_CELLS = 48
"""Up to so many cells along an axis there is room for a cross or a plus in a cell."""
HOVER = "output %{y:.0f}, input %{x:.0f}"


def mask_map(
    mask: Tensor,
    previous: Tensor | None = None,
    view: View = "mask",
    values: Tensor | None = None,
    *,
    name: str = "layer",
    dark: bool = False,
) -> go.Figure:
    """The mask of one layer, outputs down and inputs (x kernel) across, in at most 128 x 128 cells.

    Args:
        mask: boolean, any shape, True = kept; a kernel (out, in, h, w) is laid out as out x (in h w).
        previous: the mask to compare with, same shape; without one, `change` has nothing to show.
        view: `mask` kept and pruned; `change` pruned and grown since `previous`; `magnitude` |values| of the kept.
        values: the weights, same shape; needed by `magnitude`.
        name: of the layer, for the title.
        dark: for a dark background.

    Raises:
        ValueError: an unknown view, a shape that differs from the mask's, or `magnitude` without values.
    """
    for field, other in (("previous", previous), ("values", values)):
        if other is not None and other.shape != mask.shape:
            raise ValueError(f"{field} has shape {tuple(other.shape)}; allowed is the mask's, {tuple(mask.shape)}")
    if view == "mask":
        return _kept_map(mask, name, dark)
    if view == "change":
        return _change_map(mask, previous, name, dark)
    if view != "magnitude":
        raise ValueError(f"view is {view!r}; allowed is one of mask, change, magnitude")
    if values is None:
        raise ValueError("values is None; allowed for view 'magnitude' are the weights of the layer")
    return _magnitude_map(mask, values, name, dark)


def _kept_map(mask: Tensor, name: str, dark: bool) -> go.Figure:
    kept_RQ, look = flat(mask), theme(dark)
    grid = grid_of(kept_RQ)
    percent_HW = np.rint(100 * block_mean(kept_RQ, grid)).astype(np.uint8)
    sentence = f"{format_percent(float(kept_RQ.mean()))} of the {kept_RQ.size:,} weights of {name} are kept"
    figure = _map_sheet(sentence, grid, "its shade is the share kept", mask, f"mask/{name}", dark)
    _add_cells(
        figure,
        percent_HW,
        grid,
        colorscale=[[0, look.pruned], [1, look.kept]],
        zmin=0,
        zmax=100,
        hovertemplate=HOVER + ": %{z} % kept<extra></extra>",
    )
    _add_legend(figure, {"kept": (look.kept, "square"), "pruned": (look.pruned, "square")})
    return figure


def _change_map(mask: Tensor, previous: Tensor | None, name: str, dark: bool) -> go.Figure:
    key = f"change/{name}"
    if previous is None:
        step = "Choose a later round: the change is drawn against the round before it."
        return nothing_yet(f"There is no earlier mask of {name} to compare with", step, key=key, dark=dark)
    now_RQ, before_RQ, look = flat(mask), flat(previous), theme(dark)
    # 0 pruned before, 1 kept before, 2 pruned since, 3 grown since: the order of the colours below
    class_RQ = np.select([now_RQ > before_RQ, now_RQ < before_RQ], [3.0, 2.0], now_RQ).astype(np.float32)
    pruned, grown = int((class_RQ == 2).sum()), int((class_RQ == 3).sum())
    grid = grid_of(class_RQ)
    class_HW = block_sample(class_RQ, grid).astype(np.uint8)
    sentence = f"{pruned:,} of the {class_RQ.size:,} weights of {name} were pruned and {grown:,} grown since last round"
    figure = _map_sheet(sentence, grid, "it shows one of them", mask, key, dark)
    colors = (look.pruned, look.kept, PRUNED_SINCE, GROWN_SINCE)
    scale = [[edge / 4, color] for i, color in enumerate(colors) for edge in (i, i + 1)]
    _add_cells(figure, class_HW, grid, colorscale=scale, zmin=-0.5, zmax=3.5, hovertemplate=HOVER + "<extra></extra>")
    if max(class_HW.shape) <= MARKED_CELLS:
        marks = np.array(["", "", "×", "+"])
        figure.update_traces(text=marks[class_HW], texttemplate="%{text}", textfont={"size": 12})
    entries = {"pruned": (look.pruned, "square"), "kept": (look.kept, "square")}
    entries["pruned since last round"] = (PRUNED_SINCE, PRUNED_SINCE_MARK)
    entries["grown since last round"] = (GROWN_SINCE, GROWN_SINCE_MARK)
    _add_legend(figure, entries)
    return figure


def _magnitude_map(mask: Tensor, values: Tensor, name: str, dark: bool) -> go.Figure:
    """Mean |w| of the kept weights of each block, 1 to 255 up to the 99th percentile; 0 where nothing is kept."""
    kept_RQ, look = flat(mask), theme(dark)
    size_RQ = np.abs(flat(values)) * kept_RQ
    grid = grid_of(kept_RQ)
    density_HW = block_mean(kept_RQ, grid)
    mean_HW = block_mean(size_RQ, grid) / np.where(density_HW > 0, density_HW, 1)
    top = float(np.quantile(mean_HW[density_HW > 0], 0.99)) if density_HW.any() else 0.0
    level_HW = np.where(density_HW > 0, 1 + 254 * np.clip(mean_HW / (top or 1), 0, 1), 0).astype(np.uint8)
    average = float(size_RQ.sum() / max(kept_RQ.sum(), 1))
    sentence = f"Kept weights of {name} have magnitude {average:.2g} on average, the largest {size_RQ.max():.2g}"
    figure = _map_sheet(sentence, grid, "its colour is the mean of those kept", mask, f"magnitude/{name}", dark)
    stops = np.linspace(0.5 / 255, 1, len(look.magnitudes))
    scale = [[0, look.pruned], [stops[0], look.pruned], *zip(stops, look.magnitudes, strict=True)]
    ticks = {"tickvals": [1, 128, 255], "ticktext": ["0", f"{top / 2:.2g}", f"≥ {top:.2g}"]}
    bar = {"title": {"text": "|weight|"}, **ticks}
    _add_cells(figure, level_HW, grid, colorscale=scale, zmin=0, zmax=255, colorbar=bar, showscale=True)
    figure.update_traces(hovertemplate=HOVER + "<extra></extra>")
    _add_legend(figure, {"pruned": (look.pruned, "square")})
    return figure


def _map_sheet(sentence: str, grid: Grid, meaning: str, mask: Tensor, key: str, dark: bool) -> go.Figure:
    blocks = f"Each cell stands for {grid.height} x {grid.width} weights: {meaning}." if grid.blocked else ""
    figure = sheet(sentence, key=key, dark=dark, subtitle=blocks, height=460)
    figure.update_yaxes(title_text="output", autorange="reversed", showgrid=False)
    figure.update_xaxes(title_text="input x kernel position" if mask.dim() > 2 else "input", showgrid=False)
    return figure


def _add_cells(figure: go.Figure, cells_HW: Array | np.ndarray, grid: Grid, **look: Any) -> None:
    """A heatmap whose axes count weights, not cells: a cell is centred on its block."""
    place = {"x0": (grid.width - 1) / 2, "dx": grid.width, "y0": (grid.height - 1) / 2, "dy": grid.height}
    figure.add_heatmap(z=cells_HW, **place, **{"showscale": False, **look})


def _add_legend(figure: go.Figure, entries: dict[str, tuple[str, str]]) -> None:
    """Names for the colours of a heatmap, which has no legend of its own: traces without points."""
    for name, (color, symbol) in entries.items():
        marker = {"color": color, "symbol": symbol, "size": 11, "line": {"width": 1, "color": "gray"}}
        figure.add_scatter(name=name, x=[None], y=[None], mode="markers", marker=marker, hoverinfo="skip")
