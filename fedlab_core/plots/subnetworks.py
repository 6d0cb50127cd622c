"""Figures of device-wise pruning: how a hard choice is made soft, how a budget is met, what each device keeps.

D networks: the server's first, then the devices'. C channels of all layers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike
from plotly.subplots import make_subplots

from fedlab_core.plots.style import RUNS, VERMILLION, format_percent, format_points, run_style, theme
from fedlab_core.plots.theme import add_line, nothing_yet, set_percent, sheet

REACH = 4.0
"""Gates are drawn from minus to plus so much."""

NARROW = 0.2
"""A bar up to this share has no room for its number."""


def gate_curves(temperatures: Sequence[float], *, dark: bool = False) -> go.Figure:
    """The hard gate, a step without a slope, and soft gates sigmoid(x / tau), of which each has one.

    Args:
        temperatures: tau of each soft gate, above 0; the title is about the first.
        dark: for a dark background.
    """
    if not temperatures:
        return nothing_yet("No gate to draw", "Choose a temperature.", key="gate curves", dark=dark)
    first = temperatures[0]
    sentence = (
        f"The hard gate has slope 0 wherever it has one; at temperature {first:g} the soft gate goes from 10 % to 90 % "
        f"within {2 * first * math.log(9):.2f}"
    )
    figure = sheet(sentence, key="gate curves", dark=dark, height=320)
    xs = np.linspace(-REACH, REACH, 201)
    for place, tau in enumerate(temperatures):
        add_line(
            figure, f"soft, tau = {tau:g}", xs.tolist(), (1 / (1 + np.exp(-xs / tau))).tolist(), run_style(place)[0]
        )
    add_line(figure, "hard", [-REACH, 0, 0, REACH], [0, 0, 1, 1], theme(dark).global_model)
    figure.update_xaxes(title_text="x: logit + noise + offset", range=[-REACH, REACH])
    set_percent(figure, "how far the gate is open")
    return figure.update_traces(hovertemplate="x = %{x:.2f}: %{y:.1%}")


def share_curve(
    shares: Mapping[str, Sequence[float]], targets: Mapping[str, float], *, dark: bool = False
) -> go.Figure:
    """Share of the FLOPs that drawn networks keep, step after step, beside what they are allowed.

    Args:
        shares: by name, one number in [0, 1] a step of the gates.
        targets: the budget of those that have one; the title is about the first.
        dark: for a dark background.
    """
    named = {name: list(values) for name, values in shares.items() if len(values)}
    if not named:
        step = "Run the steps that train the gates."
        return nothing_yet("No step has been taken yet", step, key="share", dark=dark)
    figure = sheet(_share_sentence(named, targets), key="share", dark=dark, height=340)
    for place, (name, values) in enumerate(named.items()):
        add_line(figure, name, list(range(1, len(values) + 1)), values, run_style(place)[0])
    for target in sorted({targets[name] for name in named if name in targets}):
        figure.add_hline(y=target, line=theme(dark).reference)
    figure.update_xaxes(title_text="step of the gates")
    set_percent(figure, "FLOPs kept (dashed: budget)")
    return figure.update_traces(hovertemplate="step %{x}: %{y:.1%}", showlegend=len(named) > 1)


def subnetworks(
    names: Sequence[str],
    kept_DC: ArrayLike,
    sizes: Sequence[int],
    shares_D: Sequence[float],
    budgets_D: Sequence[float],
    *,
    dark: bool = False,
) -> go.Figure:
    """The networks of the server and of each device side by side, and what they cost beside what they may.

    Args:
        names: of the D networks, the server's first.
        kept_DC: 1 where a channel is kept, else 0; layer after layer.
        sizes: channels of each layer. Within a layer the channels are sorted: those that most networks keep come first.
        shares_D: share of the FLOPs that each keeps.
        budgets_D: share that it may keep.
        dark: for a dark background.

    Raises:
        ValueError: not one row a name, or not as many columns as the layers have channels.
    """
    kept = np.asarray(kept_DC, dtype=float)
    if not names:
        return nothing_yet("No sub-networks to compare", "Run dwnp to its pruning round.", key="subnetworks", dark=dark)
    if kept.shape != (len(names), sum(sizes)):
        raise ValueError(f"kept_DC has shape {kept.shape}; allowed is ({len(names)}, {sum(sizes)})")
    look, figure = theme(dark), make_subplots(cols=2, shared_yaxes=True, column_widths=[0.72, 0.28])
    ends = np.cumsum([0, *sizes])
    order = np.concatenate([low + _sorted(kept[:, low:high]) for low, high in pairwise(ends)])
    figure.add_heatmap(
        z=kept[:, order],
        x=np.arange(len(order)),
        y=list(names),
        colorscale=look.no_or_yes,
        zmin=0,
        zmax=1,
        showscale=False,
        ygap=2,
        customdata=np.broadcast_to(order - np.repeat(ends[:-1], sizes), kept.shape),
        hovertemplate="%{y}, channel %{customdata}: %{z}<extra></extra>",
    )
    for place in range(len(sizes)):
        middle = (ends[place] + ends[place + 1] - 1) / 2
        label = {"text": f"layer {place + 1}", "showarrow": False, "yref": "paper", "yanchor": "bottom"}
        figure.add_annotation(x=middle, y=1, **label)
        if place:
            figure.add_vline(x=ends[place] - 0.5, line={"color": VERMILLION, "width": 2}, col=1)
    figure.add_bar(
        x=list(shares_D),
        y=list(names),
        orientation="h",
        marker={"color": RUNS[0][0]},
        text=[format_percent(share) for share in shares_D],
        textposition=["inside" if share > NARROW else "outside" for share in shares_D],
        insidetextanchor="start",
        name="FLOPs kept",
        hovertemplate="%{y}: %{x:.1%} of the FLOPs<extra></extra>",
        row=1,
        col=2,
    )
    bar = {"color": look.ink, "symbol": "line-ns", "size": 20, "line": {"color": look.ink, "width": 3}}
    figure.add_scatter(
        x=list(budgets_D),
        y=list(names),
        mode="markers",
        marker=bar,
        name="budget",
        hovertemplate="%{y}: budget %{x:.1%}<extra></extra>",
        row=1,
        col=2,
    )
    figure.update_traces(showlegend=False, selector={"type": "bar"})
    frame = sheet(_sentence(shares_D, budgets_D), key="subnetworks", dark=dark, height=190 + 26 * len(names)).layout
    top = {"t": frame.margin.t + 22, "r": frame.margin.r, "b": 70, "l": frame.margin.l}
    figure.update_layout(template=frame.template, title=frame.title, height=frame.height, margin=top)
    figure.update_layout(uirevision=frame.uirevision, showlegend=False)
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False)
    figure.update_xaxes(
        title_text="channels, sorted in each layer (dark: kept)", showticklabels=False, showgrid=False, col=1
    )
    figure.update_xaxes(title_text="FLOPs kept (line: budget)", tickformat=".0%", range=[0, 1.03], col=2)
    return figure


def _sorted(kept_DC: np.ndarray) -> np.ndarray:
    """Channels by how many networks keep them, those with equal rows together."""
    return np.lexsort([*(1 - kept_DC[::-1]), -kept_DC.sum(0)])


def _sentence(shares_D: Sequence[float], budgets_D: Sequence[float]) -> str:
    """What the server keeps, from what to what devices do, and who is furthest from the budget."""
    server, *devices = shares_D
    furthest = max(abs(share - budget) for share, budget in zip(shares_D, budgets_D, strict=True))
    start = f"The server's network keeps {format_percent(server)} of the FLOPs"
    if devices:
        start += f", a device's {format_percent(min(devices))} to {format_percent(max(devices))}"
    return f"{start}; nobody is further than {format_points(furthest)} from the budget"


def _share_sentence(shares: Mapping[str, Sequence[float]], targets: Mapping[str, float]) -> str:
    """Where the first one stands now, and where the others do."""
    said = [f"{name} keeps {format_percent(values[-1])}" for name, values in shares.items()]
    asked = [f" (budget {format_percent(targets[name])})" if name in targets else "" for name in shares]
    steps = max(map(len, shares.values()))
    return f"After {steps} steps " + ", ".join(a + b for a, b in zip(said, asked, strict=True)) + " of the FLOPs"
