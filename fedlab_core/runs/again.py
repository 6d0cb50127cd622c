"""Rounds of a stored run, computed again for what was not stored: what each client sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fedlab_core.clients import Download, Lost, Report, RunClients, client_side
from fedlab_core.drift import Replay, replay
from fedlab_core.federation.trainer import OnStep, no_step_hook
from fedlab_core.lab import Federation
from fedlab_core.left_out import dropped
from fedlab_core.processes import crew, one_thread
from fedlab_core.runs.store import RunError, RunInfo, RunStore
from fedlab_core.types import RoundContext


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
    with one_thread():
        again = replay(mine, server, stored + 1, last, clients_as_before(store, run, stored))
        return [one for one in again if one.round >= first]


def clients_as_before(store: RunStore, run: RunInfo, after: int) -> RunClients:
    """The clients of the rounds after `after`, in as many processes as before; who was dropped then is again."""
    spread = run.processes > 1 and run.experiment.federation.device == "cpu"
    gone = {row["round"]: dropped(row) for row in store.rows(run.run_id, after=after)}
    return _Without(crew(run.processes) if spread else client_side, gone)


@dataclass(frozen=True)
class _Without:
    """The clients' side of rounds, where some are known to have been dropped: why, by round and client."""

    run_clients: RunClients
    dropped_T: Mapping[int, Mapping[int, str]]

    def __call__(
        self, federation: Federation, downloads: Sequence[Download], ctx: RoundContext, on_step: OnStep = no_step_hook
    ) -> list[Report | Lost]:
        """See `RunClients`."""
        gone = self.dropped_T.get(ctx.round, {})
        answers = self.run_clients(federation, downloads, ctx, on_step)
        ids = [one.client_id for one in downloads]
        return [Lost(gone[k]) if k in gone else answer for k, answer in zip(ids, answers, strict=True)]


def as_stored(store: RunStore, run_id: str, one: Replay) -> bool | None:
    """Whether a round computed again came out bit by bit as the stored one; None where its state was not kept."""
    stored, server = store.state(run_id, one.round)
    return server.sha256() == one.after.sha256() if stored == one.round else None
