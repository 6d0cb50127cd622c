"""Worker processes: warm before the first click, they take runs from a store's queue. Child: `python -m` this module.

A line from the parent means "look at the queue"; when the parent is gone, the child leaves its run within one client
step, which is then "interrupted", and exits. With `--told` the child has nothing to do with the queue: a line is the id
of the run to carry out (see `team.py`), and the answers are "round ID NUMBER" after each round, "left ID" at the end.
With `--only-cells` it takes nothing but cells of sweeps, which are computed in one process, and starts no helpers.
"""

from __future__ import annotations

import argparse
import os
import queue
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fedlab_core.runs.children import READY, Child, Parent, end_all

if TYPE_CHECKING:
    from fedlab_core.runs.store import RunStore
    from fedlab_core.types import RoundRecord

FOR_SINGLE_RUNS = 2
"""So many workers take single runs, each with helpers for all processors; the others of a pool take cells of sweeps."""

NICE = 10
"""Workers of a queue, and their helpers, make way for whoever looks at the runs: pages are drawn at once. On POSIX."""

IDLE_S = 0.5
"""An idle worker looks at the queue this often even if nobody wakes it: a run may be queued by another program."""


class WorkerPool:
    """The parent's side: some worker processes on one store, one for each processor. Safe to use from several threads.

    Two of them take single runs, so that a long one keeps nobody waiting; all of them take cells of sweeps, which make
    way for single runs.
    """

    def __init__(self, store_path: Path | str, workers: int | None = None) -> None:
        from fedlab_core.processes import default_processes

        self.store_path = Path(store_path)
        self.workers = default_processes() if workers is None else workers
        self._children: list[Child] = []
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the workers that are missing: all of them at first, later those that died. Returns at once."""
        with self._lock:
            for place in range(self.workers):
                if place == len(self._children):
                    self._children.append(self._new_child(place))
                elif not self._children[place].alive:
                    self._children[place].hang_up()
                    self._children[place] = self._new_child(place)

    def wake(self) -> None:
        """A run has been queued: take it now."""
        self.start()
        with self._lock:
            for child in self._children:
                child.tell()

    def close(self) -> None:
        """End the workers; their runs are interrupted and can be resumed."""
        with self._lock:
            end_all(self._children)
            self._children = []

    def _new_child(self, place: int) -> Child:
        return Child(self.store_path, *([] if place < FOR_SINGLE_RUNS else ["--only-cells"]))

    @property
    def alive(self) -> bool:
        """Whether every worker runs."""
        with self._lock:
            return len(self._children) == self.workers and all(child.alive for child in self._children)

    @property
    def pids(self) -> set[int]:
        """The numbers of the workers' processes."""
        with self._lock:
            return {child.process.pid for child in self._children}

    @property
    def ready(self) -> bool:
        """Whether every worker is warm: a run starts without waiting for imports."""
        with self._lock:
            return len(self._children) == self.workers and all(child.ready.is_set() for child in self._children)


def work(store_path: Path, parent: Parent, only_cells: bool = False) -> None:
    """Take runs from the queue and carry them out until the parent is gone."""
    if hasattr(os, "nice"):
        os.nice(NICE)
    from fedlab_core.runs.store import RunStore  # takes seconds, in which pages are drawn, too

    with RunStore(store_path) as store:
        warm_up(helpers=not only_cells)
        parent.say(READY)
        while not parent.gone:
            run_id = store.claim(only_cells=only_cells)
            if run_id is not None:
                _carry_out(store, run_id, parent, make_way=not only_cells)
            else:
                parent.spoke.wait(IDLE_S)
                parent.spoke.clear()


def work_as_told(store_path: Path, parent: Parent) -> None:
    """Carry out the runs that the parent names, until it is gone. The first one warms this process up."""
    from fedlab_core.runs.store import RunError, RunStore

    with RunStore(store_path) as store:
        parent.say(READY)
        while not parent.gone:
            try:
                run_id = parent.lines.get(timeout=IDLE_S)
            except queue.Empty:  # perhaps a signal came
                continue
            if parent.gone:
                return
            try:
                store.claim(run_id)
            except RunError:  # finished, or somebody else's by now: the store says so to whoever asks
                pass
            else:
                _carry_out(store, run_id, parent, tell_rounds=True)
            if not parent.gone:
                parent.say(f"left {run_id}")


def _carry_out(
    store: RunStore, run_id: str, parent: Parent, *, make_way: bool = False, tell_rounds: bool = False
) -> None:
    """Carry out a claimed run. One that fails is marked as failed; the next one may be better."""
    from fedlab_core.runs.elsewhere import execute_elsewhere
    from fedlab_core.runs.execute import Interrupted, execute_claimed

    def leave_if_alone() -> None:
        if parent.gone:
            raise Interrupted

    def tell(record: RoundRecord) -> None:
        parent.say(f"round {run_id} {record.round}")

    on_record = tell if tell_rounds else None
    try:
        if store.get(run_id).where.nodes:
            execute_elsewhere(store, run_id, on_look=leave_if_alone)
        else:
            execute_claimed(store, run_id, on_record=on_record, on_step=leave_if_alone, make_way=make_way)
    except Interrupted:
        pass
    except Exception as error:
        if not (tell_rounds and isinstance(error, ValueError)):  # its sentence is in the store, for the parent to say
            traceback.print_exc()


def warm_up(helpers: bool = True) -> None:
    """Do once, before anyone waits for it, whatever is slow the first time: imports, data, kernels, and `helpers`."""
    import torch

    from fedlab_core.experiment import Experiment
    from fedlab_core.processes import crew, default_processes
    from fedlab_core.runs.info import THREADS
    from fedlab_core.simulation import simulate

    torch.set_num_threads(THREADS)
    if helpers:
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
    parser = argparse.ArgumentParser(description="Carry out runs of a store until standard input ends.")
    parser.add_argument("--store", type=Path, required=True, help="the file with the runs")
    parser.add_argument("--told", action="store_true", help="only runs whose ids come on standard input")
    parser.add_argument("--only-cells", action="store_true", help="only cells of sweeps")
    options = parser.parse_args(arguments)
    parent = Parent()  # before anything slow: from here on a signal is a wish to end
    if options.told:
        work_as_told(options.store, parent)
    else:
        work(options.store, parent, options.only_cells)


if __name__ == "__main__":
    main()
