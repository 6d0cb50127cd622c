"""Who comes next: fair shares for everybody who waits for a worker.

Single runs come before cells of sweeps. Among these, the owner comes next who has fewest runs being carried out now;
of several such owners, the one who was served least recently; of one owner's runs, the oldest.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple


class Waiting(NamedTuple):
    """A run that waits for a worker; `is_cell`: of a sweep."""

    run_id: str
    owner: str
    is_cell: bool


class Place(NamedTuple):
    """Where a run stands.

    Attributes:
        position: 1 comes next.
        waiting: how many wait, this one included.
        running: ids of the runs that are being carried out.
    """

    position: int
    waiting: int
    running: tuple[str, ...]


def fair_order(waiting: Iterable[Waiting], running: Mapping[str, int], served: Mapping[str, int]) -> Iterator[str]:
    """Ids of the waiting runs, in the order in which they are taken if nobody else comes and none of them ends.

    Args:
        waiting: oldest first.
        running: how many runs of each owner are being carried out now; 0 for who is missing.
        served: a number that rises with every run that is taken: that of each owner's latest one.
    """
    waiting = list(waiting)
    having, latest = dict(running), dict(served)
    now = max(latest.values(), default=0)
    for cells in (False, True):
        queues: dict[str, deque[str]] = {}
        for run in waiting:
            if run.is_cell == cells:
                queues.setdefault(run.owner, deque()).append(run.run_id)
        while queues:
            # Of equals the first: owners are in the order of their oldest run.
            owner = min(queues, key=lambda one: (having.get(one, 0), latest.get(one, 0)))
            yield queues[owner].popleft()
            now += 1
            having[owner], latest[owner] = having.get(owner, 0) + 1, now
            if not queues[owner]:
                del queues[owner]
