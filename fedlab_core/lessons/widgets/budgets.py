"""Notebook 10: which of the measured settings two budgets allow, and which is the best of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from fedlab_core.lessons.widgets.explorer import Explorer, choice, steps
from fedlab_core.plots.choices import TICKS, TITLES, Choice, Cost, best_choice, budget_map, front_of
from fedlab_core.plots.theme import sheet

MEGABYTES = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 7.0, 10.0, 20.0)
GIGAFLOPS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 2.0, 3.0, 5.0)
START_MB, START_GFLOPS = 1.0, 5.0
AXES: dict[str, Cost] = {"bytes": "megabytes", "FLOPs": "gigaflops"}


def budget_explorer(settings: Sequence[Mapping[str, Any]]) -> Explorer:
    """Sliders for a byte and a FLOP budget over settings that have been run; nothing is trained.

    Args:
        settings: each with "name"; "upload_bytes", "download_bytes", "flops" of a whole run; "accuracies", one a seed.
    """
    choices = choices_of(settings)
    controls = {
        "megabytes": steps("bytes: at most MB", START_MB, MEGABYTES),
        "gigaflops": steps("FLOPs: at most GFLOPs", START_GFLOPS, GIGAFLOPS),
        "x": choice("axis", dict(AXES)),
    }

    def draw(megabytes: float, gigaflops: float, x: Cost) -> tuple[go.Figure, str]:
        figure = budget_map(choices, megabytes=megabytes, gigaflops=gigaflops, x=x)
        return figure, _text(choices, megabytes, gigaflops)

    return Explorer(draw, controls, still=lambda: _still(choices))


def choices_of(settings: Sequence[Mapping[str, Any]]) -> list[Choice]:
    """The settings in the units of the figures."""
    return [
        Choice(
            one["name"],
            (one["upload_bytes"] + one["download_bytes"]) / 1e6,
            one["flops"] / 1e9,
            tuple(map(float, one["accuracies"])),
        )
        for one in settings
    ]


def _text(choices: Sequence[Choice], megabytes: float, gigaflops: float) -> str:
    """Which of the two budgets holds the accuracy down."""
    best = best_choice(choices, megabytes, gigaflops)
    if best is None:
        return "Nothing fits: loosen a budget."
    more_bytes = best_choice(choices, float("inf"), gigaflops)
    more_flops = best_choice(choices, megabytes, float("inf"))
    gains = {
        name: 100 * (other.score - best.score)
        for name, other in (("bytes", more_bytes), ("FLOPs", more_flops))
        if other is not None and other.score > best.score
    }
    said = ", ".join(f"without the budget of {name} it would be {gain:.1f} points more" for name, gain in gains.items())
    return f"Accuracy: {said}." if said else "Neither budget by itself costs accuracy."


def _still(choices: Sequence[Choice]) -> go.Figure:
    """The same settings against bytes and against FLOPs: two costs, two fronts."""
    row = make_subplots(cols=2, subplot_titles=["by bytes", "by FLOPs"], shared_yaxes=True)
    fronts = {cost: front_of(choices, cost) for cost in AXES.values()}
    for column, cost in enumerate(AXES.values(), start=1):
        drawn = budget_map(choices, megabytes=START_MB, gigaflops=START_GFLOPS, x=cost)
        kept = [trace for trace in drawn.data if cost == "megabytes" or not str(trace.name).startswith("within")]
        row.add_traces([trace.update(showlegend=column == 1) for trace in kept], 1, column)
        row.update_xaxes(title_text=TITLES[cost].split(",")[0], type="log", tickvals=TICKS, tickformat="~g", col=column)
    both = sum(one in fronts["gigaflops"] for one in fronts["megabytes"])
    sentence = (
        f"Of {len(fronts['megabytes'])} settings on the front of bytes {both} are on that of FLOPs, too; the budget "
        f"here is {START_MB:g} MB"
    )
    look: Any = sheet(sentence, key="still", dark=False, height=440).layout
    row.update_yaxes(tickformat=".0%").update_yaxes(title_text="test accuracy, mean over seeds", col=1)
    row.update_annotations(font={"size": 13})
    margin = {**look.margin.to_plotly_json(), "t": look.margin.t + 14}
    return row.update_layout(
        template=look.template, title=look.title, height=look.height, margin=margin, legend=look.legend
    )
