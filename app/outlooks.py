"""Rehearsals and measurements of the configuration, each done once and beside the pages."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st

from app import background, engine
from fedlab_core.budgets import Outlook, outlook
from fedlab_core.experiment import Experiment
from fedlab_core.lab import Federation
from fedlab_core.runs.estimate import Pace, kind, known_pace, measure


class Shown(NamedTuple):
    """What a page can draw now: an outlook, and whether it is the one that was asked for."""

    outlook: Outlook
    experiment: Experiment
    current: bool


def rehearsed(experiment: Experiment) -> tuple[background.Job, Shown | None]:
    """The rehearsal of a configuration, and what can be drawn until it is done: the last one of this window."""
    job = background.want("outlook", ("outlook", experiment.to_json()), lambda say: _rehearse(experiment, say))
    job.wait(background.PATIENCE_S)
    if job.done and not job.error:
        st.session_state["outlook"] = shown = Shown(job.result, experiment, True)
        return job, shown
    before: Shown | None = st.session_state.get("outlook")
    return job, before._replace(current=False) if before else None


def _rehearse(experiment: Experiment, say: background.Say) -> Outlook:
    rounds = experiment.federation.rounds
    say("Reading and splitting the data …", 0.0)
    federation = Federation.of(experiment)

    def on_round(round: int) -> None:
        say(f"Rehearsing round {round} of {rounds}; nobody trains …", round / rounds)

    return outlook(federation, on_round)


def pace(experiment: Experiment) -> Pace | None:
    """How fast rounds of this kind are on this machine, from a stored run, or from a measurement."""
    if stored := known_pace(engine.store(), experiment):
        return stored
    job = pace_job(experiment)
    return job.result if job and job.done else None


def pace_job(experiment: Experiment) -> background.Job | None:
    """The measurement of that, if somebody has asked for it."""
    return background.find(("pace", kind(experiment)))


def measure_pace(experiment: Experiment) -> None:
    """Ask for it: the first rounds are carried out, and thrown away."""

    def work(say: background.Say) -> Pace:
        return measure(experiment, lambda: say("Carrying out the first rounds, to see how long they take …", 0.5))

    background.want("pace", ("pace", kind(experiment)), work, "measure")
