"""Figures of dynamic pruning: which channels images open."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from fedlab_core.plots.style import CIVIDIS, format_percent
from fedlab_core.plots.theme import nothing_yet, sheet


def open_frequency_heatmap(
    clients: Sequence[str], frequency_KC: ArrayLike, *, layer: str = "", dark: bool = False
) -> go.Figure:
    """How often each channel of a gated layer is open, by client: rows that differ are networks that differ.

    Args:
        clients: names of the K clients.
        frequency_KC: share of the client's images in [0, 1] for which channel c is open.
        layer: its name.
        dark: for a dark background.

    Raises:
        ValueError: not one row a client.
    """
    open_KC = np.asarray(frequency_KC, dtype=float)
    if not clients:
        step = "Run dynamic-gate, in which every image opens its own channels."
        return nothing_yet("No gates to watch", step, key="gates", dark=dark)
    if open_KC.ndim != 2 or len(open_KC) != len(clients):
        raise ValueError(f"frequency_KC has shape {open_KC.shape}; allowed is ({len(clients)}, C), one row a client")
    figure = sheet(_sentence(open_KC, layer), key="gates", dark=dark, height=180 + 18 * len(clients))
    bar = {"title": {"text": "open for"}, "tickformat": ".0%"}
    channels = [str(channel) for channel in range(open_KC.shape[1])]
    figure.add_heatmap(
        z=open_KC, x=channels, y=list(clients), colorscale=CIVIDIS, zmin=0, zmax=1, colorbar=bar, xgap=1, ygap=1
    )
    figure.update_traces(hovertemplate="%{y}, channel %{x}: open for %{z:.0%} of the images<extra></extra>")
    figure.update_xaxes(title_text="channel", showgrid=False, type="category")
    return figure.update_yaxes(showgrid=False, type="category", autorange="reversed")


def _sentence(open_KC: np.ndarray, layer: str) -> str:
    """The mean, channels that are never or always open, and how far clients differ."""
    never, always = ((open_KC == value).all(0).sum() for value in (0, 1))
    spread = float((open_KC.max(0) - open_KC.min(0)).mean())
    name = f" of {layer}" if layer else ""
    return (
        f"An image opens {format_percent(float(open_KC.mean()))} of the channels{name}; {never} are never open, "
        f"{always} always; from client to client a channel's share differs by {format_percent(spread)} on average"
    )
