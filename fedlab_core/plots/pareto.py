"""Accuracy against what it costs, over the settings of a sweep: medians, bands over seeds, the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

import plotly.graph_objects as go

from fedlab_core.costs.front import pareto_front
from fedlab_core.metrics import ACCURACY, Metric
from fedlab_core.plots.records import X
from fedlab_core.plots.style import faint, format_gap, format_percent, format_score, run_style, theme
from fedlab_core.plots.theme import nothing_yet, set_from_zero, set_percent, set_x, sheet

UNITS: dict[X, str] = {"megabytes": "megabytes", "flops": "FLOPs", "round": "rounds"}


class Setting(NamedTuple):
    """One setting of a sweep, and how its runs ended.

    Attributes:
        series: what it belongs to, joined by a line: the method, the skew of the data.
        name: which of the series, e.g. "90 %".
        costs: of each run: megabytes, FLOPs, sparsity, or rounds until a target.
        scores: of each run: accuracy, or error.
    """

    series: str
    name: str
    costs: tuple[float, ...]
    scores: tuple[float, ...]

    @property
    def cost(self) -> float:
        """The median over seeds."""
        return median(self.costs)

    @property
    def score(self) -> float:
        """The median over seeds."""
        return median(self.scores)

    @property
    def title(self) -> str:
        """What to call it in a sentence."""
        return ", ".join(filter(None, (self.series, self.name)))


def trade_off(
    settings: Sequence[Setting],
    *,
    x: X = "megabytes",
    metric: Metric = ACCURACY,
    dense: float | None = None,
    x_title: str = "",
    dark: bool = False,
) -> go.Figure:
    """The median of each setting, lowest to highest over its seeds as a light band, and rings around the front.

    On the front are settings that no other one beats in both: a better score and a lower cost (or more sparsity).

    Args:
        settings: those with at least one run.
        x: what costs are.
        metric: what scores are.
        dense: the score of the dense reference, if there is one.
        x_title: of the axis, where `x` does not say all.
        dark: for a dark background.
    """
    key = f"pareto/{x}"
    if not settings:
        return nothing_yet("No cell has finished yet", "Start a sweep: its cells appear here.", key=key, dark=dark)
    sign = -1 if x == "sparsity" else 1
    front = [settings[p] for p in pareto_front([(sign * one.cost, metric.gain(one.score, 0.0)) for one in settings])]
    figure = sheet(_sentence(settings, front, x, metric), key=key, dark=dark, height=440)
    for index, series in enumerate(dict.fromkeys(one.series for one in settings)):
        members = sorted((one for one in settings if one.series == series), key=lambda one: one.cost)
        _add_series(figure, series, members, index)
    look = theme(dark)
    ring = {"symbol": "circle-open", "size": 17, "color": look.ink, "line": {"width": 1.5}}
    line = {"color": look.ink, "width": 1, "dash": "dot"}
    xs, ys = [one.cost for one in front], [one.score for one in front]
    figure.add_scatter(name="Pareto front", x=xs, y=ys, mode="lines+markers", marker=ring, line=line, hoverinfo="skip")
    set_x(figure, x)
    if x_title:
        figure.update_xaxes(title_text=x_title)
    if dense is not None:
        figure.add_hline(y=dense, line=look.reference, annotation_text="dense", annotation_position="bottom right")
    figure.update_layout(hovermode="closest")
    scores = [score for one in settings for score in one.scores] + ([] if dense is None else [dense])
    if metric is ACCURACY:
        set_percent(figure, "accuracy on test data, last round", low=max(0.0, min(scores) - 0.1))
    else:
        set_from_zero(figure, f"{metric.name} on test data, last round (years)", max(scores))
    return figure


def _add_series(figure: go.Figure, series: str, members: Sequence[Setting], index: int) -> None:
    """A line through the medians, over the band of a series; a single setting has a bar instead."""
    line, marker = run_style(index)
    xs = [one.cost for one in members]
    low, high = [min(one.scores) for one in members], [max(one.scores) for one in members]
    middle = [one.score for one in members]
    several = any(len(one.scores) > 1 for one in members)
    if several and len(members) > 1:
        figure.add_scatter(
            x=[*xs, *reversed(xs)],
            y=[*high, *reversed(low)],
            fill="toself",
            fillcolor=faint(line["color"]),
            line={"width": 0},
            mode="lines",
            hoverinfo="skip",
            showlegend=False,
            legendgroup=series,
        )
    bar = {
        "type": "data",
        "symmetric": False,
        "array": [top - mid for top, mid in zip(high, middle, strict=True)],
        "arrayminus": [mid - bottom for mid, bottom in zip(middle, low, strict=True)],
        "visible": several,
        "thickness": 1,
    }
    figure.add_scatter(
        name=series,
        x=xs,
        y=middle,
        mode="lines+markers",
        line=line,
        marker={**marker, "size": 10},
        error_y=bar,
        text=[f"{one.title}, {len(one.scores)} run{'s' * (len(one.scores) != 1)}" for one in members],
        hovertemplate="%{text}: %{y:.4g} at %{x:.3s}<extra></extra>",
        legendgroup=series,
        cliponaxis=False,
    )


def _sentence(settings: Sequence[Setting], front: Sequence[Setting], x: X, metric: Metric) -> str:
    """How many settings lie on the front, and the cheapest of them that comes close to the best one."""
    best = max(settings, key=lambda one: metric.gain(one.score, 0.0))
    reached = f"{best.title} is best, at {format_score(metric, best.score)}"
    if len(settings) == 1:
        return reached
    start = f"{len(front)} of {len(settings)} settings lie{'s' * (len(front) == 1)} on the front; {reached}"
    close = 0.02 if metric is ACCURACY else 0.25
    side = "below" if metric.higher_is_better else "above"
    near = [one for one in front if one is not best and metric.gain(best.score, one.score) <= close]
    if x == "sparsity":
        sparser = [one for one in near if one.cost > best.cost]
        if not sparser:
            return start
        most = max(sparser, key=lambda one: one.cost)
        gap = format_gap(metric, best.score - most.score)
        return f"{start}; {most.title} has {format_percent(most.cost)} sparsity and is {gap} {side}"
    cheaper = [one for one in near if one.cost < best.cost]
    if not cheaper:
        return start
    cheap = min(cheaper, key=lambda one: one.cost)
    gap, share = format_gap(metric, best.score - cheap.score), format_percent(cheap.cost / best.cost)
    return f"{start}; {cheap.title} is {gap} {side} with {share} of its {UNITS[x]}"
