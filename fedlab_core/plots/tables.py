"""What a figure shows, as words and tables: for readers who do not see it, and for whoever wants the numbers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from fedlab_core.plots.style import theme

Table = list[dict[str, Any]]
"""One dictionary a row; all rows of a figure's lines have the column of the x axis first."""


def figure_tables(figure: go.Figure) -> list[Table]:
    """The numbers that a figure draws: one table of all its lines, points and bars, and one for each heatmap.

    What only decorates (arrows, bands, entries of the legend) cannot be hovered over, and is left out.
    """
    drawn = [trace for trace in figure.data if trace.hoverinfo != "skip"]
    lines = [trace for trace in drawn if trace.type in ("scatter", "bar")]
    grids = [_grid(trace, figure) for trace in drawn if trace.type == "heatmap"]
    return ([_columns(lines, figure)] if lines else []) + grids


def figure_words(figure: go.Figure) -> list[str]:
    """What is written in a figure: its title, the line below it, its axes, and its labels."""
    title = figure.layout.title
    axes = [(axis.plotly_name.replace("axis", " axis"), axis.title.text) for axis in _axes(figure)]
    named = [f"{name}: {text}" for name, text in axes if text]
    texts = [title.text, title.subtitle.text, *named, *(label.text for label in figure.layout.annotations)]
    return [re.sub(r"<[^>]+>", "", text.replace("<br>", " ")) for text in texts if text]


def figure_page(figure: go.Figure, dark: bool) -> str:
    """The figure as one HTML page that needs nothing else, not even a network; its camera saves SVG."""
    page = go.Figure(figure).update_layout(paper_bgcolor=theme(dark).surface)
    config = {"displaylogo": False, "toImageButtonOptions": {"format": "svg"}}
    text: str = page.to_html(include_plotlyjs=True, config=config)
    return text


def _axes(figure: go.Figure) -> list[Any]:
    return [*figure.select_xaxes(), *figure.select_yaxes()]


def _columns(traces: Sequence[Any], figure: go.Figure) -> Table:
    """A column for each trace, a row for each place; places are sorted where they are numbers."""
    across = all(trace.type == "bar" and trace.orientation == "h" for trace in traces)
    at, value = (figure.layout.yaxis, figure.layout.xaxis) if across else (figure.layout.xaxis, figure.layout.yaxis)
    place_name, value_name = at.title.text or "x", value.title.text or "value"
    written = dict(zip(at.tickvals or (), at.ticktext or (), strict=True))  # places that have a text on the axis
    rows: dict[tuple[Any, int], dict[str, Any]] = {}
    seen: Counter[tuple[str, Any]] = Counter()  # several points of a trace may lie above each other
    for trace in traces:
        name = trace.name or value_name
        places, values = (trace.y, trace.x) if across else (trace.x, trace.y)
        for place, number in _points(_listed(places, len(values)), _listed(values)):
            row = rows.setdefault((place, seen[name, place]), {place_name: written.get(place, place)})
            row[name] = number
            seen[name, place] += 1
    numbers = all(isinstance(place, (int, float)) for place, _ in rows)
    return [rows[key] for key in (sorted(rows) if numbers else rows)]


def _points(places: list[Any], values: list[Any]) -> list[tuple[Any, Any]]:
    """Places with their values; of strokes, which gaps lie between, where each begins: it ends on another line."""
    pairs = list(zip(places, values, strict=True))
    if None not in places:
        return pairs
    return [pair for last, pair in zip([None, *places], pairs, strict=False) if last is None and pair[0] is not None]


def _grid(trace: Any, figure: go.Figure) -> Table:
    """A row for each y, a column for each x."""
    corner = f"{figure.layout.yaxis.title.text or 'y'} \\ {figure.layout.xaxis.title.text or 'x'}"
    lines = [_listed(line) for line in trace.z]
    across = _listed(trace.x, len(lines[0]) if lines else 0, trace.x0, trace.dx)
    down = _listed(trace.y, len(lines), trace.y0, trace.dy)
    return [
        {corner: place, **{str(column): number for column, number in zip(across, line, strict=True)}}
        for place, line in zip(down, lines, strict=True)
    ]


def _listed(values: Any, count: int = 0, first: float | None = None, step: float | None = None) -> list[Any]:
    """Plain numbers and texts; without values, `count` places from `first` (0) on in steps of `step` (1)."""
    if values is None:
        return [(first or 0) + (step or 1) * place for place in range(count)]
    return [value.item() if hasattr(value, "item") else value for value in values]
