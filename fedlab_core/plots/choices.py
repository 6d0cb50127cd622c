"""Choosing among measured settings: what two budgets allow, what no other setting beats, and pairs of runs by seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Literal, NamedTuple

import plotly.graph_objects as go

from fedlab_core.costs.front import pareto_front
from fedlab_core.plots.style import BLUISH_GREEN, VERMILLION, faint, format_percent, run_style, theme
from fedlab_core.plots.theme import nothing_yet, set_percent, sheet

Cost = Literal["megabytes", "gigaflops"]
TITLES: dict[Cost, str] = {
    "megabytes": "megabytes, both ways (logarithmic)",
    "gigaflops": "training GFLOPs, weighted by density (logarithmic)",
}
UNITS: dict[Cost, str] = {"megabytes": "MB", "gigaflops": "GFLOPs"}
TICKS = [digit * 10**power for power in (-2, -1, 0, 1, 2) for digit in (1, 2, 5)]


class Choice(NamedTuple):
    """A setting that was run, with what it costs and how good it was.

    Attributes:
        name: as people call it.
        megabytes: messages of a whole run, both ways.
        gigaflops: training FLOPs of a whole run, weighted by density, in 10^9.
        scores: test accuracy of each seed.
    """

    name: str
    megabytes: float
    gigaflops: float
    scores: tuple[float, ...]

    @property
    def score(self) -> float:
        """The mean over seeds."""
        return mean(self.scores)

    def fits(self, megabytes: float, gigaflops: float) -> bool:
        """Whether it keeps both budgets."""
        return self.megabytes <= megabytes and self.gigaflops <= gigaflops


def best_choice(choices: Sequence[Choice], megabytes: float, gigaflops: float) -> Choice | None:
    """The best mean within both budgets; of equals the one with fewer bytes. None where nothing fits."""
    fitting = [choice for choice in choices if choice.fits(megabytes, gigaflops)]
    return max(fitting, key=lambda choice: (choice.score, -choice.megabytes), default=None)


def front_of(choices: Sequence[Choice], cost: Cost) -> list[Choice]:
    """Those that no other beats in this cost and the mean score, the cheapest first."""
    return [choices[place] for place in pareto_front([(getattr(one, cost), one.score) for one in choices])]


def budget_map(
    choices: Sequence[Choice], *, megabytes: float, gigaflops: float, x: Cost = "megabytes", dark: bool = False
) -> go.Figure:
    """Every setting by cost and accuracy: what keeps both budgets, the best of it, and the Pareto front.

    Args:
        choices: the settings.
        megabytes, gigaflops: the budgets. The one of `x` is a shaded region, of the other only crosses are seen.
        x: the cost along the axis.
        dark: for a dark background.
    """
    if not choices:
        return nothing_yet("No setting has been run yet", "Run some settings first.", key="budget-map", dark=dark)
    best, look = best_choice(choices, megabytes, gigaflops), theme(dark)
    figure = sheet(_sentence(choices, best, megabytes, gigaflops), key=f"budget-map/{x}", dark=dark, height=460)
    costs = [getattr(one, x) for one in choices]
    left, right = min(costs) / 1.3, max(costs) * 1.3
    limit = min(max({"megabytes": megabytes, "gigaflops": gigaflops}[x], left), right)
    low = max(0.0, min(score for one in choices for score in one.scores) - 0.05)
    figure.add_scatter(
        name=f"within the budget of {UNITS[x]}",
        x=[left, limit, limit, left],
        y=[low, low, 1, 1],
        fill="toself",
        fillcolor=faint(BLUISH_GREEN),
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
    )
    front = front_of(choices, x)
    line = {"color": look.ink, "width": 1, "dash": "dot", "shape": "hv"}
    figure.add_scatter(
        name="Pareto front",
        x=[getattr(one, x) for one in front],
        y=[one.score for one in front],
        mode="lines",
        line=line,
        hoverinfo="skip",
    )
    fitting = [one for one in choices if one.fits(megabytes, gigaflops)]
    _add(figure, "keeps both budgets", fitting, x, {"color": look.kept, "symbol": "circle", "size": 10})
    others = [one for one in choices if one not in fitting]
    cross = {"color": VERMILLION, "symbol": "x-thin", "size": 9, "line": {"width": 2, "color": VERMILLION}}
    _add(figure, "too dear", others, x, cross)
    if best:
        star = {"color": look.ink, "symbol": "star", "size": 19}
        figure.add_scatter(
            name="best", x=[getattr(best, x)], y=[best.score], mode="markers", marker=star, hoverinfo="skip"
        )
    figure.update_xaxes(title_text=TITLES[x], type="log", tickvals=TICKS, ticktext=[f"{tick:g}" for tick in TICKS])
    set_percent(figure, "test accuracy, mean over seeds", low=low)
    return figure.update_layout(hovermode="closest")


def _add(figure: go.Figure, name: str, choices: Sequence[Choice], x: Cost, marker: dict[str, object]) -> None:
    """Means, with bars from the lowest to the highest seed."""
    if not choices:
        return
    means = [one.score for one in choices]
    figure.add_scatter(
        name=name,
        x=[getattr(one, x) for one in choices],
        y=means,
        mode="markers",
        marker=marker,
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [max(one.scores) - score for one, score in zip(choices, means, strict=True)],
            "arrayminus": [score - min(one.scores) for one, score in zip(choices, means, strict=True)],
            "thickness": 1,
            "color": marker["color"],
        },
        text=[one.name for one in choices],
        hovertemplate="%{text}: %{y:.1%} at %{x:.3s} " + UNITS[x] + "<extra></extra>",
    )


def _sentence(choices: Sequence[Choice], best: Choice | None, megabytes: float, gigaflops: float) -> str:
    budget = f"{megabytes:.3g} MB and {gigaflops:.3g} GFLOPs"
    if best is None:
        return f"None of {len(choices)} settings keeps to {budget}"
    count = sum(one.fits(megabytes, gigaflops) for one in choices)
    return (
        f"{count} of {len(choices)} settings keep to {budget}; best is {best.name}, at {format_percent(best.score)} "
        f"with {best.megabytes:.2f} MB and {best.gigaflops:.2f} GFLOPs"
    )


def paired_runs(pairs: Mapping[str, Mapping[int, float]], *, title: str, dark: bool = False) -> go.Figure:
    """The accuracy of every method, one line for each seed: what a seed does to all of them, and what differs.

    Args:
        pairs: by method: accuracy by seed. A seed that a method lacks is a gap.
        title: the sentence above.
        dark: for a dark background.
    """
    seeds = sorted({seed for scores in pairs.values() for seed in scores})
    if not seeds:
        return nothing_yet("No runs to compare", "Run two methods with the same seeds.", key="paired", dark=dark)
    figure = sheet(title, key="paired", dark=dark)
    for index, seed in enumerate(seeds):
        line, marker = run_style(index)
        ys = [scores.get(seed) for scores in pairs.values()]
        figure.add_scatter(
            name=f"seed {seed}", x=list(pairs), y=ys, mode="lines+markers", line=line, marker={**marker, "size": 10}
        )
    means = [mean(scores.values()) if scores else None for scores in pairs.values()]
    bar = {"symbol": "line-ew", "size": 40, "line": {"width": 3, "color": theme(dark).ink}}
    figure.add_scatter(name="mean", x=list(pairs), y=means, mode="markers", marker=bar)
    lowest = min(score for scores in pairs.values() for score in scores.values())
    highest = max(score for scores in pairs.values() for score in scores.values())
    room = max(0.1 * (highest - lowest), 0.005)
    figure.update_yaxes(title_text="test accuracy", tickformat=".1%", range=[lowest - room, highest + room])
    figure.update_xaxes(range=[-0.4, len(pairs) - 0.6])
    return figure.update_traces(hovertemplate="%{x}: %{y:.1%}")
