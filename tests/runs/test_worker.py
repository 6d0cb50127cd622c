"""Real worker processes: they take runs, obey within a step, survive bad runs, and never outlive their parent."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from fedlab_core.runs import children, worker
from fedlab_core.runs.execute import execute
from fedlab_core.runs.store import RunStore
from fedlab_core.runs.worker import WorkerPool

pytestmark = pytest.mark.slow  # processes come and go

LONG = {"federation.rounds": 100_000}

needs_kill = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="SIGKILL is a POSIX signal")


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A store and its worker, for tests that leave the worker as it was: starting one takes seconds."""
    with RunStore(tmp_path_factory.mktemp("shared") / "runs.sqlite") as store:
        workers = WorkerPool(store.path)
        workers.start()
        yield store, workers
        workers.close()


@pytest.fixture
def own(store):
    """A store and its worker, to be ruined."""
    workers = WorkerPool(store.path)
    workers.start()
    yield store, workers
    workers.close()


@pytest.fixture(scope="module")
def started(tiny, wait_until):
    """`started(store, pool)`: a long run that the worker is in the middle of."""

    def start(store, pool):
        run_id = store.create(tiny.replace(LONG))
        pool.wake()
        wait_until(lambda: store.get(run_id).rounds_done >= 2, "two rounds are done")
        return run_id

    return start


def worker_process(pool):
    return psutil.Process(pool._children[0].process.pid)


def test_a_warm_worker_takes_runs_one_after_the_other(shared, tiny, wait_until):
    store, pool = shared
    wait_until(lambda: pool.ready, "the worker is warm")
    assert pool.alive
    assert store.list() == []  # warming up leaves nothing
    ids = [store.create(tiny) for _ in range(2)]
    pool.wake()
    wait_until(lambda: all(store.get(run_id).status == "finished" for run_id in ids), "both are finished")
    here = store.create(tiny)
    execute(store, here)
    assert {store.state(run_id)[1].sha256() for run_id in (*ids, here)} == {store.state(here)[1].sha256()}


def test_pause_resume_stop(shared, started, wait_until):
    store, pool = shared
    run_id = started(store, pool)
    store.request(run_id, "pause")
    wait_until(lambda: store.get(run_id).status == "paused", "it is paused")
    done = store.get(run_id).rounds_done
    store.request(run_id, "step")
    wait_until(lambda: store.get(run_id).rounds_done == done + 1 and store.get(run_id).status == "paused", "a step")
    store.request(run_id, "resume")
    wait_until(lambda: store.get(run_id).rounds_done > done + 1, "it goes on")
    assert store.get(run_id).status == "running"
    store.request(run_id, "stop")
    wait_until(lambda: store.get(run_id).status == "stopped", "it is stopped")
    store.request(run_id, "resume")
    pool.wake()
    wait_until(lambda: store.get(run_id).status == "running", "it is taken up again")
    store.request(run_id, "stop")


def test_a_paused_run_does_not_block_the_queue(shared, started, tiny, wait_until):
    store, pool = shared
    paused = started(store, pool)
    store.request(paused, "pause")
    wait_until(lambda: store.get(paused).status == "paused", "it is paused")
    other = store.create(tiny)
    pool.wake()
    wait_until(lambda: store.get(other).status == "finished", "the other one is finished")
    assert store.get(paused).status == "paused"
    done = store.get(paused).rounds_done
    store.request(paused, "resume")
    pool.wake()
    wait_until(lambda: store.get(paused).rounds_done > done, "it goes on")
    store.request(paused, "stop")


def test_a_run_that_cannot_be_carried_out_fails_and_the_worker_goes_on(shared, tiny, wait_until):
    store, pool = shared
    bad = store.create(tiny.replace({"data.dataset": "images", "data.path": "/nowhere at all"}))
    good = store.create(tiny)
    pool.wake()
    wait_until(lambda: store.get(good).status == "finished", "the good one is finished")
    assert store.get(bad).status == "failed"
    assert "/nowhere at all" in store.get(bad).error


def test_closing_the_pool_interrupts_the_run(own, started):
    store, pool = own
    run_id = started(store, pool)
    process = worker_process(pool)
    pool.close()
    assert store.get(run_id).status == "interrupted"
    assert not process.is_running()
    assert not pool.alive
    assert not pool.ready


@needs_kill
def test_a_killed_worker_is_replaced(own, started, tiny, wait_until):
    store, pool = own
    run_id = started(store, pool)
    process = worker_process(pool)
    process.send_signal(signal.SIGKILL)
    wait_until(lambda: not pool.alive, "it is dead")
    assert store.get(run_id).status == "interrupted"
    other = store.create(tiny)
    pool.wake()
    wait_until(lambda: store.get(other).status == "finished", "another one works")


PARENT = """
import sys, threading
from fedlab_core.runs.worker import WorkerPool
pool = WorkerPool(sys.argv[1])
pool.start()
print(pool._children[0].process.pid, flush=True)
threading.Event().wait()
"""


@needs_kill
def test_no_worker_outlives_a_killed_parent(store, tiny, wait_until):
    run_id = store.create(tiny.replace(LONG))
    command = [sys.executable, "-c", PARENT, str(store.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        child = psutil.Process(int(parent.stdout.readline()))
        wait_until(lambda: store.get(run_id).rounds_done >= 1, "a round is done")
        parent.kill()
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, "the worker is gone")
    assert store.get(run_id).status == "interrupted"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_is_asked_to_end_leaves_its_run(store, tiny, monkeypatch, number):
    """The child's loop in this process; its parent is the other end of a pipe."""
    reading, writing = os.pipe()
    before = {other: signal.getsignal(other) for other in (signal.SIGINT, signal.SIGTERM)}
    monkeypatch.setattr(children.os, "read", lambda descriptor, size, read=os.read: read(reading, size))
    monkeypatch.setattr(children.os, "write", lambda descriptor, text: len(text))

    def save_and_ask(self, run_id, record, save=RunStore.save_round):
        save(self, run_id, record)
        if record.round == 1:
            signal.raise_signal(number)

    monkeypatch.setattr(RunStore, "save_round", save_and_ask)
    monkeypatch.setattr(worker, "NICE", 0)  # a process that has made way cannot take it back
    first, second = store.create(tiny), store.create(tiny)
    try:
        worker.main(["--store", str(store.path)])
    finally:
        os.close(writing)
        for other, handler in before.items():
            signal.signal(other, handler)
    assert (store.get(first).status, store.get(first).rounds_done) == ("interrupted", 1)
    assert store.get(second).status == "queued"
