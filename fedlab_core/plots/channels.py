"""The output channels of one layer: what share of its weights each has left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from fedlab_core.plots.grids import CELLS, flat
from fedlab_core.plots.style import PRUNED_SINCE_MARK, VERMILLION, format_percent, theme
from fedlab_core.plots.theme import set_percent, sheet

if TYPE_CHECKING:
    from torch import Tensor


def channel_bars(mask: Tensor, *, name: str = "layer", dark: bool = False) -> go.Figure:
    """Kept share of every output channel (unit of a dense layer); those that are gone are marked on the axis.

    Args:
        mask: boolean, (outputs, ...), True = kept; of more than 128 outputs, one bar stands for several.
        name: of the layer.
        dark: for a dark background.
    """
    kept_C, look = flat(mask).mean(1), theme(dark)
    block = -(-len(kept_C) // CELLS)
    starts = np.arange(0, len(kept_C), block)
    bars = np.add.reduceat(kept_C, starts) / np.diff(starts, append=len(kept_C))
    gone = np.flatnonzero(bars == 0)
    note = f"Each bar is the mean of {block} channels." if block > 1 else ""
    figure = sheet(_sentence(kept_C, name), key=f"channels/{name}", dark=dark, subtitle=note, height=460)
    hover = "channel %{x}: %{y:.1%} kept<extra></extra>"
    figure.add_bar(name="kept", x=starts, y=bars, marker={"color": look.kept}, hovertemplate=hover, width=0.8 * block)
    figure.add_scatter(
        name="gone",
        x=starts[gone],
        y=np.full(len(gone), 0.015),
        mode="markers",
        marker={"color": VERMILLION, "symbol": PRUNED_SINCE_MARK, "size": 7},
        hovertemplate="channel %{x}: gone<extra></extra>",
        showlegend=bool(len(gone)),
    )
    figure.update_xaxes(title_text="output channel", showgrid=False, tickformat="d")
    set_percent(figure, "weights kept")
    return figure


def _sentence(kept_C: np.ndarray, name: str) -> str:
    gone, all_of_them = int((kept_C == 0).sum()), len(kept_C)
    if kept_C.min() == 1:
        return f"All {all_of_them} channels of {name} have all their weights"
    left = kept_C[kept_C > 0]
    if not len(left):
        return f"All {all_of_them} channels of {name} are gone"
    spread = f"{format_percent(float(left.min()))} to {format_percent(float(left.max()))}"
    if left.min() == left.max():
        spread = format_percent(float(left.min()))
    return f"{gone} of {all_of_them} channels of {name} are gone; the others have {spread} of their weights"
