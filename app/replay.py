"""A finished run, told again: its rounds come one after the other, at a speed that a class can follow."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import streamlit as st

from app import session
from app.actions import ACTIVE
from fedlab_core.runs.store import RunInfo

SPEEDS = {"1": "1 round a second", "3": "3 rounds a second", "10": "10 rounds a second"}

Rows = list[dict[str, Any]]


class Replay(NamedTuple):
    """What is told in this window, since when, and whether all of it has been told."""

    run_id: str
    speed: int
    begun: float
    over: bool = False


def control(run: RunInfo) -> None:
    """Choose a speed; in the address, so that a link can begin a replay."""
    if run.status in ACTIVE or run.rounds_done < 2:
        return
    with st.popover("Replay", icon=":material/replay:", help="Tells the stored rounds again; nothing is computed."):
        st.session_state["run:replay"] = session.looked_at("replay") if session.looked_at("replay") in SPEEDS else None
        st.segmented_control(
            "The rounds appear as if the run were under way",
            list(SPEEDS),
            format_func=SPEEDS.__getitem__,
            key="run:replay",
            on_change=_begin,
            help="Press it again to end.",
        )


@session.callback
def _begin() -> None:
    st.session_state.pop("replay", None)
    session.look_at(replay=st.session_state["run:replay"])


def under_way(run: RunInfo) -> bool:
    """Whether this run is being told in this window; told once, it stays whole until a speed is chosen again."""
    asked = session.looked_at("replay")
    if asked not in SPEEDS or run.status in ACTIVE:
        return False
    now: Replay | None = st.session_state.get("replay")
    if now is None or (now.run_id, now.speed) != (run.run_id, int(asked)):
        now = st.session_state["replay"] = Replay(run.run_id, int(asked), time.monotonic())
    return not now.over


def told(run: RunInfo, past: Rows) -> Rows:
    """The rounds that have been told so far; all of them where nothing is being told."""
    if not under_way(run):
        return past
    now: Replay = st.session_state["replay"]
    count = 1 + int((time.monotonic() - now.begun) * now.speed)
    if count >= len(past):
        st.session_state["replay"] = now._replace(over=True)
    return past[:count]
