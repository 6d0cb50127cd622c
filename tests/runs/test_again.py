"""Rounds of a stored run, computed again: the same bytes, also where the state just before them was not kept."""

import sqlite3

import pytest

from fedlab_core.experiment import Experiment
from fedlab_core.lab import Federation
from fedlab_core.runs.again import as_stored, replay_rounds
from fedlab_core.runs.execute import execute, fork
from fedlab_core.runs.store import RunError, RunStore


def forget_state(store: RunStore, run_id: str, round: int) -> None:
    with sqlite3.connect(store.path) as connection:
        connection.execute("DELETE FROM tensors WHERE run_id = ? AND round = ? AND kind != 'masks'", (run_id, round))
    connection.close()


def test_rounds_come_out_as_they_were_stored(store: RunStore, tiny: Experiment) -> None:
    run_id = store.create(tiny, machine={"processes": 1})
    execute(store, run_id)
    forget_state(store, run_id, 3)
    forget_state(store, run_id, 5)
    federation = Federation.of(tiny)
    again = replay_rounds(store, run_id, 4, 6, federation)
    assert [one.round for one in again] == [4, 5, 6]
    assert [as_stored(store, run_id, one) for one in again] == [True, None, True]
    clients = {row["round"]: row["clients"] for row in store.rows(run_id)}
    assert [[update.client_id for update in one.updates] for one in again] == [clients[round] for round in (4, 5, 6)]
    other = again[0]._replace(after=again[1].after)
    assert as_stored(store, run_id, other) is False


def test_only_its_own_rounds_can_be_had(store: RunStore, tiny: Experiment) -> None:
    parent = store.create(tiny, machine={"processes": 1})
    federation = Federation.of(tiny)
    with pytest.raises(RunError, match="its own rounds are none yet"):
        replay_rounds(store, parent, 1, 1, federation)
    execute(store, parent)
    child = fork(store, parent, 4, {"strategy.final_sparsity": 0.5}, status="interrupted")
    execute(store, child)
    for first, last in ((0, 2), (4, 5), (5, 7), (6, 5)):
        with pytest.raises(RunError, match="its own rounds are 5 to 6"):
            replay_rounds(store, child, first, last, federation)
    assert [one.round for one in replay_rounds(store, child, 5, 6, Federation.of(store.get(child).experiment))] == [
        5,
        6,
    ]
