"""Starts a runner, reads its rounds, watches its memory, and leaves no process behind."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from peers.environments import python_of
from peers.systems import Setup, System
from workloads import Workload

PATIENCE_S = 600
SAMPLE_S = 0.05


class RunFailed(RuntimeError):  # noqa: N818 - reported, not raised to the user
    """A runner did not get to its end; the message holds its last words."""


class Run(NamedTuple):
    """What one start of a system gave: seconds of each round, and until the first had ended; MB if it was asked for."""

    first_round_s: float
    round_s: list[float]
    loss: float
    peak_mb: float


def run(system: System, setup: Setup, workload: Workload, data: Path, rounds: int, *, memory: bool = False) -> Run:
    """From the start of the process to its end.

    Raises:
        NoEnvironment, RunFailed: the system cannot be installed, or its runner fails.
    """
    python = python_of(system.environment)
    command = [str(python), str(system.script), f"--workload={workload.name}", f"--data={data}", f"--rounds={rounds}"]
    command += setup.options
    with tempfile.TemporaryDirectory(prefix="run") as scratch, open(Path(scratch) / "stderr", "w+") as errors:
        start = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, env=_environment(setup, scratch), text=True
        )
        tree = _Tree(process.pid, memory)
        alarm = threading.Timer(PATIENCE_S, tree.kill)
        alarm.start()
        try:
            lines = _read(process, start)
            tree.look()
            process.wait()
        finally:
            alarm.cancel()
            tree.kill()
        errors.seek(0)
        last = [line.strip() for line in errors if line.strip()] or ["it said nothing"]
    round_s = [said["seconds"] for _, said in lines if "round" in said]
    losses = [said["loss"] for _, said in lines if said.get("done")]
    if process.returncode or len(round_s) != rounds or not losses:
        raise RunFailed(f"ended with {process.returncode} after {len(round_s)} rounds: {last[-1][:200]}")
    return Run(lines[0][0], round_s, losses[0], tree.peak_mb)


def _environment(setup: Setup, scratch: str) -> dict[str, str]:
    """Nothing of ours on the path of the others; what a system writes goes into a folder that is deleted."""
    ours = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    threads = str(setup.threads)
    return ours | {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "RAY_TMPDIR": scratch, "FLWR_HOME": scratch}


def _read(process: subprocess.Popen[str], start: float) -> list[tuple[float, dict[str, Any]]]:
    """Each line of the protocol and the seconds after which it came, up to the last; other lines are passed over."""
    lines: list[tuple[float, dict[str, Any]]] = []
    assert process.stdout is not None
    for line in process.stdout:
        with contextlib.suppress(ValueError):
            if line.startswith("{"):
                lines.append((time.perf_counter() - start, json.loads(line)))
        if lines and lines[-1][1].get("done"):
            break
    return lines


class _Tree:
    """A process and all it has started; with `memory`, their memory is summed up again and again until `kill`."""

    def __init__(self, pid: int, memory: bool) -> None:
        self.known: dict[int, psutil.Process] = {pid: psutil.Process(pid)}
        self.root, self.peak_mb = pid, 0.0
        self.ended = threading.Event()
        self.sampler = threading.Thread(target=self._sample, daemon=True)
        if memory:
            self.sampler.start()

    def look(self) -> list[psutil.Process]:
        """All processes of the tree; they are remembered, should their parent go first."""
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(self.root).children(recursive=True):
                self.known.setdefault(child.pid, child)
        return list(self.known.values())

    def kill(self) -> None:
        """End whatever is left."""
        self.ended.set()
        left = [process for process in self.look() if process.is_running()]
        _, left = psutil.wait_procs(left, timeout=0 if self.root in (process.pid for process in left) else 10)
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()

    def _sample(self) -> None:
        while not self.ended.wait(SAMPLE_S):
            self.peak_mb = max(self.peak_mb, sum(memory_mb(process) for process in self.look()))


MEMORY_KIND = "PSS" if Path("/proc/self/smaps_rollup").exists() else "RSS"
"""Proportional set size: a page that several processes share is split among them. RSS counts it for each."""


def memory_mb(process: psutil.Process) -> float:
    """Memory of one process; 0 when it has ended."""
    try:
        if MEMORY_KIND == "RSS":
            return process.memory_info().rss / 1e6
        lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024 / 1e6
    except (OSError, psutil.Error):
        return 0.0
