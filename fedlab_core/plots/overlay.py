"""Several runs on one axis, those that differ only in seeds as one line with a band."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Literal

import plotly.graph_objects as go

from fedlab_core.metrics import ACCURACY, Metric, metric_of
from fedlab_core.plots.records import Row, X, column, last, x_axis
from fedlab_core.plots.style import faint, format_gap, format_percent, format_score, run_style
from fedlab_core.plots.theme import add_line, nothing_yet, set_from_zero, set_percent, set_x, sheet

Quantity = Literal["score", "loss", "sparsity"]
Runs = Sequence[Sequence[Row]]


def overlay(
    groups: Mapping[str, Runs],
    quantity: Quantity = "score",
    *,
    x: X = "round",
    baseline: str | None = None,
    dark: bool = False,
) -> go.Figure:
    """The median of each group over its runs, and lowest to highest as a light band; round for round.

    Against megabytes or FLOPs a round stands where the median of the runs has it.

    Args:
        groups: the rows of one or more runs by the group's name; all measured alike.
        quantity: "score" is accuracy or error on the test data.
        x: what is on the other axis.
        baseline: the group that the title compares with.
        dark: for a dark background.
    """
    key = f"overlay/{quantity}/{x}"
    drawn = {name: [rows for rows in runs if rows] for name, runs in groups.items()}
    drawn = {name: runs for name, runs in drawn.items() if runs}
    if not drawn:
        return nothing_yet("Nothing to compare yet", "Choose runs that have begun.", key=key, dark=dark)
    metric = metric_of(next(iter(drawn.values()))[0][-1])
    field = {"score": metric.test, "loss": "test_loss", "sparsity": "sparsity"}[quantity]
    figure = sheet(_sentence(drawn, quantity, field, metric, baseline), key=key, dark=dark)
    for index, (name, runs) in enumerate(drawn.items()):
        _add_group(figure, name, runs, field, x, index)
    set_x(figure, x)
    if quantity == "sparsity":
        set_percent(figure, "sparsity (pruned / prunable weights)")
        return figure.update_traces(hovertemplate="%{y:.1%}", selector={"hoverinfo": None})
    if quantity == "score" and metric is ACCURACY:
        set_percent(figure, "accuracy on test data")
        return figure.update_traces(hovertemplate="%{y:.1%}", selector={"hoverinfo": None})
    title = "test loss (mean over examples)" if quantity == "loss" else f"{metric.name} on test data (years)"
    set_from_zero(figure, title, max((y for trace in figure.data for y in trace.y if y is not None), default=0.0))
    return figure.update_traces(hovertemplate="%{y:.3g}", selector={"hoverinfo": None})


def _add_group(figure: go.Figure, name: str, runs: Runs, field: str, x: X, index: int) -> None:
    line, marker = run_style(index)
    at: dict[int, list[tuple[float, float]]] = {}
    for rows in runs:
        for row, cost, value in zip(rows, x_axis(x).values(rows), column(rows, field), strict=True):
            if value is not None:
                at.setdefault(row["round"], []).append((cost, value))
    rounds = sorted(at)
    xs = [median(cost for cost, _ in at[round]) for round in rounds]
    values = [[value for _, value in at[round]] for round in rounds]
    if len(runs) > 1:
        figure.add_scatter(
            x=[*xs, *reversed(xs)],
            y=[*map(max, values), *map(min, reversed(values))],
            fill="toself",
            fillcolor=faint(line["color"]),
            line={"width": 0},
            mode="lines",
            hoverinfo="skip",
            showlegend=False,
            legendgroup=name,
        )
    add_line(figure, name, xs, [median(some) for some in values], line)
    figure.data[-1].mode = "lines+markers"
    figure.data[-1].marker = {**marker, "maxdisplayed": 10}
    figure.data[-1].legendgroup = name


def _sentence(groups: Mapping[str, Runs], quantity: Quantity, field: str, metric: Metric, baseline: str | None) -> str:
    """Where the best group ends, against the baseline."""
    ends: dict[str, float] = {}
    for name, runs in groups.items():
        values = [value for value in (last(column(rows, field)) for rows in runs) if value is not None]
        if values:
            ends[name] = median(values)
    if not ends:
        return "Nothing here is a finite number"
    if quantity == "sparsity":
        name = max(ends, key=lambda one: ends[one])
        if not ends[name]:
            return "No weight is pruned at the end of any of these"
        return f"{name} ends sparsest, at {format_percent(ends[name])}"
    if quantity == "loss":
        name = min(ends, key=lambda one: ends[one])
        return f"{name} ends with the lowest test loss, {ends[name]:.3g}"
    name = max(ends, key=lambda one: metric.gain(ends[one], 0.0))
    where = "highest" if metric.higher_is_better else "lowest"
    sentence = f"{name} ends {where}, at {format_score(metric, ends[name])}"
    if baseline is None or baseline == name or baseline not in ends:
        return sentence
    gap = format_gap(metric, ends[name] - ends[baseline])
    return f"{sentence}, {gap} {'above' if metric.higher_is_better else 'below'} the baseline"
