"""When a run shall stop by itself: at a target accuracy (or error), or when its bytes are spent.

Part of the address: `goal` in hundredths (of errors, tenths of a year), `most` in megabytes.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from app import predict, session
from app.words import escape
from fedlab_core.data.datasets import dataset_metric
from fedlab_core.metrics import MAE
from fedlab_core.plots.style import format_bytes, format_score
from fedlab_core.runs.store import RunInfo
from fedlab_core.runs.until import FOREVER, Until, total_bytes

MB = 10**6


def rule() -> Until:
    """What the address says; a number that cannot be is none."""
    goal, most = session.number("goal"), session.number("most")
    score = goal / _steps() if goal is not None and 1 <= goal <= 100 else None
    return Until(score=score, bytes=most * MB if most else None)


def _steps() -> int:
    """Steps to one: hundredths of an accuracy, tenths of a year."""
    return 10 if predict.metric() is MAE else 100


def controls() -> None:
    """When Run shall end before its last round."""
    now, by = rule(), predict.metric()
    with st.popover("Stop at", icon=":material/flag:", help="End a run before its last round."):
        unit = "tenths of a year" if by is MAE else "%"
        _field("goal", f"Target {by.name} ({unit})", None if now.score is None else round(now.score * _steps()), 100)
        _field("most", "Megabytes sent and received", None if now.bytes is None else now.bytes // MB, 10**6)
        st.caption("After the round that reaches one of them. Resume goes on from there.")


def _field(key: str, label: str, value: int | None, most: int) -> None:
    widget = f"run:{key}"
    st.session_state[widget] = value
    turn: dict[str, Any] = {"on_change": session.turn, "args": (key, widget)}
    st.number_input(label, 1, most, step=1, key=widget, placeholder="never", **turn)


def say(run: RunInfo, past: list[dict[str, Any]]) -> None:
    """What the rule of a run is, or that it has ended it."""
    what = run.until.reached(past)
    by = dataset_metric(run.experiment.data.dataset)
    if run.status == "stopped" and what:
        spent = f"{format_bytes(total_bytes(past))} sent and received"
        is_now = spent if what == "bytes" else f"test {by.name} {format_score(by, past[-1][by.test])}"
        line = f"Stopped by its rule after round {past[-1]['round']}: {is_now}. Resume goes on without it."
    elif run.until != FOREVER and run.status != "finished" and not what:
        goal = "" if run.until.score is None else f"test {by.name} {format_score(by, run.until.score)}"
        most = "" if run.until.bytes is None else f"{format_bytes(run.until.bytes)} sent and received"
        line = f"Stops at {' or '.join(filter(None, (goal, most)))}."
    else:
        return
    st.caption(f":material/flag: {escape(line)}")
