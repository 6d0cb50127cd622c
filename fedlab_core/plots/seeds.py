"""Every seed a dot: how methods end, at the same rounds beside at the same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

import plotly.graph_objects as go

from fedlab_core.plots.style import format_percent, run_style, theme
from fedlab_core.plots.theme import nothing_yet, sheet

Panel = Mapping[str, Sequence[float]]
"""Accuracies by method, one a seed."""

HALF = 0.46
"""Width of a panel where there are two."""
APART = 0.11
"""Between the dots of two seeds, of the distance between two methods: equal accuracies do not hide each other."""


def seed_dots(panels: Mapping[str, Panel], *, dark: bool = False) -> go.Figure:
    """Accuracies of all seeds as dots, their means as bars across, one sample deviation to either side.

    Args:
        panels: by what was kept equal, one or two; each with the same methods, of which some may have no values yet.
        dark: for a dark background.
    """
    if not panels or not any(values for panel in panels.values() for values in panel.values()):
        step = "Run a comparison with several seeds: each run is a dot."
        return nothing_yet("Nothing has been compared yet", step, key="seeds", dark=dark)
    subtitle = "Dots: seeds. Bars across: means, with one sample standard deviation to either side"
    figure = sheet(_sentence(panels), key="seeds", dark=dark, subtitle=subtitle, height=440)
    lowest = min(value for panel in panels.values() for values in panel.values() for value in values)
    axis = figure.layout.template.layout.yaxis.to_plotly_json()
    for place, (equal, panel) in enumerate(panels.items()):
        suffix = "" if place == 0 else str(place + 1)
        for index, (method, values) in enumerate(panel.items()):
            if values:
                _add_method(figure, method, list(values), index, suffix, dark)
        left = place * (1 - HALF) if len(panels) > 1 else 0.0
        across = {**axis, "domain": [left, left + HALF] if len(panels) > 1 else [0, 1], "anchor": f"y{suffix}"}
        up = {**axis, "anchor": f"x{suffix}", "tickformat": ".0%", "range": [max(0.0, lowest - 0.08), 1.02]}
        title = "accuracy on test data" if place == 0 else ""
        figure.update_layout(
            {
                f"xaxis{suffix}": {**across, **_named(panel), "title_text": equal},
                f"yaxis{suffix}": {**up, "title_text": title},
            }
        )
    return figure.update_layout(showlegend=False, hovermode="closest")


def _named(panel: Panel) -> dict[str, Any]:
    """Methods at 0, 1, 2, ..., by their names."""
    return {"tickvals": list(range(len(panel))), "ticktext": list(panel), "range": [-0.6, len(panel) - 0.4]}


def _add_method(figure: go.Figure, method: str, values: list[float], index: int, suffix: str, dark: bool) -> None:
    _, marker = run_style(index)
    axes = {"xaxis": f"x{suffix}", "yaxis": f"y{suffix}"}
    spread = stdev(values) if len(values) > 1 else 0.0
    figure.add_scatter(
        name=f"{method}, mean",
        x=[index],
        y=[fmean(values)],
        mode="markers",
        marker={"symbol": "line-ew", "size": 34, "line": {"width": 3, "color": theme(dark).ink}},
        error_y={"type": "data", "array": [spread], "thickness": 1.2, "width": 5, "color": theme(dark).ink},
        hovertemplate=f"{method}: mean %{{y:.1%}}<extra></extra>",
        **axes,
    )
    figure.add_scatter(
        name=method,
        x=[index + APART * (place - (len(values) - 1) / 2) for place in range(len(values))],
        y=values,
        mode="markers",
        marker={**marker, "size": 9},
        text=[f"{place} of {len(values)}" for place in range(1, len(values) + 1)],
        hovertemplate=f"{method}, seed %{{text}}: %{{y:.1%}}<extra></extra>",
        **axes,
    )


def _sentence(panels: Mapping[str, Panel]) -> str:
    """Who leads in each panel; means over seeds."""
    told = []
    for equal, panel in panels.items():
        means = {method: fmean(values) for method, values in panel.items() if values}
        if not means:
            told.append(f"at {equal} nothing has been run yet")
            continue
        best = max(means, key=lambda method: means[method])
        told.append(f"at {equal} {best} leads with {format_percent(means[best])}")
    said = "; ".join(told)
    return said[0].upper() + said[1:]
