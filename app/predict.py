"""Predict, observe, explain: what is expected is chosen before Run, drawn beside the run, and judged at its end.

The prediction is part of the address, as `guess`: "60-70-80", the metric after a quarter, a half and all of the rounds
in hundredths (of errors, tenths of a year); a single number is the end alone; or the name of an outcome.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from app import session
from app.words import escape
from fedlab_core.data.datasets import dataset_metric
from fedlab_core.metrics import MAE, Metric, metric_of
from fedlab_core.plots.explain import (
    OUTCOMES,
    Outcome,
    outcome_limits,
    verdict_of_outcome,
    verdict_of_sketch,
    why,
)
from fedlab_core.plots.style import format_gap
from fedlab_core.runs.store import RunInfo

Rows = list[dict[str, Any]]
Points = list[tuple[float, float]]

PLACES = (0.25, 0.5, 1.0)
"""Shares of the rounds at which the curve is sketched."""
HANDLES = ("after a quarter of the rounds", "after half of them", "after the last round")


def metric() -> Metric:
    """What runs of the settings on the left are measured by."""
    return dataset_metric(session.experiment().data.dataset)


def sketch() -> tuple[float, ...] | None:
    """The values predicted at the last of `PLACES`, in [0, 1] or in years; one for the end alone."""
    parts = (session.looked_at("guess") or "").split("-")
    steps = [int(part) for part in parts if part.isdecimal() and len(part) < 4]
    if len(steps) != len(parts) or len(steps) not in (1, 3) or max(steps) > 100:
        return None
    return tuple(step / _steps() for step in steps)


def outcome() -> Outcome | None:
    """The outcome predicted in words."""
    said = session.looked_at("guess")
    return next((known for known in OUTCOMES if known == said), None)


def _steps() -> int:
    """Steps of a slider to one, as the data on the left are measured."""
    return 10 if metric() is MAE else 100


def controls() -> None:
    """Say first what will happen, then run."""
    with st.popover("Predict", icon=":material/lightbulb:", help="Say first what will happen, then run."):
        drawn, said, by = sketch(), outcome(), metric()
        about, fails = (format_gap(by, limit) for limit in outcome_limits(by))
        st.session_state["run:outcome"] = said
        st.radio(
            "The outcome, against the same run without pruning",
            list(OUTCOMES),
            format_func=OUTCOMES.__getitem__,
            key="run:outcome",
            on_change=session.turn,
            args=("guess", "run:outcome"),
        )
        st.caption(f"About as good: less than {about} worse. Fails: {fails} worse or more.")
        st.markdown(f"Or sketch the curve: test {by.name}" + (" (tenths of a year)" if by is MAE else "") + " …")
        values = drawn or (50 / _steps(),)
        values = values if len(values) == len(PLACES) else values * len(PLACES)
        for place, (words, value) in enumerate(zip(HANDLES, values, strict=True)):
            st.session_state[_handle(place)] = round(_steps() * value)
            form = "%d" if by is MAE else "%d %%"
            st.slider(f"… {words}", 0, 100, format=form, key=_handle(place), on_change=_sketched)
        st.button("Forget it", key="run:forget", on_click=_forget, disabled=drawn is None and said is None)


def _handle(place: int) -> str:
    """Key of a slider; that of the end is the last."""
    return "run:guess" if place == len(PLACES) - 1 else f"run:guess:{place}"


@session.callback
def _sketched() -> None:
    session.look_at(guess="-".join(str(st.session_state[_handle(place)]) for place in range(len(PLACES))))


@session.callback
def _forget() -> None:
    session.look_at(guess=None)


def points(past: Rows, rounds: int) -> Points | None:
    """The sketch as a curve from the first round, for a run that is measured as the settings on the left are."""
    drawn = sketch()
    if drawn is None or not past or metric_of(past[0]) is not metric():
        return None
    places = PLACES[-len(drawn) :]
    start = (past[0]["round"], past[0][metric().test])
    return [start, *((place * rounds, value) for place, value in zip(places, drawn, strict=True))]


def judge(run: RunInfo, past: Rows, dense: Rows | None) -> None:
    """Once a run has ended: what came of the prediction, and why."""
    drawn, said = sketch(), outcome()
    if (drawn is None and said is None) or run.status != "finished" or len(past) < 2:
        return
    if metric_of(past[-1]) is not metric():
        return
    verdict = verdict_of_outcome(past, said, dense) if said else verdict_of_sketch(past, (drawn or (0.0,))[-1])
    st.info(f"**{escape(verdict)}.** {escape(why(past, dense))}.", icon=":material/lightbulb:")
