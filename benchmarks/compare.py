"""Milliseconds per round of fedlab_core beside Flower, pfl-research, FedLab and a plain PyTorch loop, on the same work.

    python benchmarks/compare.py [--workloads W1b W3] [--systems ours pfl] [--repeats 2] [--rounds 12] [--keep-setups]

Each system runs in an environment of its own (`peers/environments.py`), each run is a process of its own. First every
setup of a system (threads, processes, source of batches) is tried on the workload; the fastest is then measured, system
after system, `repeats` times over. Memory is sampled in runs of its own, so that sampling slows nothing down.
Results: results/compare.json and docs/PERFORMANCE.md; a run of only some systems is printed and not kept, a run of only
some workloads replaces these.
`--keep-setups` tries no setup that is in the results already, which takes half the time. `--lock` names a file that is
locked during each run, for a machine where somebody else measures, too.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from document import fill_in
from machine import machine
from peers.comparison import WARM_UP, Comparison, Entry, locked
from peers.environments import REQUIREMENTS
from peers.rates import machine_rates, round_flops
from peers.report import tables
from peers.running import MEMORY_KIND
from peers.systems import CORES, SYSTEMS
from workloads import WORKLOADS, draw_examples, save

RESULTS = Path(__file__).parent / "results" / "compare.json"
ROUNDS = {"W1a": 12, "W1b": 20, "W2": 4, "W3": 8}


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--trials", type=int, default=2, help="of each setup")
    parser.add_argument("--rounds", type=int, help=f"at least {WARM_UP + 1}; default: {ROUNDS}")
    parser.add_argument("--keep-setups", action="store_true")
    parser.add_argument("--lock", type=Path)
    return parser.parse_args()


def compare_on(name: str, rates: dict[str, float], options: argparse.Namespace) -> Entry:
    """One workload."""
    workload, rounds = WORKLOADS[name], options.rounds or ROUNDS[name]
    systems = [SYSTEMS[key] for key in options.systems]
    known = json.loads(RESULTS.read_text())["workloads"][name]["systems"] if options.keep_setups else {}
    examples = draw_examples(workload)
    flops = round_flops(workload, examples, range(WARM_UP + 1, rounds + 1))
    floor_ms = sum(flops[kind] / rates[kind] / 1e6 for kind in flops)
    with tempfile.TemporaryDirectory() as folder:
        save(examples, data := Path(folder) / "data.npz")
        found = Comparison(workload, systems, data, options.lock, known).measure(
            rounds, options.repeats, options.trials
        )
    measured = {kind: round(rate, 1) for kind, rate in rates.items()}
    return {
        "rounds": rounds,
        "repeats": options.repeats,
        "gflop_per_s": measured,
        "flops": flops,
        "floor_ms": round(floor_ms, 2),
        "systems": found,
    }


def compare(options: argparse.Namespace) -> dict[str, Any]:
    """Everything, as it is written to the file."""
    load = round(psutil.getloadavg()[0], 2)  # others on the machine: compare figures of an idle one
    with locked(options.lock):
        rates = machine_rates(CORES)
    return {
        "machine": machine() | {"usable_cores": CORES, "memory_gb": round(psutil.virtual_memory().total / 1e9)},
        "versions": {**REQUIREMENTS, "torch": version("torch"), "numpy": version("numpy")},
        "memory": MEMORY_KIND,
        "load_average_before": load,
        "workloads": {name: compare_on(name, rates, options) for name in options.workloads},
    }


def main() -> None:
    options = read_options()
    result = compare(options)
    print(tables(result))
    if set(options.systems) == set(SYSTEMS):
        known = json.loads(RESULTS.read_text())["workloads"] if RESULTS.exists() else {}
        found = {**known, **result["workloads"]}
        result["workloads"] = {name: found[name] for name in WORKLOADS if name in found}
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(result, indent=1) + "\n")
        fill_in("compare", tables(result))


if __name__ == "__main__":
    main()
