"""What-if: fork a run under another sparsity, or let a grid of settings answer."""

from __future__ import annotations

import streamlit as st

from app import engine, live, session
from app.choose import choose_run
from app.controls import all_controls
from app.forking import fork_box
from app.sweep_design import design, start
from app.sweep_results import results

PARTS = {"fork": "Fork a run", "sweep": "Sweep settings"}


def page() -> None:
    """One of two ways to ask."""
    if _part() == "fork":
        _fork()
        return
    with st.sidebar:
        st.caption("What all runs of a sweep have in common.")
        all_controls()
    # Folded where an answer is opened, so that the answer is seen.
    question = st.expander("**What do you want to vary?**", expanded=session.looked_at("sweep") is None)
    with question:
        grid = design()
    results()
    if grid is not None:
        with question:  # last: measuring takes some seconds, and nobody shall wait for it to see results
            start(grid)


def _part() -> str:
    """Which way; part of the address, that of an opened sweep its own."""
    asked = session.looked_at("part") or ("sweep" if session.looked_at("sweep") else "fork")
    st.session_state["whatif:part"] = asked if asked in PARTS else "fork"
    st.segmented_control(
        "What if …",
        list(PARTS),
        format_func=PARTS.__getitem__,
        key="whatif:part",
        on_change=session.turn,
        args=("part", "whatif:part"),
    )
    return st.session_state["whatif:part"] or "fork"


def _fork() -> None:
    """A run, a round, a sparsity; parent and child are drawn together."""
    runs = [run for run in engine.store().list() if run.last_row]
    if not runs:
        st.info("Nothing to fork yet. Start a run on the page **Run**, then come back.", icon=":material/fork_right:")
        return
    run = choose_run(runs, "whatif")
    fork_box(run)
    live.watch(run)


page()
