"""Rounds that are computed again because someone asked for what they did not store."""

from __future__ import annotations

import streamlit as st
import torch

from app import engine, live
from fedlab_core.drift import Drift, measure_drift
from fedlab_core.pruning.masks import overlaps
from fedlab_core.runs.again import as_stored, replay_rounds
from fedlab_core.runs.store import RunError, RunInfo

CLIENTS = 30
"""Clients whose masks or updates are compared: a screen shows no more."""


def seconds(run: RunInfo, rounds: int) -> str:
    """About how long so many rounds take again, from what its last ones took."""
    took = [row["round_s"] for row in live.rows(run.run_id) if row["clients"]][-rounds:]
    return f"about {max(1, round(sum(took)))} s"


def mask_overlap(run: RunInfo, round: int) -> tuple[list[int], torch.Tensor]:
    """Clients of a round, and how much the masks that they sent overlap, [K, K].

    Raises:
        RunError, DataError: a round that the run has not done itself, or data that is not here.
    """
    with st.spinner(f"Computing round {round} again, {seconds(run, 1)} …"):
        return _mask_overlap(run.run_id, round)


@st.cache_data(max_entries=32, show_spinner=False)
def _mask_overlap(run_id: str, round: int) -> tuple[list[int], torch.Tensor]:
    lab = engine.lab(engine.store().get(run_id).experiment)
    updates = replay_rounds(engine.store(), run_id, round, round, lab)[0].updates[:CLIENTS]
    if not updates:
        raise RunError(f"round {round} was skipped: no client's update was merged")
    return [update.client_id for update in updates], overlaps([update.masks for update in updates])


def drift(run: RunInfo, rounds: int) -> tuple[Drift, list[bool]]:
    """The updates of the last `rounds` rounds, and for those whose state was kept, whether it came out the same.

    Raises:
        RunError, DataError: rounds that the run has not done itself, or data that is not here.
    """
    last = run.rounds_done
    first = last - rounds + 1
    which = f"rounds {first} to {last}" if rounds > 1 else f"round {last}"
    with st.spinner(f"Computing {which} again, {seconds(run, rounds)} …"):
        return _drift(run.run_id, first, last)


@st.cache_resource(max_entries=8, show_spinner=False)
def _drift(run_id: str, first: int, last: int) -> tuple[Drift, list[bool]]:
    store = engine.store()
    replays = replay_rounds(store, run_id, first, last, engine.lab(store.get(run_id).experiment))
    same = [as_stored(store, run_id, one) for one in replays]
    return measure_drift(replays, CLIENTS), [known for known in same if known is not None]
