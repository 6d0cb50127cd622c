"""Worker processes: warm before the first click, they take runs from a store's queue. Child: `python -m` this module.

The parent holds the child's standard input. A line means "look at the queue"; its end means that the parent is gone,
however it went: within one client step the child leaves its run, which is then "interrupted", and exits.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import IO, NamedTuple

IDLE_S = 0.5
"""An idle worker looks at the queue this often even if nobody wakes it: a run may be queued by another program."""

CLOSE_S = 5.0
"""How long a worker may take to leave its run before it is killed."""

_READY = b"ready\n"


class _Child(NamedTuple):
    process: subprocess.Popen[bytes]
    ready: threading.Event


class WorkerPool:
    """The parent's side: some worker processes on one store. Safe to use from several threads."""

    def __init__(self, store_path: Path | str, workers: int = 1) -> None:
        self.store_path, self.workers = Path(store_path), workers
        self._children: list[_Child] = []
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the workers that are missing: all of them at first, later those that died. Returns at once."""
        with self._lock:
            for child in [child for child in self._children if child.process.poll() is not None]:
                _hang_up(child)
                self._children.remove(child)
            while len(self._children) < self.workers:
                self._children.append(_spawn(self.store_path))

    def wake(self) -> None:
        """A run has been queued: take it now."""
        self.start()
        with self._lock:
            for child in self._children:
                with suppress(OSError):  # it died just now; the next call starts another
                    _stdin(child).write(b"\n")
                    _stdin(child).flush()

    def close(self) -> None:
        """End the workers; their runs are interrupted and can be resumed."""
        with self._lock:
            for child in self._children:
                _hang_up(child)
            for child in self._children:
                with suppress(subprocess.TimeoutExpired):
                    child.process.wait(CLOSE_S)
                child.process.kill()
                child.process.wait()
            self._children = []

    @property
    def alive(self) -> bool:
        """Whether every worker runs."""
        with self._lock:
            return len(self._children) == self.workers and all(c.process.poll() is None for c in self._children)

    @property
    def ready(self) -> bool:
        """Whether every worker is warm: a run starts without waiting for imports."""
        with self._lock:
            return len(self._children) == self.workers and all(child.ready.is_set() for child in self._children)


def _spawn(store_path: Path) -> _Child:
    process = subprocess.Popen(
        [sys.executable, "-m", "fedlab_core.runs.worker", "--store", str(store_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    child = _Child(process, threading.Event())
    threading.Thread(target=_listen, args=(child,), daemon=True).start()
    return child


def _listen(child: _Child) -> None:
    """Read what the worker says, to its end, so that it never blocks on a full pipe."""
    assert child.process.stdout is not None
    with child.process.stdout as lines:
        for line in lines:
            if line == _READY:
                child.ready.set()


def _hang_up(child: _Child) -> None:
    with suppress(OSError):  # what was not yet written goes to nobody
        _stdin(child).close()


def _stdin(child: _Child) -> IO[bytes]:
    assert child.process.stdin is not None
    return child.process.stdin


class _Parent:
    """The child's view of its parent: whether it is there, and whether it said something."""

    def __init__(self) -> None:
        self.gone = False
        self.spoke = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._end)

    def _read(self) -> None:
        # Not sys.stdin: its lock, held by a thread, makes the interpreter stumble when it ends.
        while os.read(0, 4096):
            self.spoke.set()
        self.gone = True
        self.spoke.set()

    def _end(self, number: int, frame: FrameType | None) -> None:
        self.gone = True  # no more than this: the interrupted code may hold the lock of `spoke`


def work(store_path: Path, parent: _Parent) -> None:
    """Take runs from the queue and carry them out until the parent is gone."""
    from fedlab_core.runs.execute import Interrupted, execute_claimed
    from fedlab_core.runs.store import RunStore

    def leave_if_alone() -> None:
        if parent.gone:
            raise Interrupted

    with RunStore(store_path) as store:
        warm_up()
        with suppress(OSError):
            os.write(1, _READY)
        while not parent.gone:
            run_id = store.claim()
            if run_id is None:
                parent.spoke.wait(IDLE_S)
                parent.spoke.clear()
                continue
            try:
                execute_claimed(store, run_id, on_step=leave_if_alone, make_way=True)
            except Interrupted:
                return
            except Exception:  # the run is marked as failed; the next one may be better
                traceback.print_exc()


def warm_up() -> None:
    """Do once, before anyone waits for it, whatever is slow the first time: imports, data, kernels."""
    import torch

    from fedlab_core.experiment import Experiment
    from fedlab_core.processes import crew, default_processes
    from fedlab_core.runs.info import THREADS
    from fedlab_core.simulation import simulate

    torch.set_num_threads(THREADS)
    crew(default_processes()).start()
    one_round = {
        "data.num_clients": 5,
        "federation.rounds": 1,
        "federation.local_epochs": 1,
        "federation.batch_size": 64,
    }
    for _ in simulate(Experiment().replace(one_round)):
        pass


def main(arguments: Sequence[str] | None = None) -> None:
    """The child process."""
    parser = argparse.ArgumentParser(description="Carry out queued runs until standard input ends.")
    parser.add_argument("--store", type=Path, required=True, help="the file with the runs")
    work(parser.parse_args(arguments).store, _Parent())


if __name__ == "__main__":
    main()
