"""Have a claimed run carried out by Flower: a child process that starts, watches and ends whatever is needed.

The core knows nothing of Flower but this command line (`fedlab_core/flower/deploy.py`).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from typing import Any

import psutil

from fedlab_core.runs.store import RunError, RunStore

COMMAND = [sys.executable, "-m", "fedlab_core.flower.deploy"]
LOOK_S = 0.1
END_S = 20.0


def check_flower() -> None:
    """Raises RunError: Flower is not installed."""
    if find_spec("flwr") is None:
        raise RunError("Flower is not installed: pip install 'fedlab_core[flower]'")


def execute_elsewhere(
    store: RunStore, run_id: str, *, on_look: Callable[[], None], on_row: Callable[[dict[str, Any]], None] | None = None
) -> None:
    """Carry out a run that this process has claimed; on return nobody holds it.

    Args:
        on_look: called while waiting; if it raises, everything is ended and the run is interrupted.
        on_row: called with every new round, after it has been stored.

    Raises:
        RunError: what went wrong with Flower; the run is then failed, or interrupted if it had begun.
    """
    options = ["--store", str(store.path), "--run", run_id, "--holder", str(os.getpid())]
    try:
        check_flower()
    except RunError as error:
        store.leave(run_id, "failed", str(error))
        raise
    child = subprocess.Popen(
        [*COMMAND, *options], stdin=subprocess.PIPE, stderr=subprocess.PIPE, process_group=0, text=True
    )
    news, left = _News(store, run_id), False
    try:
        while child.poll() is None:
            on_look()
            time.sleep(LOOK_S)
            news.tell(on_row)
            left = left or store.holder(run_id) is None  # from now on it may be somebody else's: it can be resumed
    finally:
        _, said = _end(child)
        problem = said.strip().splitlines()[-1:] or [f"Flower ended with exit code {child.returncode}"]
        if not left:
            _leave(store, run_id, problem[0] if child.returncode else "")
    news.tell(on_row)
    if child.returncode:
        raise RunError(problem[0])


class _News:
    """Rounds that are stored by somebody else, each once."""

    def __init__(self, store: RunStore, run_id: str) -> None:
        self._store, self._run_id = store, run_id
        newest = store.get(run_id).last_row
        self._done = newest["round"] if newest else -1

    def tell(self, on_row: Callable[[dict[str, Any]], None] | None) -> None:
        if on_row is not None:
            for row in self._store.rows(self._run_id, after=self._done):
                self._done = row["round"]
                on_row(row)


def _end(child: subprocess.Popen[str]) -> tuple[str, str]:
    """The end of its standard input tells it to end; who takes too long is killed. What it has said."""
    try:
        return child.communicate("", timeout=END_S)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.communicate()
    finally:  # it ends what it has started, unless it was killed itself
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)


def _leave(store: RunStore, run_id: str, problem: str) -> None:
    """Whoever has the run is ended: cut off from its nodes, it would go on to skip rounds. Perhaps nobody has begun."""
    pid = store.holder(run_id)
    if pid == os.getpid():
        store.leave(run_id, "failed" if problem else "interrupted", problem)
    elif pid is not None:
        with suppress(psutil.NoSuchProcess):
            server = psutil.Process(pid)
            server.kill()
            server.wait(END_S)
        store.mark_interrupted()
