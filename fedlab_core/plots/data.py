"""Who holds which data: labels and sizes of the clients, and what the examples look like.

Shape suffixes: K clients, C classes, N images, H height, W width (in `images_NHWC` C is 1 grey or 3 colours).
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from fedlab_core.plots.style import CIVIDIS, theme
from fedlab_core.plots.theme import nothing_yet, set_from_zero, sheet

CHOOSE_DATA = "Choose a data set, the number of clients and a partition."
GAP, TITLE = 0.1, 0.32
"""Space between images and above them, where the title is, in widths of an image."""
NAME = 1.4
"""Space for a client's name before its images, in widths of an image."""
LINE_PIXELS = 92
"""Height of a line of images with their titles."""
PIXELS = 96
"""Images smaller than this are enlarged before they are sent: a browser would blur 8 x 8 pixels."""


def label_heatmap(
    counts_KC: ArrayLike, class_names: Sequence[str], *, group: str = "label", dark: bool = False
) -> go.Figure:
    """How many examples of each label each client holds.

    Args:
        counts_KC: clients x classes, whole numbers.
        class_names: of the C classes.
        group: what a class is called: "label", or "age group".
        dark: for a dark background.

    Raises:
        ValueError: not one column a class name.
    """
    counts = np.asarray(counts_KC)
    if counts.size == 0:
        return nothing_yet("No client holds any data yet", CHOOSE_DATA, key="labels", dark=dark)
    if counts.ndim != 2 or counts.shape[1] != len(class_names):
        raise ValueError(f"counts_KC has shape {counts.shape}; allowed is (clients, {len(class_names)} class names)")
    held_K = (counts > 0).sum(axis=1)
    sentence = (
        f"A client holds {held_K.mean():.1f} of {len(class_names)} {group}s on average; "
        f"client {held_K.argmin()} holds {held_K.min()}, the fewest"
    )
    figure = sheet(sentence, key="labels", dark=dark, height=160 + 24 * min(len(class_names), 20))
    bar, gap = {"title": {"text": "examples"}}, 1 if len(counts) <= 40 else 0
    figure.add_heatmap(z=counts.T, y=list(class_names), colorscale=CIVIDIS, zmin=0, colorbar=bar, xgap=gap, ygap=gap)
    figure.update_traces(hovertemplate=f"client %{{x}}, {group} %{{y}}: %{{z}} examples<extra></extra>")
    figure.update_xaxes(title_text="client", showgrid=False, tickformat="d", dtick=_client_step(len(counts)))
    return figure.update_yaxes(title_text=group, showgrid=False, type="category", autorange="reversed")


def size_bars(sizes_K: Sequence[int], *, dark: bool = False) -> go.Figure:
    """Training examples of each client, and their mean as a thin grey line."""
    if not len(sizes_K):
        return nothing_yet("No client holds any data yet", CHOOSE_DATA, key="sizes", dark=dark)
    small, large = min(sizes_K), max(sizes_K)
    sentence = f"Clients hold {small:,} to {large:,} examples" if large > small else f"Every client holds {large:,}"
    if small and large > 1.1 * small:
        sentence += f": the largest {large / small:.1f} times the smallest"
    figure = sheet(sentence, key="sizes", dark=dark, height=280)
    figure.add_bar(y=list(sizes_K), marker={"color": theme(dark).kept})
    figure.update_traces(hovertemplate="client %{x}: %{y:,} examples<extra></extra>")
    look = theme(dark)
    mean = {"text": "mean", "bgcolor": look.surface}  # it lies on a bar
    figure.add_hline(y=sum(sizes_K) / len(sizes_K), line=look.reference, annotation=mean)
    figure.update_xaxes(title_text="client", tickformat="d", showgrid=False, dtick=_client_step(len(sizes_K)))
    set_from_zero(figure, "training examples", large)
    return figure.update_layout(showlegend=False)


def image_grid(
    images_NHWC: NDArray[np.uint8],
    titles: Sequence[str],
    *,
    columns: int = 8,
    sentence: str = "",
    note: str = "",
    dark: bool = False,
) -> go.Figure:
    """Images in rows of `columns`, each under its title.

    Args:
        images_NHWC: uint8, the last axis 1 (grey) or 3 (colours).
        titles: one an image, a word or two.
        columns: images in a row.
        sentence: title of the figure; by default how many images of which size there are.
        note: what has to be known to read them.
        dark: for a dark background.

    Raises:
        ValueError: another type or shape, or not one title an image.
    """
    if images_NHWC.dtype != np.uint8 or images_NHWC.ndim != 4 or images_NHWC.shape[-1] not in (1, 3):
        got = f"{images_NHWC.dtype} {images_NHWC.shape}"
        raise ValueError(f"images_NHWC is {got}; allowed is uint8 (N, H, W, 1) or (N, H, W, 3)")
    if len(titles) != len(images_NHWC):
        raise ValueError(f"titles has {len(titles)} entries; allowed is {len(images_NHWC)}, one an image")
    if not len(images_NHWC):
        return nothing_yet("No images to show", CHOOSE_DATA, key="images", dark=dark)
    count, height, width, _ = images_NHWC.shape
    columns = min(columns, count)
    lines = math.ceil(count / columns)
    figure = sheet(
        sentence or f"{count} examples of {height} x {width} pixels",
        key="images",
        dark=dark,
        subtitle=note,
    )
    _fit(figure, lines)
    places = [(column * (1 + GAP), line * (1 + TITLE) + TITLE) for line in range(lines) for column in range(columns)]
    pictures = [_picture(image_HWC, *place) for image_HWC, place in zip(images_NHWC, places, strict=False)]
    notes = [_title_above(title, *place) for title, place in zip(titles, places, strict=False)]
    figure.update_layout(images=pictures, annotations=notes)
    figure.update_xaxes(visible=False, range=[0, columns * (1 + GAP)], constrain="domain", constraintoward="left")
    bottom = lines * (1 + TITLE)
    return figure.update_yaxes(
        visible=False, range=[bottom, 0], scaleanchor="x", constrain="domain", constraintoward="top"
    )


def client_images(
    images_KNHWC: Sequence[NDArray[np.uint8]],
    titles_KN: Sequence[Sequence[str]],
    names: Sequence[str],
    *,
    sentence: str = "",
    note: str = "",
    dark: bool = False,
) -> go.Figure:
    """One row a client: its name, and some of its images, each under its title.

    Args:
        images_KNHWC: for each client, images as `image_grid` takes them; fewer leave places at the end of the row.
        titles_KN: for each client, one title an image.
        names: of the clients.
        sentence: title of the figure; by default how many clients there are.
        note: what has to be known to read them.
        dark: for a dark background.

    Raises:
        ValueError: not one name and one list of titles a client.
    """
    if not len(images_KNHWC) == len(titles_KN) == len(names):
        counts = f"{len(images_KNHWC)} clients' images, {len(titles_KN)} lists of titles and {len(names)} names"
        raise ValueError(f"{counts}; allowed is one of each a client")
    columns = max((len(images) for images in images_KNHWC), default=0)
    if not columns:
        return nothing_yet("No images to show", CHOOSE_DATA, key="client images", dark=dark)
    lines = len(names)
    figure = sheet(
        sentence or f"Some examples of {lines} clients",
        key="client images",
        dark=dark,
        subtitle=note,
    )
    _fit(figure, lines)
    pictures, notes = [], []
    for line, (images_NHWC, titles_N, name) in enumerate(zip(images_KNHWC, titles_KN, names, strict=True)):
        top = line * (1 + TITLE) + TITLE
        middle = {"x": NAME - GAP, "y": top + 0.5, "xanchor": "right", "showarrow": False, "font": {"size": 12}}
        notes.append({"text": name, **middle})
        for column, (image_HWC, title) in enumerate(zip(images_NHWC, titles_N, strict=True)):
            left = NAME + column * (1 + GAP)
            pictures.append(_picture(image_HWC, left, top))
            notes.append(_title_above(title, left, top))
    figure.update_layout(images=pictures, annotations=notes)
    right = NAME + columns * (1 + GAP)
    figure.update_xaxes(visible=False, range=[0, right], constrain="domain", constraintoward="left")
    return figure.update_yaxes(
        visible=False, range=[lines * (1 + TITLE), 0], scaleanchor="x", constrain="domain", constraintoward="top"
    )


def _fit(figure: go.Figure, lines: int) -> None:
    """The same room for a line of images, however long the title above them is."""
    figure.update_layout(margin_b=8, height=figure.layout.margin.t + 8 + LINE_PIXELS * lines)


def _picture(image_HWC: NDArray[np.uint8], left: float, top: float) -> dict[str, Any]:
    place = {"x": left, "y": top, "sizex": 1, "sizey": 1, "xref": "x", "yref": "y"}
    return {"source": _png(image_HWC), "sizing": "contain", **place}


def _title_above(text: str, left: float, top: float) -> dict[str, Any]:
    return {"text": text, "x": left + 0.5, "y": top, "yanchor": "bottom", "showarrow": False, "font": {"size": 11}}


def _png(image_HWC: NDArray[np.uint8]) -> str:
    """A data address of the image; its pixels stay sharp squares."""
    picture = Image.fromarray(image_HWC.squeeze(-1) if image_HWC.shape[-1] == 1 else image_HWC)
    times = max(1, math.ceil(PIXELS / max(picture.size)))
    buffer = io.BytesIO()
    picture.resize((picture.width * times, picture.height * times), Image.Resampling.NEAREST).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _client_step(num_clients: int) -> int | None:
    """Every client's number on the axis where there is room for it."""
    return 1 if num_clients <= 20 else None
