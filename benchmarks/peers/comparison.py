"""All runs on one workload: setups are tried, the fastest of each system are measured in turn, then memory."""

from __future__ import annotations

import contextlib
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
from peers.environments import NoEnvironment
from peers.running import Run, RunFailed, run
from peers.systems import Setup, System
from workloads import Workload

WARM_UP = 2
"""Rounds that are left out of the median."""

ATTEMPTS = 2
"""Flower has been seen to lose a client's message once in some dozens of runs."""

TRIAL_ROUNDS = {"W1a": 8, "W1b": 14, "W2": 4, "W3": 8}
MEMORY_ROUNDS = 4

Entry = dict[str, Any]


class Comparison:
    """The systems on one workload, as they will be in the results.

    Attributes:
        systems: those that have not failed.
        known: what an earlier comparison found for each system; setups that were tried there are not tried again.
    """

    def __init__(self, workload: Workload, systems: list[System], data: Path, lock: Path | None, known: Entry) -> None:
        self.workload, self.data, self.lock = workload, data, lock
        self.systems = {system.key: system for system in systems}
        self.found: dict[str, Entry] = {system.key: {"tried": {}, "runs": []} for system in systems}
        self.fastest: dict[str, Setup] = {}
        self.known = known

    def measure(self, rounds: int, repeats: int, trials: int) -> dict[str, Entry]:
        """Everything; systems that fail have the entry "skipped" with the reason.

        Of several trials of a setup the fastest counts, for another load on the machine only ever slows down.
        """
        for key in list(self.systems):
            if not self._recall(key):
                self._try_setups(key, trials)
        for repeat in range(repeats):
            for key in list(self.systems):
                if found := self._run(key, self.fastest[key], rounds, f"repeat {repeat + 1}"):
                    self.found[key]["runs"].append({"load": round(psutil.getloadavg()[0], 2), **found._asdict()})
        for key in list(self.systems):
            self._measure_memory(key)
        return {key: summary(entry) for key, entry in self.found.items()}

    def _recall(self, key: str) -> bool:
        """Take over what was tried before."""
        before, system = self.known.get(key, {}), self.systems[key]
        named = {str(setup): setup for setup in (*system.setups, *map(channels_last, system.setups))}
        if before.get("setup") not in named or not before.get("tried"):
            return False
        self.fastest[key] = named[before["setup"]]
        self.found[key] |= {"setup": before["setup"], "tried": before["tried"]}
        return True

    def _try_setups(self, key: str, trials: int) -> None:
        """Note the fastest of a system's setups."""
        system, tried = self.systems[key], dict[Setup, float]()

        def attempt(setup: Setup) -> None:
            rounds = TRIAL_ROUNDS[self.workload.name]
            runs = [self._run(key, setup, rounds, f"trying {setup}") for _ in range(trials)]
            if done := [found for found in runs if found]:
                tried[setup] = min(median_ms(found.round_s) for found in done)
                first_s = min(found.first_round_s for found in done)
                entry = {"median_ms": round(tried[setup], 2), "first_round_s": round(first_s, 2)}
                self.found[key]["tried"][str(setup)] = entry

        for setup in system.setups:
            attempt(setup)
        if system.layouts and self.workload.has_convolutions and tried:
            attempt(channels_last(min(tried, key=tried.__getitem__)))
        if key in self.systems:
            self.fastest[key] = min(tried, key=tried.__getitem__)
            self.found[key]["setup"] = str(self.fastest[key])

    def _measure_memory(self, key: str) -> None:
        """Of the setup that was measured, and of those of which it is not known: one may need less."""
        tried = self.found[key]["tried"]
        for setup in dict.fromkeys((*self.systems[key].setups, self.fastest[key])):
            if setup != self.fastest[key] and "peak_mb" in tried.get(str(setup), {}):
                continue
            if found := self._run(key, setup, MEMORY_ROUNDS, f"memory of {setup}", memory=True):
                tried.setdefault(str(setup), {})["peak_mb"] = round(found.peak_mb, 1)
        self.found[key]["peak_mb"] = tried.get(str(self.fastest[key]), {}).get("peak_mb")

    def _run(self, key: str, setup: Setup, rounds: int, why: str, memory: bool = False) -> Run | None:
        """One run, a second one if it fails; a system that cannot is taken out, with the reason."""
        for attempt in range(ATTEMPTS if key in self.systems else 0):
            print(f"{self.workload.name}: {key}, {why}", file=sys.stderr, flush=True)
            try:
                with locked(self.lock):
                    return run(self.systems[key], setup, self.workload, self.data, rounds, memory=memory)
            except (NoEnvironment, RunFailed) as reason:
                print(f"{self.workload.name}: {key} failed: {reason}", file=sys.stderr, flush=True)
                if attempt == ATTEMPTS - 1 or isinstance(reason, NoEnvironment):
                    self.found[key]["skipped"] = str(reason)
                    del self.systems[key]
                    break
        return None


def channels_last(setup: Setup) -> Setup:
    """The same setup with another layout of images."""
    return setup._replace(layout="channels-last")


def median_ms(round_s: list[float]) -> float:
    """Milliseconds of the median round after the first ones."""
    return 1000 * statistics.median(round_s[WARM_UP:])


def summary(entry: Entry) -> Entry:
    """Medians over the repeats, before the raw numbers."""
    runs = entry["runs"]
    if not runs or "skipped" in entry:
        return entry
    medians = [median_ms(found["round_s"]) for found in runs]
    first_s, tried = [found["first_round_s"] for found in runs], entry["tried"].values()
    head = {
        "median_ms": round(statistics.median(medians), 2),
        "lowest_ms": round(min(medians), 2),
        "highest_ms": round(max(medians), 2),
        "first_round_s": round(statistics.median(first_s), 2),
        "least_first_round_s": round(min(first_s + [setup["first_round_s"] for setup in tried]), 2),
        "least_mb": min(setup["peak_mb"] for setup in tried if "peak_mb" in setup),
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
