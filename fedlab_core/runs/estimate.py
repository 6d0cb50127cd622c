"""How long a sweep will take: from the first rounds of one run of each kind, later from what it has really taken.

Seconds are those of a clock on the wall. Estimates count nothing twice and know nothing of other programs: "about".
"""

from __future__ import annotations

import heapq
import itertools
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from fedlab_core.experiment import Experiment
from fedlab_core.federation.trainer import OnStep, no_step_hook
from fedlab_core.processes import one_thread
from fedlab_core.runs.grid import Cell
from fedlab_core.runs.info import machine
from fedlab_core.runs.store import RunStore
from fedlab_core.simulation import simulate

START_S = 1.5
"""A worker process starts and imports PyTorch in about this time."""

BUDGET_S = 3.0
"""Kinds of runs are measured until this is used up; at least one is."""

ROUNDS = 3
"""Rounds that are measured of each kind; their median counts, for the first in a process is slow."""

SIDE_BY_SIDE = 1.1
"""Runs side by side share memory and caches: each takes about this much longer than alone (`benchmarks/sweep.py`)."""


class Pace(NamedTuple):
    """What a run takes: until its untrained model is measured, and for each round after that."""

    start_s: float
    round_s: float

    def run_s(self, rounds: int, done: int = 0) -> float:
        """What is left of a run of so many rounds, of which some are done."""
        return (0 if done else self.start_s) + self.round_s * (rounds - done)

    def slower(self, factor: float) -> Pace:
        """The same run where everything takes so much longer."""
        return Pace(self.start_s * factor, self.round_s * factor)


Kind = tuple[object, ...]


def kind(experiment: Experiment) -> Kind:
    """Experiments of one kind take alike long for a round: they differ in seeds, rounds, settings of the strategy."""
    data = experiment.data.model_copy(update={"seed": 0})
    federation = experiment.federation.model_copy(update={"seed": 0, "rounds": 1})
    return data, experiment.model, federation, experiment.strategy.name


def measure(experiment: Experiment, look: OnStep = no_step_hook) -> Pace:
    """Carry out the first rounds of a run here, in one thread, and keep nothing. `look` may raise, to leave."""
    times = [time.perf_counter()]
    with one_thread():
        for record in simulate(experiment, on_step=look):
            times.append(time.perf_counter())
            if record.round == ROUNDS or (record.round and times[-1] - times[0] > BUDGET_S):
                break
    start_s, *rounds_s = (later - before for before, later in itertools.pairwise(times))
    return Pace(start_s, statistics.median(rounds_s))


def known_pace(store: RunStore, experiment: Experiment) -> Pace | None:
    """The pace of the newest stored run of this kind that this machine has computed; None without one.

    Its seconds are those of its rounds, over as many processes as it was spread over.
    """
    here, alike = machine(), kind(experiment)
    for run in store.list():
        if run.rounds_done and kind(run.experiment) == alike and run.machine == here:
            rounds = store.rows(run.run_id)
            measured = [row["round_s"] for row in rounds if row["clients"]]
            if measured:
                return Pace(rounds[0]["round_s"], statistics.median(measured))
    return None


def calibrate(
    cells: Iterable[Cell], look: OnStep = no_step_hook, measure: Callable[[Experiment, OnStep], Pace] = measure
) -> dict[Kind, Pace]:
    """The pace of each kind of run in a sweep, as far as the budget reaches; the others get the mean of these.

    A kind that fails in its first rounds takes no time.
    """
    kinds = {kind(cell.experiment): cell.experiment for cell in cells}
    paces: dict[Kind, Pace] = {}
    start = time.perf_counter()
    for one, experiment in kinds.items():
        if paces and time.perf_counter() - start > BUDGET_S:
            break
        try:
            paces[one] = measure(experiment, look)
        except ValueError:  # it diverges: to be said when the sweep gets there
            paces[one] = Pace(0.0, 0.0)
    if len(paces) < len(kinds):
        mean = Pace(*(statistics.fmean(column) for column in zip(*paces.values(), strict=True)))
        paces = {one: paces.get(one, mean) for one in kinds}
    return paces


def makespan_s(durations_s: Iterable[float], processes: int) -> float:
    """When the last one is over, if each of the processes takes the next one whenever it is free."""
    free_at = [0.0] * processes
    for duration_s in durations_s:
        heapq.heapreplace(free_at, free_at[0] + duration_s)
    return max(free_at)


class Forecast:
    """What is left of a sweep.

    Args:
        cells: what is to be done, in this order.
        rounds_done: of cells that have begun already, by their place.
        paces: as `calibrate` gives them.
        processes: how many runs go on side by side.
    """

    def __init__(
        self, cells: Sequence[Cell], rounds_done: Mapping[int, int], paces: Mapping[Kind, Pace], processes: int
    ) -> None:
        self._processes = processes
        factor = SIDE_BY_SIDE if processes > 1 else 1.0
        self._paces = {cell.place: paces[kind(cell.experiment)].slower(factor) for cell in cells}
        self._left_s = {
            cell.place: self._paces[cell.place].run_s(cell.experiment.federation.rounds, rounds_done.get(cell.place, 0))
            for cell in cells
        }
        self._prior_s = sum(self._left_s.values()) / 20
        self._done_s = 0.0

    @property
    def total_s(self) -> float:
        """Before the start: how long all will take, with the start of the workers."""
        return START_S + self._rest_s()

    def advance(self, place: int, round: int) -> None:
        """A round of that cell is over; 0 is its untrained model."""
        pace = self._paces[place]
        step_s = min(self._left_s[place], pace.round_s if round else pace.start_s)
        self._left_s[place] -= step_s
        self._done_s += step_s

    def end(self, place: int) -> None:
        """That cell is over, however it went."""
        self._left_s.pop(place, None)

    def remaining_s(self, elapsed_s: float) -> float:
        """What is left, `elapsed_s` after the start, if it goes on as fast as it went so far.

        The estimate before the start counts like a twentieth of the work done as planned: one slow round says little.
        """
        seen_s = max(0.0, elapsed_s - START_S) * self._processes
        planned_s = self._done_s + self._prior_s
        return self._rest_s() * (seen_s + self._prior_s) / planned_s if planned_s else 0.0

    def _rest_s(self) -> float:
        return makespan_s(self._left_s.values(), self._processes)


def in_words(seconds: float) -> str:
    """ "about 2 min": no more digits than an estimate has."""
    if seconds < 10:
        return "less than 10 s"
    if seconds < 90:
        return f"about {round(seconds, -1):.0f} s"
    minutes = seconds / 60
    if minutes < 90:
        return f"about {minutes:.0f} min"
    return f"about {minutes / 60:.1f} h"
