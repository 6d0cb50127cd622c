"""Eight pruning rates x three seeds of `fedsparsify-digits`: the time of the sweep against that of one run.

    python benchmarks/sweep.py

Everything is a command in a process of its own, from its start to its end, with a store of its own: what a person
waits for. One run alone is measured before the sweep and after it, in one process and in all (as `fedlab run` does it);
the mean counts. A sweep shares what does not depend on the run: the start of processes, imports, data. Of one run alone
that is `start_s`, all of its time that is not spent in rounds. `others_busy` says how many processors other programs
used during the sweep: the figures count where it is near zero. Results: results/sweep.json
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import torch
from machine import machine

RESULTS = Path(__file__).parent / "results" / "sweep.json"
RECIPE = "fedsparsify-digits"
RATES = (0.5, 0.7, 0.8, 0.85, 0.9, 0.95, 0.97, 0.99)
SEEDS = (0, 1, 2)
GRID = (
    "--grid",
    f"strategy.final_sparsity={','.join(map(str, RATES))}",
    "--grid",
    f"federation.seed={','.join(map(str, SEEDS))}",
)


def fedlab(processes: int, *arguments: str) -> tuple[float, list[dict[str, Any]]]:
    """Seconds from the start of a command to its end, and the JSON that it printed."""
    environment = {**os.environ, "FEDLAB_PROCESSES": str(processes), "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "fedlab_core.cli", *arguments, "--json", "--store", f"{folder}/runs.sqlite"]
        start = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(done.stderr)
    return seconds, [json.loads(line) for line in done.stdout.splitlines()]


def alone(processes: int) -> dict[str, float]:
    """One run: seconds in all, and without its rounds."""
    seconds, (*_, summary) = fedlab(processes, "run", RECIPE)
    return {"total_s": seconds, "start_s": seconds - summary["total_s"]}


def busy_s() -> float:
    """Processor time that all programs of this machine have used so far, but this one and those it has waited for."""
    everyone, ours = psutil.cpu_times(), psutil.Process().cpu_times()
    return everyone.user + everyone.nice + everyone.system - sum(ours[:4])  # with the children's


def mean(measured: list[dict[str, float]]) -> dict[str, float]:
    """Of what was measured before and after."""
    return {name: round(statistics.fmean(one[name] for one in measured), 2) for name in measured[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="runs side by side")
    processes = parser.parse_args().processes
    torch.set_num_threads(1)  # as every run; and so that the record of the machine says so
    load = round(psutil.getloadavg()[0], 2)  # others on the machine: compare figures of an idle one
    kinds = {"in_one_process": 1, "in_all_processes": processes}
    before = {kind: alone(number) for kind, number in kinds.items()}
    print(json.dumps(before), file=sys.stderr)
    others_s = busy_s()
    sweep_s, (plan, *runs, means) = fedlab(processes, "sweep", RECIPE, *GRID, "--processes", str(processes))
    others_busy = (busy_s() - others_s) / sweep_s
    after = {kind: alone(number) for kind, number in kinds.items()}
    one = {kind: mean([before[kind], after[kind]]) for kind in kinds}
    apart_s = len(runs) * one["in_one_process"]["total_s"] / processes
    result = {
        "claim": f"{len(RATES)} pruning rates x {len(SEEDS)} seeds of {RECIPE} against one run of it",
        "setting": {"recipe": RECIPE, "rates": RATES, "seeds": SEEDS, "processes": processes},
        "one_run": one,
        "sweep": {
            "runs": len(runs),
            "finished": means["finished"],
            "total_s": round(sweep_s, 1),
            "estimated_s": round(plan["estimated_s"], 1),
            "s_per_run": round(sweep_s / len(runs), 2),
            "others_busy": round(others_busy, 2),
            "mean_run_s": round(statistics.fmean(run["total_s"] for run in runs), 2),
        },
        "ratios": {
            "sweep_to_one_run_in_one_process": round(sweep_s / one["in_one_process"]["total_s"], 2),
            "sweep_to_one_run_in_all_processes": round(sweep_s / one["in_all_processes"]["total_s"], 2),
            "same_runs_as_single_commands_side_by_side_to_sweep": round(apart_s / sweep_s, 2),
        },
        "groups": means["groups"],
        "machine": machine(),
        "load_average_before": load,
    }
    print(json.dumps({key: result[key] for key in ("one_run", "sweep", "ratios")}, indent=2))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    if means["finished"] != len(RATES) * len(SEEDS):
        sys.exit("a run did not finish; see the results")


if __name__ == "__main__":
    main()
