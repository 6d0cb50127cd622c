"""An attack by hand: its ROC curve, threshold by threshold, beside how over-fitted the attacked models are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import plotly.graph_objects as go

from fedlab_core.metrics import ACCURACY, Metric
from fedlab_core.plots.style import BLUISH_GREEN, ORANGE, format_gap, run_style, theme
from fedlab_core.plots.theme import nothing_yet, sheet

Points = Sequence[tuple[float, float]]
"""(false positive rate, true positive rate), from (0, 0) to (1, 1)."""


def area_under(points: Points) -> float:
    """Area under straight lines through the points: that of the ROC curve, in which equal scores count one half."""
    return sum((right - left) * (low + high) / 2 for (left, low), (right, high) in pairwise(points))


def roc_beside_gap(
    curves: Mapping[str, Points],
    scores: Mapping[str, tuple[float, float]],
    *,
    metric: Metric = ACCURACY,
    dark: bool = False,
) -> go.Figure:
    """Left, members found against non-members accused; right, the metric on training and on unseen examples.

    Args:
        curves: by name of the attacked model; the first is drawn thick and is what the title is about.
        scores: of the same models: the metric on training examples, and on unseen ones.
        metric: what the scores are.
        dark: for a dark background.
    """
    if not curves:
        step = "Run an attack on a trained model: each of its thresholds is a point."
        return nothing_yet("No model has been attacked yet", step, key="roc by hand", dark=dark)
    figure = sheet(_sentence(curves, scores, metric), key="roc by hand", dark=dark, height=440)
    figure.add_scatter(name="guessing", x=[0, 1], y=[0, 1], mode="lines", line=theme(dark).reference, hoverinfo="skip")
    for index, (name, points) in enumerate(curves.items()):
        line = {**run_style(index)[0], "width": 3 if index == 0 else 1.8}
        fprs, tprs = zip(*points, strict=True)
        hover = "%{x:.1%} accused, %{y:.1%} found"
        figure.add_scatter(name=name, x=fprs, y=tprs, mode="lines", line=line, hovertemplate=hover)
    for place, (which, color, shape) in enumerate((("training", BLUISH_GREEN, ""), ("unseen", ORANGE, "/"))):
        figure.add_bar(
            name=f"{which} examples",
            x=list(scores),
            y=[both[place] for both in scores.values()],
            marker={"color": color, "pattern": {"shape": shape}},
            hovertemplate="%{x}: %{y:.1%}" if metric is ACCURACY else "%{x}: %{y:.2f} years",
            xaxis="x2",
            yaxis="y2",
        )
    return _set_axes(figure, metric)


def _set_axes(figure: go.Figure, metric: Metric) -> go.Figure:
    """The curve in the left half, the bars in the right one."""
    rates = {"tickformat": ".0%", "range": [0, 1.02]}
    percent = metric is ACCURACY
    axis = figure.layout.template.layout.yaxis.to_plotly_json()
    below = {**axis, "anchor": "x2", "rangemode": "tozero"} | (
        {"tickformat": ".0%", "range": [0, 1.02]} if percent else {}
    )
    return figure.update_layout(
        xaxis={"domain": [0, 0.56], "title_text": "non-members accused (false positive rate)", **rates},
        yaxis={"title_text": "members found (true positive rate)", **rates},
        xaxis2={**axis, "domain": [0.68, 1], "anchor": "y2"},
        yaxis2={**below, "title_text": metric.name if percent else f"{metric.name} (years)"},
        hovermode="closest",
    )


def _sentence(curves: Mapping[str, Points], scores: Mapping[str, tuple[float, float]], metric: Metric) -> str:
    """The area and the gap of the first model, and of the last if there are several."""

    def told(name: str) -> str:
        gap = metric.gain(*scores[name])
        return f"{area_under(curves[name]):.2f} with a gap of {'-' if gap < 0 else ''}{format_gap(metric, gap)}"

    first, *others = curves
    said = f"{first}: the attack has an AUC of {told(first)}"
    return f"{said}; {others[-1]}: {told(others[-1])}" if others else said
