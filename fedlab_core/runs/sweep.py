"""Carry out a sweep: its runs side by side in worker processes, each in one process, results as they finish.

with RunStore() as store:
    grid = Grid.of(recipe("fedsparsify-digits"), {"strategy.final_sparsity": [0.5, 0.9], "federation.seed": [0, 1]})
    sweep_id = store.create_sweep(grid, name="two rates")
    for run in run_sweep(store, sweep_id):
        print(run.name, run.status, run.last_row["test_accuracy"])
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator

from fedlab_core.lab import Federation
from fedlab_core.processes import default_processes
from fedlab_core.runs.grid import Cell, Grid
from fedlab_core.runs.info import RunInfo
from fedlab_core.runs.store import RunStore
from fedlab_core.runs.team import Free, Round, Team

OnRound = Callable[[Cell, int], None]


def check_data(grid: Grid) -> None:
    """Refuse a grid whose data are not there, or cannot be split as it says; each kind of split is tried once,
    with each model and method.

    Raises:
        DataError, PartitionError, ValueError: as `Federation.of`.
    """
    tried = set()
    for cell in grid.cells:
        experiment = cell.experiment
        kind = (experiment.data.model_copy(update={"seed": 0}), experiment.model, experiment.strategy.name)
        if kind not in tried:
            tried.add(kind)
            Federation.of(experiment)


def unfinished(store: RunStore, sweep_id: str) -> list[Cell]:
    """The cells of a sweep that have no run, or one that is not finished; in order."""
    finished = {info.cell for info in store.list(sweep_id) if info.status == "finished"}
    return [cell for cell in store.sweep(sweep_id).grid.cells if cell.place not in finished]


def run_sweep(
    store: RunStore,
    sweep_id: str,
    *,
    processes: int | None = None,
    on_round: OnRound = lambda cell, round: None,
    look: Callable[[], None] = lambda: None,
) -> Generator[RunInfo]:
    """Carry out what is left of a sweep; yields each of its runs when it is over.

    A run that fails is "failed", one whose process died is "interrupted", and one that another program carries out just
    now is "running"; each is yielded once, and the others go on. Calling this again continues what is not finished.

    Args:
        store: where the sweep is.
        sweep_id: its whole id.
        processes: how many runs go on side by side; default: one for each processor. Results do not depend on it.
        on_round: called with cell and number of every stored round, in this thread.
        look: called several times a second, also while waiting; it may raise, to leave the sweep. What is not finished
            is then interrupted, and so it is when the iterator is closed.

    Raises:
        RunError: there is no such sweep; the workers cannot be started.
    """
    sweep = store.sweep(sweep_id)
    waiting = deque(unfinished(store, sweep_id))
    begun: dict[str, Cell] = {}
    if not waiting:
        return
    with Team(store.path, min(processes or default_processes(), len(waiting))) as team:
        for event in team.events(look):
            if isinstance(event, Round):
                on_round(begun[event.run_id], event.round)
                continue
            if isinstance(event, Free) and waiting:  # before anyone looks at the result: the worker shall not wait
                cell = waiting.popleft()
                run_id = store.begin_cell(sweep, cell)
                begun[run_id] = cell
                team.give(event.worker, run_id)
            if event.left is not None:
                yield store.get(event.left)
            if not waiting and not team.busy:
                return
