"""One network, pruned: accuracy against what is left, and masks beside each other or beside the layers' densities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from fedlab_core.plots.masks import mask_map
from fedlab_core.plots.style import format_percent, run_style, theme
from fedlab_core.plots.theme import nothing_yet, set_percent, sheet

if TYPE_CHECKING:
    from torch import Tensor

    from fedlab_core.types import Masks

TICKS = (1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002)
"""Densities that have a text on the axis."""
CHOOSE = "Choose a model with weight matrices or kernels."


def accuracy_against_density(
    curves: Mapping[str, Sequence[tuple[float, float]]], *, chance: float | None = None, dark: bool = False
) -> go.Figure:
    """Accuracy against the part of the weights that is left, from dense to sparse.

    Args:
        curves: by name: (density in (0, 1], accuracy in [0, 1]), from dense to sparse.
        chance: accuracy of guessing, a dashed line.
        dark: for a dark background.
    """
    if not curves:
        return nothing_yet("Nothing has been pruned yet", CHOOSE, key="density", dark=dark)
    figure = sheet(_curves_sentence(curves), key="accuracy-density", dark=dark)
    for index, (name, points) in enumerate(curves.items()):
        line, marker = run_style(index)
        densities, accuracies = zip(*points, strict=True)
        figure.add_scatter(name=name, x=densities, y=accuracies, mode="lines+markers", line=line, marker=marker)
    if chance is not None:
        label = {"text": "guessing", "bgcolor": theme(dark).surface}
        figure.add_hline(y=chance, line=theme(dark).reference, annotation=label, annotation_position="bottom left")
    figure.update_xaxes(
        title_text="weights that are left (log scale)",
        type="log",
        autorange="reversed",
        tickvals=TICKS,
        ticktext=[format_percent(tick) for tick in TICKS],
    )
    set_percent(figure, "accuracy on test data")
    return figure.update_traces(hovertemplate="%{x:.1%} left: %{y:.1%}")


def pruned_network(masks: Masks, shown: str, *, dark: bool = False) -> go.Figure:
    """The mask of one layer, and beside it how much of each layer is kept.

    Args:
        masks: by tensor, True = kept.
        shown: the tensor whose mask is drawn.
        dark: for a dark background.
    """
    if not masks:
        return nothing_yet("No weights carry a mask here", CHOOSE, key="pruned", dark=dark)
    look = theme(dark)
    counts = {name: (int(mask.sum()), mask.numel()) for name, mask in masks.items()}
    figure = _panels([f"mask of {shown}", "kept by layer"], [0.55, 0.45], _network_sentence(counts), "pruned", dark)
    figure.add_trace(mask_map(masks[shown], name=shown, dark=dark).data[0], row=1, col=1)
    layers = [f"{name}<br>{kept:,} of {size:,}" for name, (kept, size) in counts.items()]
    density = [kept / size for kept, size in counts.values()]
    for name, values, color in (
        ("kept", density, look.kept),
        ("pruned", [1 - share for share in density], look.pruned),
    ):
        hover = f"%{{x:.1%}} {name}<extra></extra>"
        figure.add_bar(
            name=name,
            x=values,
            y=layers,
            orientation="h",
            marker={"color": color, "line": {"width": 1, "color": "gray"}},
            hovertemplate=hover,
            row=1,
            col=2,
        )
    _label_map(figure, masks[shown], 1)
    figure.update_xaxes(title_text="share of the layer's weights", tickformat=".0%", range=[0, 1], row=1, col=2)
    figure.update_yaxes(autorange="reversed", row=1, col=2)
    return figure.update_layout(barmode="stack", legend_traceorder="normal")


def mask_row(masks: Mapping[str, Tensor], sentence: str, *, dark: bool = False) -> go.Figure:
    """Masks of one layer beside each other.

    Args:
        masks: by title, of one shape, True = kept.
        sentence: the title of the whole.
        dark: for a dark background.
    """
    if not masks:
        return nothing_yet("No masks to compare", CHOOSE, key="mask-row", dark=dark)
    width = 1 / len(masks)
    figure = _panels(list(masks), [width] * len(masks), sentence, "mask-row", dark)
    for column, mask in enumerate(masks.values(), start=1):
        figure.add_trace(mask_map(mask, dark=dark).data[0], row=1, col=column)
        _label_map(figure, mask, column)
    return figure


def _panels(titles: list[str], widths: list[float], sentence: str, key: str, dark: bool) -> go.Figure:
    """An empty row of pictures under one sentence."""
    look = sheet(sentence, key=key, dark=dark, height=400).layout
    spacing = 0.16 if len(titles) == 2 else 0.06
    figure = make_subplots(cols=len(titles), subplot_titles=titles, column_widths=widths, horizontal_spacing=spacing)
    figure.update_annotations(font={"size": 13}, yshift=2)
    margin = {**look.margin.to_plotly_json(), "t": look.margin.t + 24}
    return figure.update_layout(
        template=look.template,
        title=look.title,
        height=look.height,
        margin=margin,
        legend=look.legend,
        uirevision=look.uirevision,
    )


def _label_map(figure: go.Figure, mask: Tensor, column: int) -> None:
    across = "input x kernel position" if mask.dim() > 2 else "input"
    figure.update_xaxes(title_text=across, showgrid=False, row=1, col=column)
    down = {"title_text": "output"} if column == 1 else {}
    figure.update_yaxes(autorange="reversed", showgrid=False, row=1, col=column, **down)


def _curves_sentence(curves: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """What the first and the last curve have where they differ most."""
    first, *others = curves
    last = others[-1] if others else first
    if first == last:
        density, accuracy = curves[first][-1]
        return f"{first}: {format_percent(accuracy)} with {format_percent(density)} of the weights"
    other = dict(curves[last])
    gaps = {density: abs(accuracy - other[density]) for density, accuracy in curves[first] if density in other}
    at = max(gaps, key=gaps.__getitem__) if gaps else curves[first][-1][0]
    ends = [f"{name} {format_percent(dict(curves[name])[at])}" for name in (first, last) if at in dict(curves[name])]
    return f"With {format_percent(at)} of the weights: {', '.join(ends)}"


def _network_sentence(counts: Mapping[str, tuple[int, int]]) -> str:
    kept, size = (sum(column) for column in zip(*counts.values(), strict=True))
    left = f"{kept:,} of {size:,} weights are left ({format_percent(kept / size)})"
    empty = [name for name, (count, _) in counts.items() if not count]
    if empty:
        return f"{left}; {' and '.join(empty)} keep{'s' if len(empty) == 1 else ''} nothing: no image gets through"
    density = {name: count / whole for name, (count, whole) in counts.items()}
    thin, full = min(density, key=density.__getitem__), max(density, key=density.__getitem__)
    if density[full] - density[thin] < 0.001:
        return f"{left}, the same share in every layer"
    return f"{left}: {format_percent(density[full])} of {full}, and {format_percent(density[thin])} of {thin}"
