"""Rounds of a stored run, computed again for what was not stored: what each client sent."""

from __future__ import annotations

from fedlab_core.clients import client_side
from fedlab_core.drift import Replay, replay
from fedlab_core.lab import Federation
from fedlab_core.processes import crew, one_thread
from fedlab_core.runs.store import RunError, RunStore


def replay_rounds(store: RunStore, run_id: str, first: int, last: int, federation: Federation) -> list[Replay]:
    """Rounds `first` to `last` again, from the newest state that was stored before them.

    Computed by as many processes as the run: what comes out is what it stored, unless the machine is another one
    (`as_stored`).

    Args:
        store: where the run is.
        run_id: which one.
        first, last: rounds that it has done itself; a fork's parent has done the earlier ones.
        federation: of the run's experiment; its data are used, its model is left alone.

    Raises:
        RunError: it has no such rounds.
    """
    run = store.get(run_id)
    if not run.first_round < first <= last <= run.rounds_done:
        allowed = f"{run.first_round + 1} to {run.rounds_done}" if run.rounds_done > run.first_round else "none yet"
        raise RunError(f"run {run.run_id} cannot compute rounds {first} to {last} again; its own rounds are {allowed}")
    stored, server = store.state(run.run_id, first - 1)
    mine = federation.under(run.experiment.strategy)  # a model in use elsewhere may be switched to testing at any time
    spread = run.processes > 1 and run.experiment.federation.device == "cpu"
    run_clients = crew(run.processes) if spread else client_side
    with one_thread():
        again = replay(mine, server, stored + 1, last, run_clients)
        return [one for one in again if one.round >= first]


def as_stored(store: RunStore, run_id: str, one: Replay) -> bool | None:
    """Whether a round computed again came out bit by bit as the stored one; None where its state was not kept."""
    stored, server = store.state(run_id, one.round)
    return server.sha256() == one.after.sha256() if stored == one.round else None
