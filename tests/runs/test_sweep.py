"""Sweeps in real worker processes: each run once, the same bytes as alone, and nothing is lost however it ends."""

import json
import os
import signal
import subprocess
import sys
from contextlib import closing

import psutil
import pytest

from fedlab_core.data.feasibility import PartitionError
from fedlab_core.runs import children
from fedlab_core.runs.execute import Interrupted, execute
from fedlab_core.runs.grid import Grid
from fedlab_core.runs.store import RunError, RunStore
from fedlab_core.runs.sweep import check_data, run_sweep, unfinished

pytestmark = pytest.mark.slow  # processes come and go

AXES = {"strategy.final_sparsity": [0.5, 0.9], "federation.seed": [0, 1]}
LONG = 100_000

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


@pytest.fixture(scope="module")
def base(tiny):
    return tiny.replace({"federation.rounds": 2})


@pytest.fixture(scope="module")
def make(base):
    """`make(store, axes)`: a sweep and its id."""
    return lambda store, axes=AXES, **changes: store.create_sweep(Grid.of(base.replace(changes), axes), name="test")


def sha256(store, run_id):
    return store.state(run_id)[1].sha256()


def by_cell(store, sweep_id):
    return {info.cell: sha256(store, info.run_id) for info in store.list(sweep_id)}


def holder(store, run_id):
    """The process that carries a run out."""
    ((pid,),) = store._database.query("SELECT pid FROM runs WHERE run_id = ?", run_id)
    return pid


@pytest.fixture(scope="module")
def swept(tmp_path_factory, make):
    """A store with a sweep that two processes have carried out; what was yielded; which rounds were reported."""
    with RunStore(tmp_path_factory.mktemp("swept") / "runs.sqlite") as store:
        sweep_id, rounds = make(store), []
        ended = list(run_sweep(store, sweep_id, processes=2, on_round=lambda cell, r: rounds.append((cell.place, r))))
        yield store, sweep_id, ended, rounds


def test_every_cell_is_run_once_and_is_an_ordinary_run(swept):
    store, sweep_id, ended, rounds = swept
    assert sorted(info.cell for info in ended) == [0, 1, 2, 3]
    assert sorted(rounds) == [(cell, round) for cell in range(4) for round in range(3)]
    cells = store.sweep(sweep_id).grid.cells
    for info in ended:
        cell = cells[info.cell]
        assert (info.status, info.rounds_done, info.sweep_id) == ("finished", 2, sweep_id)
        assert info.experiment == cell.experiment
        assert info.name == f"test {cell.name}"
        assert (info.machine["processes"], info.machine["threads"]) == (1, 1)
        assert [row["round"] for row in store.rows(info.run_id)] == [0, 1, 2]
    imported = store.get(store.import_run(store.export(ended[0].run_id)))
    assert (imported.sweep_id, imported.cell) == (None, None)
    store.delete(imported.run_id)


def test_a_cell_has_the_same_bytes_as_the_run_alone(swept, store):
    there, sweep_id, _, _ = swept
    for cell in there.sweep(sweep_id).grid.cells:
        alone = store.create(cell.experiment, machine={"processes": 1})
        execute(store, alone)
        assert sha256(store, alone) == by_cell(there, sweep_id)[cell.place]


def test_results_do_not_depend_on_the_number_of_processes(swept, store, make):
    there, sweep_id, _, _ = swept
    again = make(store)
    assert [info.cell for info in run_sweep(store, again, processes=1)] == [0, 1, 2, 3]  # in order
    assert by_cell(store, again) == by_cell(there, sweep_id)


def test_what_is_finished_is_not_run_again(swept, store, make):
    there, other, _, _ = swept
    assert list(run_sweep(there, other)) == []
    sweep_id = make(store)
    sweep = store.sweep(sweep_id)
    execute(store, store.begin_cell(sweep, sweep.grid.cells[0]))

    def leave(record):
        if record.round == 1:
            raise Interrupted

    half = store.begin_cell(sweep, sweep.grid.cells[2])
    with pytest.raises(Interrupted):
        execute(store, half, on_record=leave)
    assert [cell.place for cell in unfinished(store, sweep_id)] == [1, 2, 3]
    rounds = []
    ended = list(run_sweep(store, sweep_id, processes=1, on_round=lambda cell, r: rounds.append((cell.place, r))))
    assert [info.cell for info in ended] == [1, 2, 3]
    assert rounds == [(1, 0), (1, 1), (1, 2), (2, 2), (3, 0), (3, 1), (3, 2)]
    assert half in {info.run_id for info in ended}
    assert by_cell(store, sweep_id) == by_cell(there, other)
    assert unfinished(store, sweep_id) == []


def test_a_run_that_fails_is_named_and_the_others_go_on(store, make):
    axes = {"federation.learning_rate": [10, 0.05], "federation.seed": [0]}
    sweep_id = make(
        store, axes, **{"federation.momentum": 0.99, "federation.participation": 1, "federation.batch_size": 2}
    )
    failed, good = run_sweep(store, sweep_id, processes=1)
    assert (failed.status, good.status) == ("failed", "finished")
    assert "learning_rate=10.0" in failed.name
    assert "training diverged in round 1" in failed.error
    assert [cell.place for cell in unfinished(store, sweep_id)] == [0]


@posix
def test_a_worker_that_dies_interrupts_its_run_and_another_one_goes_on(store, make):
    sweep_id = make(store, {"federation.rounds": [LONG, 2], "federation.seed": [0]})

    def kill(cell, round):
        if (cell.place, round) == (0, 1):
            (info,) = store.list(sweep_id)
            os.kill(holder(store, info.run_id), signal.SIGKILL)

    lost, good = run_sweep(store, sweep_id, processes=1, on_round=kill)
    assert (lost.cell, lost.status) == (0, "interrupted")
    assert (good.cell, good.status) == (1, "finished")


def test_leaving_ends_the_workers_and_keeps_what_is_there(store, make):
    sweep_id = make(store, {"federation.rounds": [LONG], "federation.seed": [0, 1, 2]})
    begun, before = set(), set(psutil.Process().children())

    def look():
        if len(begun) == 2:
            raise Interrupted

    def note(cell, round):
        if round == 1:
            begun.add(cell.place)

    with pytest.raises(Interrupted):
        list(run_sweep(store, sweep_id, processes=2, on_round=note, look=look))
    assert set(psutil.Process().children()) <= before
    runs = store.list(sweep_id)
    assert sorted(info.cell for info in runs) == [0, 1]  # the third has not begun: it is no run yet
    assert all(info.status == "interrupted" and info.rounds_done >= 1 for info in runs)


def test_closing_the_iterator_ends_the_workers(store, make):
    sweep_id = make(store, {"federation.rounds": [2, LONG], "federation.seed": [0]})
    before = set(psutil.Process().children())
    with closing(run_sweep(store, sweep_id, processes=1)) as runs:
        assert next(runs).cell == 0
    assert set(psutil.Process().children()) <= before
    assert [cell.place for cell in unfinished(store, sweep_id)] == [1]


def test_what_another_program_carries_out_is_left_to_it(store, make):
    sweep_id = make(store, {"federation.seed": [0, 1]})
    sweep = store.sweep(sweep_id)
    held = store.begin_cell(sweep, sweep.grid.cells[0])
    assert store.begin_cell(sweep, sweep.grid.cells[0]) == held
    store.claim(held)
    other, mine = run_sweep(store, sweep_id, processes=1)
    assert (other.run_id, other.status) == (held, "running")
    assert (mine.cell, mine.status) == (1, "finished")
    with pytest.raises(RunError, match="still running; stop it"):
        store.delete_sweep(sweep_id)
    store.leave(held, "stopped")


@posix
def test_workers_that_cannot_start_are_one_sentence(store, make, monkeypatch):
    monkeypatch.setattr(children.sys, "executable", "/bin/false")
    with pytest.raises(RunError, match=r"ended before it could take a run \(exit code 1\)"):
        list(run_sweep(store, make(store), processes=2))
    with pytest.raises(RunError, match="there is no sweep"):
        list(run_sweep(store, "nothing"))


PARENT = """
import sys
from fedlab_core.runs.store import RunStore
from fedlab_core.runs.sweep import run_sweep
with RunStore(sys.argv[1]) as store:
    for info in run_sweep(store, sys.argv[2], processes=1, on_round=lambda cell, r: print(r, flush=True)):
        pass
"""


@posix
def test_a_killed_parent_leaves_no_worker_and_a_sweep_that_goes_on(store, make, wait_until):
    sweep_id = make(store, {"federation.rounds": [LONG], "federation.seed": [0, 1]})
    command = [sys.executable, "-c", PARENT, str(store.path), sweep_id]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert [parent.stdout.readline() for _ in range(2)] == ["0\n", "1\n"]
        (info,) = store.list(sweep_id)
        worker = psutil.Process(holder(store, info.run_id))
        parent.kill()
    wait_until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE, "the worker is gone")
    assert store.get(info.run_id).status == "interrupted"
    done, resumed = store.get(info.run_id).rounds_done, []

    def leave_after_a_round():
        if resumed:
            raise Interrupted

    runs = run_sweep(
        store, sweep_id, processes=1, on_round=lambda cell, r: resumed.append((cell.place, r)), look=leave_after_a_round
    )
    with pytest.raises(Interrupted):
        next(runs)
    assert resumed[0] == (0, done + 1)


def test_data_that_cannot_be_split_so_is_refused_before_anything_runs(base):
    check_data(Grid.of(base, {"data.num_clients": [4, 10], "federation.seed": [0, 1]}))
    with pytest.raises(PartitionError, match=r"data.num_clients is 100000"):
        check_data(Grid.of(base, {"federation.seed": [0, 1], "data.num_clients": [4, 100_000]}))


def test_sweeps_in_the_store(store, make):
    first, second = make(store), make(store, {"federation.seed": [0]})
    assert [sweep.sweep_id for sweep in store.sweeps()] == [second, first]
    assert store.sweep(first[:8]).sweep_id == first
    run_id = store.begin_cell(store.sweep(second), store.sweep(second).grid.cells[0], status="queued")
    alone = store.create(store.get(run_id).experiment)
    assert [info.run_id for info in store.list(second)] == [run_id]
    assert store.get(run_id).processes == 1
    store.delete_sweep(second)
    assert [info.run_id for info in store.list()] == [alone]
    for unknown in ("", second):
        with pytest.raises(RunError, match="there is no sweep"):
            store.sweep(unknown)
        with pytest.raises(RunError, match="there is no sweep"):
            store.delete_sweep(unknown)


def test_a_sweep_of_another_version_is_left_out(store, make):
    sweep_id = make(store)
    ((text,),) = store._database.query("SELECT grid FROM sweeps")
    grid = json.loads(text)
    grid["base"]["data"]["of the future"] = 1
    with store._database.transaction() as connection:
        connection.execute("UPDATE sweeps SET grid = ?", (json.dumps(grid),))
    assert store.sweeps() == []
    with pytest.raises(RunError, match="settings that this version does not know"):
        store.sweep(sweep_id)
    make(store)
    with store._database.transaction() as connection:
        connection.execute("UPDATE sweeps SET sweep_id = 'ab' || seq")
    with pytest.raises(RunError, match="beginning of 2 sweeps"):
        store.sweep("ab")
