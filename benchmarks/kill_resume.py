"""Does a run survive SIGKILL? Runs are killed, resumed, and compared with the same run that was never interrupted.

    python benchmarks/kill_resume.py

Every other kill comes at a random moment of a random round, the others as soon as the store's file changes: in the
middle of a write or just after it. All runs share one store. Needs SIGKILL. Results: results/kill_resume.json
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import machine

from fedlab_core.runs.store import RunStore

RESULTS = Path(__file__).parent / "results" / "kill_resume.json"
RECIPES = ("fedsparsify-digits", "random-digits", "fedsparsify-local-digits")
ROUNDS = 8
SMALL = ("--rounds", str(ROUNDS), "--set", "data.num_clients=8", "--set", "federation.local_epochs=1")
PATIENCE_S = 600


def fedlab(store: Path, *arguments: str) -> list[str]:
    """The command line in a process of its own."""
    return [sys.executable, "-m", "fedlab_core.cli", *arguments, "--json", "--store", str(store)]


def finished(store: Path, *arguments: str) -> dict[str, Any]:
    """Wait for a command's end; its summary."""
    done = subprocess.run(fedlab(store, *arguments), capture_output=True, text=True, check=True)
    summary: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return summary


def wait_until(condition: Callable[[], bool], pause_s: float = 0.005) -> None:
    """Look again and again; a benchmark that hangs says so."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"nothing happened in {PATIENCE_S} s")
        threading.Event().wait(pause_s)


def killed(store: RunStore, recipe: str, after_round: int, delay_s: float | None) -> dict[str, Any]:
    """Start a run, kill it after a round plus a delay (None: at the file's next change); what the store says then."""
    known = {info.run_id for info in store.list()}

    def new() -> list[Any]:
        return [info for info in store.list() if info.run_id not in known and info.last_row]

    quiet = subprocess.DEVNULL
    command = fedlab(store.path, "run", recipe, *SMALL)
    with subprocess.Popen(command, stdout=quiet, stderr=quiet) as process:
        wait_until(lambda: bool(new()) and new()[0].rounds_done >= after_round)
        if delay_s is None:
            log = store.path.with_name(store.path.name + "-wal")
            before = log.stat().st_mtime_ns
            wait_until(lambda: log.stat().st_mtime_ns != before, pause_s=0)
        else:
            threading.Event().wait(delay_s)
        process.kill()
    (info,) = new()
    return {"recipe": recipe, "run_id": info.run_id, "rounds_done": info.rounds_done, "status": info.status}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)  # as every run; and so that the record of the machine says so
    draw = np.random.default_rng(options.seed)
    start = time.perf_counter()
    kills = []
    with tempfile.TemporaryDirectory() as folder, RunStore(Path(folder) / "runs.sqlite") as store:
        whole = {recipe: finished(store.path, "run", recipe, *SMALL) for recipe in RECIPES}
        for number in range(options.kills):
            recipe = RECIPES[number % len(RECIPES)]
            round_s = whole[recipe]["total_s"] / ROUNDS
            delay_s = None if number % 2 else float(draw.uniform(0, round_s))
            after_round = int(draw.integers(0, ROUNDS - 1))
            kill = killed(store, recipe, after_round, delay_s)
            while kill["status"] == "finished":  # too late: a busy machine does not keep to the delay
                kill = killed(store, recipe, after_round, delay_s)
            resumed = finished(store.path, "resume", kill.pop("run_id"))
            equal = resumed["state_sha256"] == whole[recipe]["state_sha256"]
            moment = "at a write" if delay_s is None else "any"
            kills.append({**kill, "moment": moment, "after_resume": resumed["status"], "same_sha256": equal})
            print(f"{number + 1}/{options.kills}", kills[-1], file=sys.stderr)
    result = {
        "claim": "a run killed with SIGKILL is listed as interrupted and resumes to the same state_sha256",
        "machine": machine(),
        "setting": {"rounds": ROUNDS, "seed": options.seed, "changes": list(SMALL)},
        "interrupted": sum(kill["status"] == "interrupted" for kill in kills),
        "same_sha256": sum(kill["same_sha256"] for kill in kills),
        "of": len(kills),
        "kills": kills,
        "total_s": round(time.perf_counter() - start, 1),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    if not result["interrupted"] == result["same_sha256"] == result["of"]:
        sys.exit("a run did not survive; see the results")


if __name__ == "__main__":
    main()
