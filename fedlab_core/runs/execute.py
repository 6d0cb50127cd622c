"""Carry out a stored run in this process, from its last stored state to its end; and fork a run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from fedlab_core.experiment import SettingError
from fedlab_core.federation.trainer import OnStep, no_step_hook
from fedlab_core.lab import Federation
from fedlab_core.processes import one_thread
from fedlab_core.rounds import run_round, start_record
from fedlab_core.runs.again import clients_as_before
from fedlab_core.runs.info import RunInfo
from fedlab_core.runs.store import RunError, RunStore, Status, Wish
from fedlab_core.simulation import OneRound, fork_start, simulate
from fedlab_core.types import RoundRecord, ServerState

OnRecord = Callable[[RoundRecord], None]

LOOK_S = 0.02
"""How often, at most, the store is asked whether the run shall pause or stop."""


class Interrupted(Exception):  # noqa: N818 - nothing went wrong
    """Raised by `on_step` to leave a run: the half-done round is dropped, the run can be resumed."""


class _Left(Exception):  # noqa: N818
    """The run is left because someone asked for it; the argument is its status from now on."""


def execute(store: RunStore, run_id: str, *, on_record: OnRecord | None = None, on_step: OnStep | None = None) -> None:
    """Run what is left of a run; on return it is finished, or stopped by request.

    Args:
        store: where it is and where every round is stored.
        run_id: a run that is queued, stopped, interrupted or failed.
        on_record: called with every new round, after it has been stored.
        on_step: called before every client step; it may raise `Interrupted`.

    Raises:
        RunError: the run is finished, or another process has it.
        Interrupted, KeyboardInterrupt: passed on; the run is then "interrupted".
        Exception: whatever the run fails with, passed on; the run is then "failed" and has the sentence.
    """
    store.claim(run_id)
    execute_claimed(store, run_id, on_record=on_record, on_step=on_step)


def execute_claimed(
    store: RunStore,
    run_id: str,
    *,
    on_record: OnRecord | None = None,
    on_step: OnStep | None = None,
    make_way: bool = False,
    federation: Federation | None = None,
    one_round: OneRound | None = None,
) -> None:
    """`execute` for a run that this process has claimed already.

    `federation` and `one_round` as `simulate` takes them: for a run whose clients are elsewhere.

    With `make_way`, a paused run is left, at the cost of its half-done round, as soon as another one is queued; and a
    cell of a sweep goes back into the queue, after a round, as soon as a single run waits.
    """
    status: Status = "interrupted"
    error = ""
    obey = _Obedience(store, run_id, on_step or no_step_hook, make_way)
    try:
        info = store.get(run_id)
        past = store.rows(run_id) if info.last_row else []
        steps_aside, rounds = make_way and info.sweep_id is not None, info.experiment.federation.rounds
        with one_thread():
            start = store.state(run_id) if info.last_row else None
            for record in simulate(
                info.experiment,
                start=start,
                on_step=obey,
                processes=info.processes,
                federation=federation,
                one_round=one_round,
            ):
                record = replace(record, round_s=record.round_s - obey.take_paused_s())
                store.save_round(run_id, record)
                obey.look_at_once()  # "one more round" is over, however short that round was
                if on_record is not None:
                    on_record(record)
                past.append(record.to_json())
                # Not before anything has been trained.
                limit = info.until.reached(past) if info.first_round < record.round < rounds else None
                if limit is not None:
                    store.set_until(run_id, info.until.ended(limit, record.round))
                    raise _Left("stopped")
                if steps_aside and record.round < rounds and store.any_queued(single=True):
                    raise _Left("queued")
        status = "finished"
    except _Left as left:
        (status,) = left.args
    except (Interrupted, BrokenPipeError):  # the latter: nobody reads the output any more
        raise
    except Exception as failure:
        status, error = "failed", sentence(failure)
        raise
    finally:
        store.leave(run_id, status, error)


def fork(
    store: RunStore,
    parent_id: str,
    round: int,
    changes: Mapping[str, Any],
    *,
    name: str = "",
    owner: str = "",
    status: Status = "queued",
) -> str:
    """A new run that continues `parent_id` after `round` under changed settings.

    Its first stored round is that one, measured under its own settings; its costs stay with the parent. Where the state
    of that round was not kept, it is computed again from the nearest earlier one.

    Raises:
        RunError: the parent has no such round.
        SettingError: changes that cannot be, or another model.
        DataError, PartitionError: its data are not there, or cannot be split so.
    """
    parent = store.get(parent_id)
    if parent.last_row is None or not parent.first_round <= round <= parent.rounds_done:
        allowed = f"{parent.first_round} to {parent.rounds_done}" if parent.last_row else "none yet"
        raise RunError(f"run {parent.run_id} has no round {round}; its rounds are {allowed}")
    child = parent.experiment.replace(changes)
    if child.federation.rounds <= round:
        raise SettingError(
            f"federation.rounds is {child.federation.rounds}; a fork after round {round} needs more than {round}"
        )
    federation = Federation.of(child)
    with one_thread():
        start = fork_start(parent.experiment, federation, _state_after(store, parent, round))
        first = start_record(federation, start, round)
    return store.create(
        child,
        name=name,
        owner=owner,
        parent_id=parent.run_id,
        parent_round=round,
        status=status,
        first=first,
        machine={"processes": parent.processes},
    )


def sentence(error: BaseException) -> str:
    """An exception as one line; errors that were not written for people say what they are."""
    text = next(iter(str(error).strip().splitlines()), "")
    return text if isinstance(error, ValueError) and text else f"{type(error).__name__}: {text}"


class _Obedience:
    """A hook for every client step: the caller's own, then what was asked of the run through the store."""

    def __init__(self, store: RunStore, run_id: str, on_step: OnStep, make_way: bool) -> None:
        self._store, self._run_id, self._on_step, self._make_way = store, run_id, on_step, make_way
        self._next_look = 0.0
        self._paused_s = 0.0

    def take_paused_s(self) -> float:
        """Seconds spent waiting since the last call: they are no part of a round's time."""
        paused_s, self._paused_s = self._paused_s, 0.0
        return paused_s

    def look_at_once(self) -> None:
        """Ask the store at the next step, even if it was asked a moment ago."""
        self._next_look = 0.0

    def __call__(self) -> None:
        self._on_step()
        if time.monotonic() < self._next_look:
            return
        wish = self._store.wish(self._run_id)
        if wish == "pause":
            wish = self._pause()
        if wish == "stop":
            raise _Left("stopped")
        self._next_look = time.monotonic() + LOOK_S

    def _pause(self) -> Wish:
        """Wait until something else is wanted, and say what."""
        start = time.perf_counter()
        self._store.set_status(self._run_id, "paused")
        while (wish := self._store.wish(self._run_id)) == "pause":
            self._on_step()
            if self._make_way and self._store.any_queued():
                raise _Left("paused")
            time.sleep(LOOK_S)
        if wish != "stop":
            self._store.set_status(self._run_id, "running")
        self._paused_s += time.perf_counter() - start
        return wish


def _state_after(store: RunStore, info: RunInfo, round: int) -> ServerState:
    stored, server = store.state(info.run_id, round)
    if stored == round:
        return server
    one_round = partial(run_round, run_clients=clients_as_before(store, info, stored))
    again = simulate(info.experiment, start=(stored, server), one_round=one_round)
    return next(record.state for record in again if record.round == round)
