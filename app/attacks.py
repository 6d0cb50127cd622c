"""Attacks on stored models: `fedlab attack`, one after the other in a process of its own, kept in memory.

In a thread of the server an attack would take the interpreter from the pages.
"""

from __future__ import annotations

import atexit
import json
import queue
import re
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import streamlit as st

from fedlab_core.runs.store import RunStore

Reports = dict[str, dict[str, Any]]
"""By what the attacker has, black-box or white-box: a `MembershipReport` as plain numbers."""

_ACCESSES = ("black-box", "white-box")
_PROGRESS = re.compile(r"(\d+)/(\d+) ")


@dataclass
class Job:
    """The attack on the model of a run after `round`: `asked` of `total` looks at a client's examples are done.

    When it is `over` there are reports, or an `error`. `total` is 0 until the data are loaded.
    """

    run_id: str
    round: int
    total: int = 0
    asked: int = 0
    sparsity: float = 0.0
    reports: Reports = field(default_factory=dict)
    error: str = ""
    over: bool = False


Attack = Callable[[Path, Job], dict[str, Any]]
"""Attacks the run of a job in a store; what `fedlab attack --json` prints. Raises ValueError."""


class Attacks:
    """The newest job of every run, and the thread that has them done; a daemon: closing does not wait for it."""

    def __init__(self, store: RunStore, attack: Attack) -> None:
        self._store, self._attack = store, attack
        self._jobs: dict[str, Job] = {}
        self._waiting: queue.Queue[Job] = queue.Queue()
        self._lock = threading.Lock()
        threading.Thread(target=self._work, name="attacks", daemon=True).start()

    def start(self, run_id: str) -> None:
        """Attack a run's newest model, if that has not been done. Raises `RunError`: the run is gone."""
        round = self._store.get(run_id).rounds_done
        with self._lock:
            known = self._jobs.get(run_id)
            if known is None or known.error or (known.over and known.round < round):
                job = self._jobs[run_id] = Job(run_id, round)
                self._waiting.put(job)

    def newest(self, run_id: str) -> Job | None:
        """The last attack on a run."""
        return self._jobs.get(run_id)

    def wait(self) -> None:
        """Until nothing is under way."""
        self._waiting.join()

    def _work(self) -> None:
        while True:
            job = self._waiting.get()
            try:
                found = self._attack(self._store.path, job)
                job.round = found["round"]
                job.sparsity = next(r["sparsity"] for r in self._store.rows(job.run_id) if r["round"] == job.round)
                job.reports = {access: found[access] for access in _ACCESSES if access in found}
            except (ValueError, OSError) as error:  # damaged, deleted, data that are not here, too few clients
                job.error = str(error)
            except Exception:  # a mistake in the program: the thread has to live on
                traceback.print_exc()
                job.error = "something went wrong in this attack; the server's log says what"
            job.over = True
            self._waiting.task_done()


def by_command(store_path: Path, job: Job) -> dict[str, Any]:
    """`fedlab attack` as a process, which ends with this one; its progress bar moves the job's."""
    command = [sys.executable, "-m", "fedlab_core.cli", "attack", job.run_id, "--json", "--store", str(store_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        atexit.register(process.kill)
        assert process.stderr is not None
        assert process.stdout is not None
        said = ""
        for said in process.stderr:  # text mode: a bar's carriage returns end lines, too
            if counts := _PROGRESS.search(said):
                job.asked, job.total = int(counts[1]), int(counts[2])
        printed = process.stdout.read()
    atexit.unregister(process.kill)
    if process.returncode:
        raise ValueError(said.strip() or f"the attack ended with code {process.returncode}")
    found: dict[str, Any] = json.loads(printed)
    return found


@st.cache_resource(show_spinner=False)
def attacks(_store: RunStore, path: str) -> Attacks:
    """Those of this server and its store; all windows share them, as they share runs."""
    return Attacks(_store, by_command)
