"""Attacks on stored models: one after the other in a thread of their own, watched from the page, kept in memory."""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass, field

import streamlit as st

from fedlab_core.lab import Federation
from fedlab_core.privacy import ACCESSES, MembershipReport, attack_membership, draw_suspects
from fedlab_core.pruning.masks import sparsity
from fedlab_core.runs.store import RunStore

Reports = dict[str, MembershipReport]
"""By what the attacker has: black-box, white-box."""


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

    def count(self) -> None:
        """One more client has been asked about."""
        self.asked += 1


class Attacks:
    """The newest job of every run, and the thread that does them; a daemon, so that closing does not wait for it."""

    def __init__(self, store: RunStore) -> None:
        self._store = store
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
                self._attack(job)
            except (ValueError, RuntimeError) as error:  # damaged, data or an accelerator not here, too few clients
                job.error = str(error)
            job.over = True
            self._waiting.task_done()

    def _attack(self, job: Job) -> None:
        job.round, server = self._store.state(job.run_id, job.round)
        job.sparsity = sparsity(server.masks)
        lab = Federation.of(self._store.get(job.run_id).experiment)  # its own: the pages use theirs meanwhile
        trained = self._store.took_part(job.run_id)
        job.total = len(ACCESSES) * len(draw_suspects(lab.data, trained=trained))
        for access in ACCESSES:
            job.reports[access] = attack_membership(lab, server, access=access, trained=trained, on_client=job.count)


@st.cache_resource(show_spinner=False)
def attacks(_store: RunStore, path: str) -> Attacks:
    """Those of this server and its store; all windows share them, as they share runs."""
    return Attacks(_store)
