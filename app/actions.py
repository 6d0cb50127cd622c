"""What buttons do: start, step, pause, resume, stop, fork. All are callbacks: they run before the page is drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import streamlit as st

from app import engine, session, stopping, where
from app.words import describe
from fedlab_core.experiment import Experiment
from fedlab_core.runs.execute import fork as fork_run
from fedlab_core.runs.store import RunInfo, Status

ACTIVE = ("queued", "running", "paused")
"""Statuses of a run that a worker has, or will have."""

RESTING = ("paused", "stopped", "interrupted", "failed")
"""Statuses of a run that can go on where it is."""


def opened() -> RunInfo | None:
    """The run of the address; None without one, or if it is gone."""
    run_id = session.looked_at("run")
    if run_id is None:
        return None
    try:
        return engine.store().get(run_id)
    except ValueError as error:
        session.complain(str(error))
        session.look_at(run=None)
        return None


def may_control(run: RunInfo) -> bool:
    """Runs of the command line and of imports belong to nobody, so anybody may; but not from a watching window."""
    return not session.is_watching() and run.owner in ("", session.owner())


def is_under_way(run: RunInfo | None) -> bool:
    """Whether Run would only start once more what is under way: then it is a second press of the same button."""
    if run is None or run.status not in ACTIVE:
        return False
    return run.experiment == session.experiment() and run.where == where.chosen()


@session.action
def start(step: bool = False) -> None:
    """A new run of the configuration, opened on the Run page; `step`: one round, then pause."""
    if is_under_way(opened()):
        return
    engine.check(session.experiment())
    store = engine.store()
    status: Status = "stopped" if step else "queued"
    run_id = store.create(
        session.experiment(), owner=session.owner(), status=status, until=stopping.rule(), machine=where.machine()
    )
    if step:
        store.request(run_id, "step")
    engine.pool().wake()
    session.look_at(run=run_id)


@session.action
def start_together(experiments: Mapping[str, Experiment]) -> None:
    """Runs of several experiments, by name, to be compared; one that is here already is not run again."""
    store = engine.store()
    known = {run.experiment: run.run_id for run in store.list() if run.status in (*ACTIVE, "finished")}
    for name, experiment in experiments.items():
        if experiment not in known:
            engine.check(experiment)
            known[experiment] = store.create(experiment, name=name, owner=session.owner())
    engine.pool().wake()
    session.look_at(runs=",".join(known[experiment] for experiment in experiments.values()), base=None, x=None)


@session.action
def ask(run_id: str, action: Literal["pause", "resume", "stop", "step"]) -> None:
    """Pause, resume, stop or step an opened run; a resting one goes back into the queue."""
    if not may_control(engine.store().get(run_id)):
        raise ValueError("this run was started in another browser; you can watch it, fork it, or start your own")
    engine.store().request(run_id, action)
    engine.pool().wake()


@session.action
def fork(parent_id: str, round: int, changes: Mapping[str, Any] | None = None) -> None:
    """Continue a run after `round` under changed settings: those given, or the configuration as it is now."""
    parent = engine.store().get(parent_id)
    if changes is None:
        changes = session.experiment().changes_from(parent.experiment)
    child = parent.experiment.replace(changes)
    engine.check(child)
    name = f"{describe(child)}, from round {round} of {parent.name or parent.run_id}"
    run_id = fork_run(engine.store(), parent_id, round, changes, name=name, owner=session.owner())
    engine.pool().wake()
    session.use(child)
    session.look_at(run=run_id)


@session.callback
def open_run(run_id: str) -> None:
    """Look at a run, with its experiment as the configuration."""
    session.use(engine.store().get(run_id).experiment)
    session.look_at(run=run_id)


@session.action
def rename(run_id: str, widget: str) -> None:
    """Give a run the name that was typed."""
    engine.store().rename(run_id, st.session_state[widget])


@session.callback
def compare(run_ids: Sequence[str]) -> None:
    """Look at several runs."""
    session.look_at(runs=",".join(run_ids))


@session.action
def delete(*run_ids: str) -> None:
    """Remove runs."""
    errors = []
    for run_id in run_ids:
        try:
            engine.store().delete(run_id)
        except ValueError as error:  # it runs again, or somebody else has deleted it
            errors.append(str(error))
        if session.looked_at("run") == run_id:
            session.look_at(run=None)
    if errors:
        raise ValueError("; ".join(errors))


@session.action
def import_file(widget: str) -> None:
    """Store the run of an uploaded file and open it."""
    if (file := st.session_state[widget]) is not None:
        session.look_at(run=engine.store().import_run(file.getvalue()))


def possible(run: RunInfo | None) -> dict[str, bool]:
    """Which buttons mean something now."""
    new = not session.is_watching() and not is_under_way(run)
    if run is None or not may_control(run):
        return {"run": new, "step": new, "pause": False, "resume": False, "stop": False}
    return {
        "run": new,
        "step": new or run.status in RESTING,
        "pause": run.status in ("queued", "running"),
        "resume": run.status in RESTING,
        "stop": run.status in ACTIVE,
    }
