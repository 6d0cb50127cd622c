"""Figures of channels: those that images open and use (dynamic pruning), those that devices keep (DWNP)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from fedlab_core.plots.style import CIVIDIS, format_percent, theme
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
    said = "open for %{z:.0%} of the images"
    return _channels(figure, clients, open_KC, "channel", said, colorscale=CIVIDIS, colorbar=bar)


def used_weights_heatmap(
    images: Sequence[str], used_NC: ArrayLike, *, layer: str = "", dark: bool = False
) -> go.Figure:
    """What share of a channel's weights is multiplied with, image by image: its mean is what is left of the FLOPs.

    Args:
        images: names of the N images.
        used_NC: share in [0, 1] of the weights of channel c; 0 where the channel is closed for the image.
        layer: its name.
        dark: for a dark background.

    Raises:
        ValueError: not one row an image.
    """
    used = np.asarray(used_NC, dtype=float)
    if not images:
        return nothing_yet("No images to look at", "Choose some images of the data set.", key="used", dark=dark)
    if used.ndim != 2 or len(used) != len(images):
        raise ValueError(f"used_NC has shape {used.shape}; allowed is ({len(images)}, C), one row an image")
    figure = sheet(_used_sentence(used, layer), key="used", dark=dark, height=180 + 20 * len(images))
    bar = {"title": {"text": "used"}, "tickformat": ".0%"}
    said = "%{z:.0%} of its weights are used"
    return _channels(figure, images, used, "channel (darkest: closed)", said, colorscale=CIVIDIS, colorbar=bar)


def device_channels_heatmap(
    names: Sequence[str], kept_DC: ArrayLike, *, layer: str = "", dark: bool = False
) -> go.Figure:
    """Which channels of a layer the server and each device keep: sub-networks side by side.

    Args:
        names: of the server and the D - 1 devices.
        kept_DC: 1 where kept, else 0.
        layer: its name.
        dark: for a dark background.

    Raises:
        ValueError: not one row a name.
    """
    kept = np.asarray(kept_DC, dtype=float)
    if not names:
        return nothing_yet("No sub-networks to compare", "Run dwnp to its pruning round.", key="devices", dark=dark)
    if kept.ndim != 2 or len(kept) != len(names):
        raise ValueError(f"kept_DC has shape {kept.shape}; allowed is ({len(names)}, C), one row a name")
    shared = int(kept.all(0).sum())
    place = f" of {layer}" if layer else ""
    sentence = (
        f"Of {kept.shape[1]} channels{place}, the server keeps {int(kept[0].sum())}; a device "
        f"{kept[1:].sum(1).mean() if len(kept) > 1 else 0:.1f} on average, and {shared} are in all sub-networks"
    )
    figure = sheet(sentence, key="devices", dark=dark, height=180 + 18 * len(names))
    look = {"colorscale": theme(dark).no_or_yes, "showscale": False}
    words = np.where(kept > 0, "kept", "dropped")
    return _channels(figure, names, kept, "channel (dark: kept)", "%{customdata}", customdata=words, **look)


def _channels(
    figure: go.Figure, names: Sequence[str], values_NC: np.ndarray, title: str, said: str, **look: Any
) -> go.Figure:
    """Fill the sheet: a row a name, a column a channel, values in [0, 1]; `said` of each, when pointed at."""
    figure.add_heatmap(
        z=values_NC,
        x=[str(channel) for channel in range(values_NC.shape[1])],
        y=list(names),
        zmin=0,
        zmax=1,
        xgap=1,
        ygap=1,
        hovertemplate=f"%{{y}}, channel %{{x}}: {said}<extra></extra>",
        **look,
    )
    figure.update_xaxes(title_text=title, showgrid=False, type="category")
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


def _used_sentence(used_NC: np.ndarray, layer: str) -> str:
    """The mean, and whether images share their channels."""
    shares = used_NC > 0
    fixed, never = int(shares.all(0).sum()), int((~shares).all(0).sum())
    place = f" of {layer}" if layer else ""
    alike = "every image uses the same ones" if (used_NC == used_NC[0]).all() else "images differ"
    return (
        f"On average an image uses {format_percent(float(used_NC.mean()))} of the weights{place}; {alike}: of "
        f"{used_NC.shape[1]} channels, {fixed} are open for all of them and {never} for none"
    )
