"""Choosing a run: the same on every page that looks at one."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app import session
from app.words import STATUS, title
from fedlab_core.experiment import Experiment
from fedlab_core.runs.store import RunInfo


def dense_reference(runs: Sequence[RunInfo], experiment: Experiment) -> RunInfo | None:
    """The newest finished run of FedAvg with the same data, model and federation; None for such a run itself.

    A fork is none, even if FedAvg goes on with it: its first rounds may have been pruned.
    """
    alike = experiment.replace({"strategy.name": "fedavg"})
    if alike == experiment:
        return None
    whole = (run for run in runs if run.status == "finished" and run.parent_id is None)
    return next((run for run in whole if run.experiment == alike), None)


def choose_run(runs: Sequence[RunInfo], page: str) -> RunInfo:
    """A select box of runs; the opened run is chosen, or else, and then it is said, the newest one."""
    by_id, key = {run.run_id: run for run in runs}, f"{page}:run"
    opened = session.looked_at("run")
    st.session_state[key] = opened if opened in by_id else next(iter(by_id))
    st.selectbox(
        "Run",
        list(by_id),
        format_func=lambda run_id: f"{title(by_id[run_id])} · {STATUS[by_id[run_id].status][0]} · {run_id}",
        key=key,
        on_change=session.turn,
        args=("run", key),
    )
    if opened is not None and opened not in by_id:
        st.caption(":material/info: The opened run has no rounds yet, or was deleted: this is another one.")
    return by_id[st.session_state[key]]
