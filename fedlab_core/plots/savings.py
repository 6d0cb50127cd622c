"""What a sparsity buys, cost by cost: bytes of the message, FLOPs as counted, FLOPs as computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import plotly.graph_objects as go

from fedlab_core.plots.style import format_percent, run_style, theme
from fedlab_core.plots.theme import nothing_yet, sheet


class Saving(NamedTuple):
    """One network at one sparsity; all but the sparsity are shares of what the dense network costs.

    Attributes:
        sparsity: pruned / prunable weights.
        message: bytes of the encoded model.
        counted: FLOPs that count kept weights only ("theoretical").
        computed: FLOPs of the network that is left when whole units are cut: what dense kernels really do.
    """

    sparsity: float
    message: float
    counted: float
    computed: float


NAMES = {"message": "bytes of the message", "counted": "FLOPs as counted", "computed": "FLOPs as computed"}


def three_costs(
    points: Sequence[Saving], chosen: Saving | None = None, *, title: str = "", dark: bool = False
) -> go.Figure:
    """Three costs along the sparsity, each as a share of the dense network's.

    Args:
        points: of one way to prune and one encoding.
        chosen: one of them, which the title is about; by default the last.
        title: instead of the computed sentence.
        dark: for a dark background.
    """
    if not points:
        return nothing_yet("Nothing is pruned yet", "Choose a sparsity.", key="three-costs", dark=dark)
    at = chosen or max(points, key=lambda point: point.sparsity)
    figure = sheet(title or _sentence(at), key="three-costs", dark=dark, height=420)
    for index, (field, name) in enumerate(NAMES.items()):
        line, marker = run_style(index)
        xs, ys = [point.sparsity for point in points], [getattr(point, field) for point in points]
        figure.add_scatter(name=name, x=xs, y=ys, mode="lines+markers", line=line, marker=marker, cliponaxis=False)
        ring = {"symbol": "circle-open", "size": 15, "color": theme(dark).ink, "line": {"width": 2}}
        own = [getattr(at, field)]
        figure.add_scatter(
            x=[at.sparsity], y=own, mode="markers", marker=ring, showlegend=False, hoverinfo="skip", cliponaxis=False
        )
    figure.update_traces(hovertemplate="%{y:.1%}", selector={"mode": "lines+markers"})
    figure.update_xaxes(title_text="sparsity (pruned / prunable weights)", tickformat=".0%", range=[-0.02, 1.02])
    largest = max(max(point[1:]) for point in points)
    figure.update_yaxes(title_text="share of the dense network's", tickformat=".0%", range=[0, 1.06 * largest])
    return figure.update_layout(hovermode="x unified")


def _sentence(at: Saving) -> str:
    return (
        f"At {format_percent(at.sparsity)} sparsity: {format_percent(at.message)} of the bytes, "
        f"{format_percent(at.counted)} of the FLOPs as counted, {format_percent(at.computed)} as computed"
    )
