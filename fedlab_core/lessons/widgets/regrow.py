"""Notebook 09: how much of the mask FedDST exchanges, and how often, and what the server's mask makes of it."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import NamedTuple

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from fedlab_core.experiment import Experiment
from fedlab_core.lessons.widgets.explorer import Explorer, slider, steps
from fedlab_core.plots.style import format_bytes, format_percent
from fedlab_core.plots.theme import sheet
from fedlab_core.plots.turnover import turnover_bars
from fedlab_core.pruning.regrow import cosine_fraction, explored, turnover
from fedlab_core.simulation import simulate
from fedlab_core.strategies.feddst import FedDST

EXCHANGES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.8)
STILL_EVERY = 5


class Course(NamedTuple):
    """A run of FedDST: by round what is new and what was asked for, and how it ended."""

    turnover_T: list[float]
    asked_T: list[float | None]
    explored: float
    accuracy: float
    sent_bytes: int


def regrow_explorer(base: Experiment) -> Explorer:
    """Sliders for the share alpha that clients exchange first, and the rounds between two exchanges.

    Args:
        base: an experiment with strategy feddst that runs in well under a second: every position of the sliders is a
            whole run, remembered once it has been seen.
    """
    strategy = base.strategy
    assert isinstance(strategy, FedDST)
    run = cache(lambda exchange, every: course(base, exchange, every))
    controls = {
        "exchange": steps("first share alpha", strategy.exchange, EXCHANGES),
        "every": slider("rounds between exchanges", strategy.every, 1, 8),
    }

    def draw(exchange: float, every: int) -> tuple[go.Figure, str]:
        seen = run(exchange, every)
        text = (
            f"{format_percent(seen.explored)} of all weights were kept at some time; after the last round "
            f"{format_percent(seen.accuracy)} of the test images are right; {format_bytes(seen.sent_bytes)} were sent."
        )
        return turnover_bars(seen.turnover_T, seen.asked_T), text

    def still() -> go.Figure:
        often, seldom = strategy.every, max(STILL_EVERY, strategy.every + 1)
        return _still({every: run(strategy.exchange, every) for every in (often, seldom)})

    return Explorer(draw, controls, still=still)


def course(base: Experiment, exchange: float, every: int) -> Course:
    """A whole run with these settings."""
    chosen = base.replace({"strategy.exchange": exchange, "strategy.every": every})
    records, strategy = list(simulate(chosen)), chosen.strategy
    assert isinstance(strategy, FedDST)
    rounds, masks = chosen.federation.rounds, [record.state.masks for record in records]
    shares = [cosine_fraction(t, strategy.stop_after * rounds, exchange) for t in range(1, rounds + 1)]
    return Course(
        [turnover(before, after) for before, after in pairwise(masks)],
        [share if share and t % every == 0 else None for t, share in enumerate(shares, start=1)],
        explored(masks),
        records[-1].test_accuracy or 0.0,
        sum(record.upload_bytes + record.download_bytes for record in records),
    )


def _still(courses: dict[int, Course]) -> go.Figure:
    """Often beside seldom, on one scale."""
    row = make_subplots(cols=len(courses), subplot_titles=[f"every {t} rounds" for t in courses], shared_yaxes=True)
    for column, seen in enumerate(courses.values(), start=1):
        for trace in turnover_bars(seen.turnover_T, seen.asked_T).data:
            row.add_trace(trace.update(showlegend=column == 1), row=1, col=column)
    last = max(len(seen.turnover_T) for seen in courses.values())
    row.update_xaxes(title_text="round", tickformat="d", showgrid=False, range=[0.3, last + 0.7])
    row.update_yaxes(tickformat=".0%").update_yaxes(title_text="share of the kept weights", col=1)
    row.update_annotations(font={"size": 13})
    ends = [f"every {t} rounds: {format_percent(seen.explored)}" for t, seen in courses.items()]
    look = sheet(f"Of all weights, those kept at some time: {'; '.join(ends)}", key="still", dark=False).layout
    margin = {**look.margin.to_plotly_json(), "t": look.margin.t + 24}
    shape = {"template": look.template, "title": look.title, "height": look.height, "legend": look.legend}
    return row.update_layout(**shape, margin=margin)
