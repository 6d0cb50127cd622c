"""When a run shall stop by itself: at a target accuracy (or error), or when its bytes are spent.

Part of the address: `goal` in hundredths (of errors, tenths of a year), `most` in megabytes.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from app import predict, session
from app.words import escape
from fedlab_core.data.datasets import dataset_metric
from fedlab_core.metrics import MAE, Metric
from fedlab_core.plots.style import format_bytes, format_score
from fedlab_core.runs.store import RunInfo
from fedlab_core.runs.until import Until, total_bytes

MB = 10**6
MOST = {"goal": 100, "most": 10**6}
"""The largest numbers of the address."""


def rule() -> Until:
    """What the address says; a number that cannot be is none."""
    goal, most = session.number("goal"), session.number("most")
    score = goal / _steps() if goal is not None and 1 <= goal <= MOST["goal"] else None
    return Until(score=score, bytes=most * MB if most is not None and 1 <= most <= MOST["most"] else None)


def _steps() -> int:
    """Steps to one: hundredths of an accuracy, tenths of a year."""
    return 10 if predict.metric() is MAE else 100


def controls() -> None:
    """When Run shall end before its last round."""
    now, by = rule(), predict.metric()
    label = f"Stop at {_in_words(now, by)}".strip()  # seen without opening it: what is asked for stays in force
    with st.popover(label, icon=":material/flag:", key="run:stop", help="End a run before its last round."):
        unit = "tenths of a year" if by is MAE else "%"
        _field("goal", f"Target {by.name} ({unit})", None if now.score is None else round(now.score * _steps()))
        _field("most", "Megabytes sent and received", None if now.bytes is None else now.bytes // MB)
        st.caption(
            "After the round that reaches one of them; Resume goes on from there."
            " Forks and sweeps go on to their last round."
        )


def _field(key: str, label: str, value: int | None) -> None:
    widget = f"run:{key}"
    st.session_state[widget] = value
    turn: dict[str, Any] = {"on_change": session.turn, "args": (key, widget)}
    st.number_input(label, 1, MOST[key], value=None, step=1, key=widget, placeholder="never", **turn)


def _in_words(until: Until, by: Metric) -> str:
    goal = "" if until.score is None else f"{by.name} {format_score(by, until.score)}"
    most = "" if until.bytes is None else format_bytes(until.bytes)
    return " or ".join(filter(None, (goal, most)))


def say(run: RunInfo, past: list[dict[str, Any]]) -> None:
    """What the rule of a run is, or that it has ended it."""
    by = dataset_metric(run.experiment.data.dataset)
    if run.status == "stopped" and past and run.until.ended_in == past[-1]["round"]:
        score = f"test {by.name} {format_score(by, past[-1][by.test])}"
        is_now = score if run.until.ended_by == "score" else f"{format_bytes(total_bytes(past))} sent and received"
        line = f"Stopped by its rule after round {run.until.ended_in}: {is_now}. Resume goes on from there."
    elif run.status != "finished" and (rest := _in_words(run.until, by)):
        line = f"Stops at {rest}."
    else:
        return
    st.caption(f":material/flag: {escape(line)}")
