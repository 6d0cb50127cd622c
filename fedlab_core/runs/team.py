"""Long-lived worker processes that are told which run to carry out, one each at a time; for sweeps.

A worker imports and reads data once and keeps both for its next run.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Self

from fedlab_core.runs.blobs import RunError
from fedlab_core.runs.children import READY, Child, end_all

LOOK_S = 0.1
"""How often, at least, a waiting parent's hook is called."""

ONE_PROCESS = {"FEDLAB_PROCESSES": "1", "OMP_NUM_THREADS": "1"}
"""A worker computes alone, with one thread: the others have the other processors."""


class Free(NamedTuple):
    """A worker can take a run: its first, or its next after that of `left`."""

    worker: Child
    left: str | None


class Round(NamedTuple):
    """A worker has stored a round of its run."""

    run_id: str
    round: int


class Lost(NamedTuple):
    """A worker died, in the middle of the run `left` if it had one; another one has been started in its place."""

    left: str | None


Event = Free | Round | Lost


class Team:
    """Some workers on one store. At the end of the `with` block they end; their runs can be resumed."""

    def __init__(self, store_path: Path, workers: int) -> None:
        self._store_path, self._workers = store_path, workers
        self._children: list[Child] = []
        self._runs: dict[Child, str] = {}
        self._heard: queue.SimpleQueue[tuple[Child, str | None]] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        for _ in range(self._workers):
            self._start()
        return self

    def __exit__(self, *exception: object) -> None:
        end_all(self._children)

    @property
    def busy(self) -> bool:
        """Whether a worker has a run."""
        return bool(self._runs)

    def give(self, worker: Child, run_id: str) -> None:
        """Let a free worker carry out a run."""
        self._runs[worker] = run_id
        worker.tell(run_id)

    def events(self, look: Callable[[], None]) -> Iterator[Event]:
        """What the workers say, as it comes, without end. `look` is called while waiting; it may raise.

        Raises:
            RunError: a worker ended before it could take a run: another one would, too.
        """
        while True:
            look()
            try:
                child, line = self._heard.get(timeout=LOOK_S)
            except queue.Empty:
                continue
            kind, *words = line.split() if line else [""]
            if line is None:
                yield self._replaced(child)
            elif kind == "round":
                yield Round(words[0], int(words[1]))
            elif kind in (READY, "left"):
                yield Free(child, self._runs.pop(child, None))

    def _start(self) -> None:
        tell = self._heard.put
        self._children.append(
            Child(
                self._store_path,
                "--told",
                on_line=lambda child, line: tell((child, line)),
                environment=ONE_PROCESS,
                apart=True,
            )
        )

    def _replaced(self, child: Child) -> Lost:
        child.hang_up()
        code = child.process.wait()
        self._children.remove(child)
        if not child.ready.is_set():
            raise RunError(f"a worker process ended before it could take a run (exit code {code})")
        self._start()
        return Lost(self._runs.pop(child, None))
