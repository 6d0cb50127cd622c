"""Forking: continue a run from one of its rounds under another setting. The same box on every page."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app import actions, session
from app.words import changes, escape
from fedlab_core.plots.style import format_percent
from fedlab_core.runs.store import RunInfo

TARGET = "strategy.final_sparsity"
PRUNE = "fedsparsify-global"
"""What prunes where the run's own method has no sparsity target."""


def fork_box(run: RunInfo, *, with_settings: bool = False) -> None:
    """One slider for the sparsity target; `with_settings`: also a button that takes over the settings on the left."""
    if run.status in actions.ACTIVE or run.rounds_done <= run.first_round:
        return
    rounds = run.experiment.federation.rounds
    if with_settings:
        rounds = max(rounds, session.experiment().federation.rounds)
    last = min(run.rounds_done, rounds - 1)
    if last < run.first_round:
        return
    with st.container(border=True):
        st.markdown("**What if?** Continue this run from one of its rounds under another setting.")
        left, right = st.columns(2)
        with left:
            round_ = _choose_round(run.first_round, last)
        with right:
            sparsity = _choose_sparsity(run)
        with st.container(horizontal=True, vertical_alignment="center"):
            _button(run, round_, sparsity)
            if with_settings:
                _button_for_settings(run, round_)


def _choose_round(first: int, last: int) -> int:
    """After which round; that which the address looks at, if it does, else two thirds of the way."""
    if first == last:
        return first
    wanted = session.number("round")
    st.session_state["fork:round"] = (
        wanted if wanted is not None and first <= wanted <= last else (2 * last + first) // 3
    )
    turn: dict[str, Any] = {"on_change": session.turn, "args": ("round", "fork:round")}
    return st.slider("Continue after round", first, last, key="fork:round", **turn)


def _choose_sparsity(run: RunInfo) -> float:
    """The new sparsity target, in the address as hundredths."""
    wanted, now = session.number("to"), run.experiment.settings().get(TARGET, 0.0)
    asked = wanted if wanted is not None and wanted <= 99 else min(99, round(100 * (now + (1 - now) / 2)))
    st.session_state["fork:to"] = asked
    text = f"Sparsity target (it was {format_percent(now)})" if now else "Sparsity target (nothing was pruned)"
    turn: dict[str, Any] = {"on_change": session.turn, "args": ("to", "fork:to")}
    return st.slider(text, 0, 99, format="%d %%", key="fork:to", **turn) / 100


def _button(run: RunInfo, round_: int, sparsity: float) -> None:
    """Fork with the slider's target."""
    change: dict[str, Any] = {TARGET: sparsity}
    if TARGET not in run.experiment.settings():
        change = {"strategy.name": PRUNE, **change}
    same = run.experiment.settings().get(TARGET) == sparsity
    st.button(
        f"Fork to {format_percent(sparsity)} from round {round_}",
        icon=":material/fork_right:",
        type="primary",
        key="fork:quick",
        on_click=actions.fork,
        args=(run.run_id, round_, change),
        disabled=same or round_ >= run.experiment.federation.rounds,
        help=None if TARGET in run.experiment.settings() else "FedSparsify-Global prunes from there on.",
    )


def _button_for_settings(run: RunInfo, round_: int) -> None:
    """Fork with whatever was changed on the left."""
    different = changes(session.experiment(), run.experiment)
    if not different:
        st.caption("Or change any setting on the left first.", width="content")
        return
    possible = round_ < session.experiment().federation.rounds
    st.button(
        f"Fork with the settings on the left from round {round_}",
        icon=":material/tune:",
        key="fork:start",
        on_click=actions.fork,
        args=(run.run_id, round_),
        disabled=not possible,
    )
    what = escape("; ".join(different)) if possible else "More rounds are needed for that: raise them on the left."
    st.caption(what, width="content")
