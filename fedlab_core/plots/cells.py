"""The cells of a sweep as a grid that fills in: how much is pruned against method and skew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

import plotly.graph_objects as go

from fedlab_core.metrics import ACCURACY, Metric
from fedlab_core.plots.style import CIVIDIS, format_score
from fedlab_core.plots.theme import nothing_yet, sheet


def cell_heatmap(
    scores: Mapping[tuple[str, str], Sequence[float]], *, metric: Metric = ACCURACY, dark: bool = False
) -> go.Figure:
    """The median score of every setting; a setting that has not finished is an empty cell.

    Args:
        scores: how the runs of a setting ended, by row (method and skew) and column (how much is pruned); of a setting
            that has not finished, none.
        metric: what scores are.
        dark: for a dark background.
    """
    medians = {cell: median(runs) for cell, runs in scores.items() if runs}
    if not medians:
        return nothing_yet("No cell has finished yet", "Start a sweep: its cells appear here.", key="cells", dark=dark)
    rows, columns = (list(dict.fromkeys(names)) for names in zip(*scores, strict=True))
    z = [[medians.get((row, column)) for column in columns] for row in rows]
    figure = sheet(_sentence(medians, len(scores), metric), key="cells", dark=dark)
    # Yellow is good: the more accurate, the smaller the error.
    bar = {"title": {"text": metric.name}, **({"tickformat": ".0%"} if metric is ACCURACY else {})}
    figure.add_heatmap(
        z=z,
        x=[column or "–" for column in columns],
        y=rows,
        text=[["" if score is None else format_score(metric, score) for score in line] for line in z],
        texttemplate="%{text}",
        colorscale=CIVIDIS,
        reversescale=not metric.higher_is_better,
        colorbar=bar,
        hovertemplate="%{y}, %{x}: %{text}<extra></extra>",
        hoverongaps=False,
        xgap=2,
        ygap=2,
    )
    figure.update_xaxes(title_text="pruned", type="category", showgrid=False)
    figure.update_yaxes(title_text="setting", type="category", autorange="reversed", showgrid=False)
    return figure.update_layout(height=170 + 34 * len(rows))


def _sentence(medians: Mapping[tuple[str, str], float], cells: int, metric: Metric) -> str:
    """How many cells are there, and where it went best and worst."""
    there = f"All {cells} settings" if len(medians) == cells else f"{len(medians)} of {cells} settings have finished"
    ordered = sorted(medians, key=lambda cell: metric.gain(medians[cell], 0.0))
    ends = {"best": ordered[-1]} | ({"worst": ordered[0]} if len(ordered) > 1 else {})
    said = [
        f"{', '.join(filter(None, cell))} is {which}, at {format_score(metric, medians[cell])}"
        for which, cell in ends.items()
    ]
    return f"{there}: {'; '.join(said)}"
