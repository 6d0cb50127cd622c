"""The systems that are compared, and how each may be set up on this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Setup(NamedTuple):
    """PyTorch's threads in each process, processes that take clients, where batches come from, layout of images."""

    threads: int
    processes: int
    loader: str = "shuffled"
    layout: str = "contiguous"

    @property
    def options(self) -> list[str]:
        """For the runner's command line."""
        return [f"--{name}={value}" for name, value in self._asdict().items()]

    def __str__(self) -> str:
        loader = "DataLoader" if self.loader == "dataloader" else "batches by index"
        layout = ", channels last" if self.layout == "channels-last" else ""
        return f"{_plural(self.processes, 'process', 'es')} x {_plural(self.threads, 'thread', 's')}, {loader}{layout}"


class System(NamedTuple):
    """One of the compared: `environment` is a key of `environments.REQUIREMENTS`, or "" for our own.

    `setups`: all that are tried on a workload; the fastest is then measured. `layouts`: whether the fastest is also
    tried with images laid out channels last, where there are convolutions.
    """

    key: str
    title: str
    script: Path
    environment: str
    setups: tuple[Setup, ...]
    layouts: bool


def _plural(count: int, noun: str, ending: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}{ending}"


ONE, THREADS, PROCESSES = Setup(1, 1), Setup(CORES, 1), Setup(1, CORES)
LOADER_ONE, LOADER_THREADS, LOADER_PROCESSES = (s._replace(loader="dataloader") for s in (ONE, THREADS, PROCESSES))

SYSTEMS = {
    system.key: system
    for system in (
        System("ours", "fedlab_core", HERE / "ours.py", "", (ONE, PROCESSES), False),
        System("flower", "Flower 1.41", HERE / "flower.py", "flower", (LOADER_PROCESSES, PROCESSES, THREADS), True),
        System("pfl", "pfl 0.6", HERE / "pfl_research.py", "pfl", (ONE, THREADS, PROCESSES), True),
        System("fedlab", "FedLab 1.3", HERE / "fedlab_peer.py", "fedlab", (LOADER_ONE, ONE, THREADS, PROCESSES), False),
        System("plain", "plain loop", HERE / "plain.py", "", (LOADER_ONE, LOADER_THREADS), True),
    )
}
