"""Rounds per second of fedlab_core beside Flower, pfl-research, FedLab and a plain PyTorch loop, on the same work.

    python benchmarks/compare.py [--workloads W1b W3] [--systems ours pfl] [--repeats 3] [--rounds 12] [--lock FILE]

Each system runs in an environment of its own (`peers/environments.py`), each run is a process of its own. First every
setup of a system (threads, processes, source of batches) is tried on the workload; the fastest is then measured, system
after system, `repeats` times over. Memory is sampled in one more run, so that sampling slows nothing down.
Results: results/compare.json and docs/PERFORMANCE.md; a run of only some systems or workloads is printed and not kept.
`--lock`: a file that is locked during each run, on a machine where somebody else measures, too.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from machine import machine
from peers.environments import REQUIREMENTS, NoEnvironment
from peers.rates import machine_rates, round_flops
from peers.report import tables, write_document
from peers.running import MEMORY_KIND, Run, RunFailed, run
from peers.systems import CORES, SYSTEMS, System
from workloads import WORKLOADS, Workload, draw_examples, save

RESULTS = Path(__file__).parent / "results" / "compare.json"
ROUNDS = {"W1a": 12, "W1b": 20, "W2": 4, "W3": 8}
WARM_UP = 2
"""Rounds that are left out of the median."""


class Comparison:
    """All runs of one workload, as they will be in the results."""

    def __init__(self, workload: Workload, systems: list[System], rounds: int, lock: Path | None) -> None:
        self.workload, self.rounds, self.lock = workload, rounds, lock
        self.systems = {system.key: system for system in systems}
        self.found: dict[str, dict[str, Any]] = {key: {"tried": [], "runs": []} for key in self.systems}
        self.setups = {key: system.setups[0] for key, system in self.systems.items()}

    def measure(self, data: Path, repeats: int) -> dict[str, Any]:
        """Try setups, then measure in turn, then memory."""
        for key, system in self.systems.items():
            self._tune(key, system, data)
        for repeat in range(repeats):
            for key in list(self.systems):
                self._log(f"{key}, repeat {repeat + 1}")
                if found := self._run(key, data):
                    self.found[key]["runs"].append({"load": round(psutil.getloadavg()[0], 2), **asdict(found)})
        for key in list(self.systems):
            self._log(f"{key}, memory")
            if found := self._run(key, data, memory=True):
                self.found[key]["peak_mb"] = found.peak_mb
        return {key: summary(entry) for key, entry in self.found.items()}

    def _tune(self, key: str, system: System, data: Path) -> None:
        """Keep the fastest of a system's setups."""
        tried = {}
        for setup in system.setups:
            self._log(f"{key}, trying {setup}")
            self.setups[key] = setup
            if not (found := self._run(key, data)):
                return
            tried[setup] = median_ms(found.round_s)
            self.found[key]["tried"].append({"setup": str(setup), "median_ms": tried[setup]})
        self.setups[key] = min(tried, key=lambda setup: tried[setup])
        self.found[key]["setup"] = str(self.setups[key])

    def _run(self, key: str, data: Path, memory: bool = False) -> Run | None:
        """One run; a system that cannot is taken out, with the reason."""
        try:
            with locked(self.lock):
                return run(self.systems[key], self.setups[key], self.workload, data, self.rounds, memory=memory)
        except (NoEnvironment, RunFailed) as reason:
            self._log(f"{key} skipped: {reason}")
            self.found[key]["skipped"] = str(reason)
            del self.systems[key]
            return None

    def _log(self, text: str) -> None:
        print(f"{self.workload.name}: {text}", file=sys.stderr, flush=True)


def median_ms(round_s: list[float]) -> float:
    """Milliseconds of the median round after the first ones."""
    return 1000 * statistics.median(round_s[WARM_UP:])


def summary(entry: dict[str, Any]) -> dict[str, Any]:
    """Medians over the repeats, before the raw numbers."""
    runs = entry["runs"]
    if not runs or "skipped" in entry:
        return entry
    medians = [median_ms(found["round_s"]) for found in runs]
    head = {
        "median_ms": round(statistics.median(medians), 2),
        "lowest_ms": round(min(medians), 2),
        "highest_ms": round(max(medians), 2),
        "first_round_s": round(statistics.median(found["first_round_s"] for found in runs), 2),
        "loss": runs[0]["loss"],
    }
    return head | entry


@contextlib.contextmanager
def locked(path: Path | None) -> Iterator[None]:
    """Nobody else holds the lock in here."""
    if path is None:
        yield
        return
    import fcntl  # only where there is one

    with open(path, "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--rounds", type=int, help=f"default: {ROUNDS}")
    parser.add_argument("--lock", type=Path)
    return parser.parse_args()


def compare(options: argparse.Namespace) -> dict[str, Any]:
    """Everything, as it is written to the file."""
    with locked(options.lock):
        rates = machine_rates(CORES)
    result: dict[str, Any] = {
        "machine": machine() | {"usable_cores": CORES, "memory_gb": round(psutil.virtual_memory().total / 1e9)},
        "versions": {**REQUIREMENTS, "torch": version("torch"), "numpy": version("numpy")},
        "gflop_per_s": {kind: round(rate, 1) for kind, rate in rates.items()},
        "memory": MEMORY_KIND,
        "repeats": options.repeats,
        "load_before": round(os.getloadavg()[0], 2),
        "workloads": {},
    }
    systems = [SYSTEMS[key] for key in options.systems]
    for name in options.workloads:
        workload, rounds = WORKLOADS[name], options.rounds or ROUNDS[name]
        examples = draw_examples(workload)
        flops = round_flops(workload, examples, range(WARM_UP + 1, rounds + 1))
        floor_ms = sum(flops[kind] / rates[kind] / 1e6 for kind in flops)
        with tempfile.TemporaryDirectory() as folder:
            save(examples, data := Path(folder) / "data.npz")
            found = Comparison(workload, systems, rounds, options.lock).measure(data, options.repeats)
        result["workloads"][name] = {"rounds": rounds, "flops": flops, "floor_ms": round(floor_ms, 2), "systems": found}
    return result


def main() -> None:
    options = read_options()
    result = compare(options)
    print(tables(result))
    if set(options.workloads) == set(WORKLOADS) and set(options.systems) == set(SYSTEMS):
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(result, indent=1) + "\n")
        write_document(result)


if __name__ == "__main__":
    main()
