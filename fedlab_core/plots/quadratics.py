"""Two clients with one weight: where each of them walks, and where the server settles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from fedlab_core.plots.style import VERMILLION, run_style, theme
from fedlab_core.plots.theme import nothing_yet, sheet

TICKS = [1, 2, 5, 10, 20, 50, 100]
POINTS = 121
"""Points along a parabola."""


class Walker(NamedTuple):
    """A client in a picture: its loss, and where it is before and after each local step."""

    name: str
    loss: Callable[[float], float]
    places: Sequence[float]


def walk_picture(
    walkers: Sequence[Walker], *, optimum: float, span: tuple[float, float] = (-0.5, 5.0), dark: bool = False
) -> go.Figure:
    """The losses of all clients and their mean; on each client's curve its walk through one round.

    Args:
        walkers: all start at the server's model.
        optimum: where the mean of the losses is least.
        span: of the weight, from and to.
        dark: for a dark background.
    """
    if not walkers:
        return nothing_yet("No client has walked", "Run a round.", key="walks", dark=dark)
    start, end = walkers[0].places[0], sum(walker.places[-1] for walker in walkers) / len(walkers)
    steps, look = len(walkers[0].places) - 1, theme(dark)
    figure = sheet(_walk_sentence(walkers, start, end, optimum, steps), key="walks", dark=dark, height=400)
    xs = np.linspace(*span, POINTS).tolist()
    highest = 0.0
    for index, walker in enumerate(walkers):
        line, marker = run_style(index)
        figure.add_scatter(name=walker.name, x=xs, y=[walker.loss(x) for x in xs], mode="lines", line=line)
        figure.add_scatter(
            name=f"{walker.name}: {steps} local step{'' if steps == 1 else 's'}",
            x=list(walker.places),
            y=[walker.loss(place) for place in walker.places],
            mode="lines+markers",
            line={"color": line["color"], "width": 1},
            marker={**marker, "size": 9},
        )
        highest = max(highest, walker.loss(start), walker.loss(optimum))

    def mean(x: float) -> float:
        return sum(walker.loss(x) for walker in walkers) / len(walkers)

    figure.add_scatter(name="mean of the losses", x=xs, y=[mean(x) for x in xs], mode="lines", line=look.global_model)
    for name, at, symbol, color in (
        ("optimum of the mean", optimum, "star", VERMILLION),
        ("server's model", start, "circle-open", look.ink),
    ):
        marker = {"symbol": symbol, "size": 14, "color": color, "line": {"width": 2, "color": look.ink}}
        figure.add_scatter(name=name, x=[at], y=[mean(at)], mode="markers", marker=marker)
    figure.update_traces(hovertemplate="w = %{x:.3f}, loss %{y:.3f}")
    figure.update_xaxes(title_text="weight w", range=list(span))
    return figure.update_yaxes(title_text="loss", range=[-0.04 * highest, 1.5 * highest])


def settling_curve(
    ends: Mapping[str, Mapping[int, float]], *, optimum: float, apart: float, dark: bool = False
) -> go.Figure:
    """Where the server settles, against the number of local steps.

    Args:
        ends: by name of the method: the weight by number of local steps.
        optimum: where the mean of the losses is least.
        apart: the mean of where each client would like to be.
        dark: for a dark background.
    """
    if not ends:
        return nothing_yet("Nothing has settled yet", "Run a method to its end.", key="settling", dark=dark)
    look, name = theme(dark), next(iter(ends))
    first, last = min(ends[name]), max(ends[name])
    sentence = (
        f"{name} settles at {ends[name][first]:.2f} with {_count(first)}, and at {ends[name][last]:.2f} with "
        f"{_count(last)}; the optimum is {optimum:.2f}"
    )
    figure = sheet(sentence, key="settling", dark=dark)
    for index, (method, by_steps) in enumerate(ends.items()):
        line, marker = run_style(index)
        xs, ys = list(by_steps), list(by_steps.values())
        figure.add_scatter(name=method, x=xs, y=ys, mode="lines+markers", line=line, marker=marker)
    for at, text in ((optimum, "optimum of the mean"), (apart, "mean of the clients' own minima")):
        label = {"text": text, "bgcolor": look.surface}
        figure.add_hline(y=at, line=look.reference, annotation=label, annotation_position="top left")
    figure.update_traces(hovertemplate="%{x} steps: w = %{y:.4f}")
    figure.update_xaxes(title_text="local steps E", type="log", tickvals=TICKS, ticktext=list(map(str, TICKS)))
    values = [value for by_steps in ends.values() for value in by_steps.values()] + [optimum, apart]
    room = 0.15 * (max(values) - min(values) or 1)
    return figure.update_yaxes(title_text="weight w of the server", range=[min(values) - room, max(values) + room])


def _walk_sentence(walkers: Sequence[Walker], start: float, end: float, optimum: float, steps: int) -> str:
    ways = " and ".join(f"{walker.name} by {walker.places[-1] - start:+.2f}" for walker in walkers)
    ways = ways.replace("-", "−").replace("+0.00", "0").replace("−0.00", "0")
    stays = "the server stays" if abs(end - start) < 0.005 else f"the server goes to {end:.2f}"
    move = "moves" if steps == 1 else "move"
    return f"From w = {start:.2f}, {_count(steps)} {move} {ways}: {stays}. The optimum is {optimum:.2f}"


def _count(steps: int) -> str:
    return f"{steps} local step{'' if steps == 1 else 's'}"
