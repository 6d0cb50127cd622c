"""What is known about a run beside its rounds, and about the machine and the process that compute it."""

from __future__ import annotations

import os
import platform
import sqlite3
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from json import loads
from pathlib import Path
from typing import Any, Literal

import psutil
from pydantic import BaseModel, ConfigDict, Field

from fedlab_core import __version__
from fedlab_core.experiment import Experiment
from fedlab_core.processes import MOST, default_processes
from fedlab_core.runs.until import FOREVER, Until

Status = Literal["queued", "running", "paused", "stopped", "finished", "interrupted", "failed"]
"""Stopped: by request. Interrupted: its process ended. Both go on where they were; `queued` waits for a worker."""

Wish = Literal["run", "step", "pause", "stop"]
"""What the process that executes a run is asked to do; `step` is one more round, then pause."""

THREADS = 1
"""torch threads of every stored run: more of them round sums differently, and results must not depend on that."""

_CLOCK_S = 2.0
"""The start time of a process may be reported differently by this much when the clock is adjusted."""


class Where(BaseModel):
    """Where the clients of a run are computed: in its own process and helpers of this machine, or at Flower's nodes.

    Attributes:
        nodes: how many of Flower's nodes; 0 = no Flower.
        address: of the SuperLink, host:port; empty = a SuperLink and nodes are started on this machine for the run.
        deadline_s: how long a round waits for its nodes, in seconds.
        faults: for demonstrations: nodes of this machine that misbehave, and how (see `robustness/faults.py`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    nodes: int = Field(0, ge=0, le=1000)
    address: str = Field("", max_length=255, pattern=r"^([A-Za-z0-9.-]+:[0-9]{1,5}|\[[0-9a-fA-F:]+\]:[0-9]{1,5})?$")
    deadline_s: float = Field(120.0, gt=0, le=86400)
    faults: dict[int, str] = Field(default_factory=dict)

    def text(self) -> str:
        """In words."""
        if not self.nodes:
            return "in process"
        at = f"at {self.address}" if self.address else "on this machine"
        faulty = f", {len(self.faults)} of them with a fault" if self.faults else ""
        return f"Flower {at}, {self.nodes} node{'s' * (self.nodes != 1)}{faulty}"


HERE = Where()


@dataclass(frozen=True)
class RunInfo:
    """A run as a list shows it.

    Attributes:
        run_id: ten letters and digits; a unique beginning is enough wherever a person types it.
        name: free text, may be empty.
        experiment: its whole configuration.
        created: ISO 8601, UTC.
        parent_id, parent_round: of a fork: it continues that run after that round.
        rounds_done: the newest round that is stored; 0 also where nothing is stored yet.
        error: why it failed, one sentence; else empty.
        owner: who may stop it: a token that the dashboard gives, empty for the command line.
        machine: where it was computed (last): platform, processor, cpu_count, threads, processes, versions, and where
            its clients are.
        last_row: the newest round as `RoundRecord.to_json` writes it.
        sweep_id, cell: of a run that belongs to a sweep: which one, and its place in the grid, from 0.
        until: when it stops before its last round.
    """

    run_id: str
    name: str
    experiment: Experiment
    status: Status
    created: str
    parent_id: str | None
    parent_round: int | None
    rounds_done: int
    error: str
    owner: str
    machine: dict[str, Any]
    last_row: dict[str, Any] | None
    sweep_id: str | None = None
    cell: int | None = None
    until: Until = FOREVER

    @property
    def processes(self) -> int:
        """Over how many processes its clients are spread; kept when it is resumed, because sums are rounded by it."""
        return recorded_processes(self.machine)

    @property
    def where(self) -> Where:
        """Where its clients are computed."""
        try:
            return Where.model_validate(self.machine.get("where", {}))
        except ValueError:  # it may come from elsewhere
            return HERE

    @property
    def first_round(self) -> int:
        """The round at which its own rows begin: 0, or where it was forked."""
        return self.parent_round or 0

    @classmethod
    def of(cls, row: sqlite3.Row) -> RunInfo:
        """From a row of table `runs` with `last_row` joined.

        Raises:
            ValueError: settings that this version does not know.
        """
        last = loads(row["last_row"]) if row["last_row"] else None
        shared = ("run_id", "name", "status", "created", "parent_id", "parent_round", "error", "owner")
        return cls(
            **{field: row[field] for field in (*shared, "sweep_id", "cell")},
            experiment=_experiment(row["experiment"]),
            rounds_done=last["round"] if last else 0,
            machine=loads(row["machine"]),
            last_row=last,
            until=Until.model_validate_json(row["until"]),
        )


@lru_cache(maxsize=512)
def _experiment(text: str) -> Experiment:
    """Experiments are frozen, and lists are read twice a second."""
    return Experiment.parse(loads(text))


def recorded_processes(machine: dict[str, Any]) -> int:
    """What a run's record of its machine says; 1 where it says nothing possible: it may come from elsewhere."""
    count = machine.get("processes")
    return count if isinstance(count, int) and 1 <= count <= MOST else 1


def machine() -> dict[str, Any]:
    """Where a run is computed: results are bit-identical only on the same kind of machine and the same torch."""
    try:
        torch_version = version("torch")
    except PackageNotFoundError:  # torch built from source
        torch_version = "unknown"
    return {
        "platform": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cpu_count": os.cpu_count() or 1,
        "threads": THREADS,
        "processes": default_processes(),
        "python": platform.python_version(),
        "torch": torch_version,
        "fedlab_core": __version__,
    }


def _processor() -> str:
    """The model's name; Python knows it on Windows and macOS only."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return model or platform.processor()


def this_process() -> tuple[int, float]:
    """Number and start time of this process; the number alone may be given to another one later."""
    return os.getpid(), psutil.Process().create_time()


def is_alive(pid: int, started: float) -> bool:
    """Whether the process with that number and start time still runs."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and abs(process.create_time() - started) < _CLOCK_S
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:  # it is there, but another user's
        return True
