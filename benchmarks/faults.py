"""Every fault of a client under every rule of aggregation: left out, withstood, refused, or harmful?

    python benchmarks/faults.py [--seeds 3] [--processes P]

Digits, 10 clients, one of which is faulty in every round; all methods prune to 80 %. What has been measured already is
not measured again unless its settings have changed. Results: results/faults.json and the part of docs/FAULTS.md between
the marks.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from document import FAULTS, fill_in
from machine import machine
from measured import Row, key_of, measure_all

from fedlab_core.experiment import Experiment
from fedlab_core.lab import Federation
from fedlab_core.processes import default_processes, one_thread
from fedlab_core.robustness import HOSTILE, KINDS, Fault, Kind, expose
from fedlab_core.robustness.trial import CLOSE

RESULTS = Path(__file__).parent / "results" / "faults.json"
BAD = 3
BASE = Experiment().replace(
    {
        "data.num_clients": 10,
        "data.alpha": 1.0,
        "model.name": "mlp",
        "federation.rounds": 15,
        "federation.local_epochs": 2,
        "federation.participation": 1.0,
    }
)
RULES: dict[str, dict[str, Any]] = {
    "weighted mean": {"strategy.name": "fedsparsify-global"},
    "mask-aware mean": {"strategy.name": "fedsparsify-local", "strategy.merge": "holders"},
    "majority vote": {"strategy.name": "fedsparsify-local"},
    "median": {"strategy.name": "robust", "strategy.rule": "median"},
    "trimmed mean": {"strategy.name": "robust", "strategy.rule": "trimmed_mean"},
    "Krum": {"strategy.name": "robust", "strategy.rule": "krum"},
}
SHOWN = {"dropped": "left out and named", "refused": "refused", "wrong": "SILENTLY WRONG"}


def experiment(rule: str, seed: int) -> Experiment:
    """One run."""
    seeds = {"data.seed": seed, "federation.seed": seed}
    return BASE.replace(RULES[rule] | {"strategy.final_sparsity": 0.8} | seeds)


def jobs(seeds: int) -> Iterator[tuple[str, tuple[str, str, Kind, int]]]:
    """Key, and arguments of `measure`, of every cell and seed."""
    for rule in RULES:
        for kind in KINDS:
            for seed in range(seeds):
                one = experiment(rule, seed)
                yield _key(one, kind), (one.to_json(), rule, kind, seed)


def measure(text: str, rule: str, kind: Kind, seed: int) -> list[Row]:
    """One cell under one seed."""
    one = Experiment.parse(json.loads(text))
    with one_thread():
        result = expose(Federation.of(one), BAD, Fault(kind))
    return [{"settings": _key(one, kind), "rule": rule, "fault": kind, "seed": seed, **result._asdict()}]


def _key(one: Experiment, kind: Kind) -> str:
    return f"{kind} of client {BAD}, factor {Fault(kind).factor:g}: {key_of(one)}"


def table(rows: list[Row]) -> str:
    """A line a fault, a column a rule."""
    lines = ["| fault | " + " | ".join(RULES) + " |", "|---|" + "---|" * len(RULES)]
    for kind in KINDS:
        cells = [_cell([row for row in rows if (row["rule"], row["fault"]) == (rule, kind)]) for rule in RULES]
        lines.append(f"| {kind} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(rows: list[Row]) -> str:
    """What became of it under all seeds; of hostile faults with the mean accuracies, with and without the fault."""
    outcomes = sorted({row["outcome"] for row in rows})
    if not set(outcomes) <= {"withstood", "harmed"}:
        return ", ".join(SHOWN.get(outcome, outcome) for outcome in outcomes)
    said = {("withstood",): "withstood", ("harmed",): "**HARMED**"}.get(tuple(outcomes), "**HARMED** under some seeds")
    with_it, without = (100 * statistics.mean(row[name] for row in rows) for name in ("accuracy", "compared"))
    return f"{said}, {with_it:.1f} of {without:.1f} %"


def reasons(rows: list[Row]) -> str:
    """What the record of a round says of each fault that is left out."""
    said = {row["fault"]: row["said"] for row in rows if row["outcome"] == "dropped"}
    return "\n".join(f"- {kind}: *client {BAD}: {said[kind]}*" for kind in KINDS if kind in said)


def report(rows: list[Row], seeds: int) -> str:
    """Its part of docs/FAULTS.md."""
    host = machine()
    silent = sum(row["outcome"] == "wrong" for row in rows)
    hostile = " and ".join(HOSTILE)
    return f"""
Digits, {BASE.data.num_clients} clients, Dirichlet alpha {BASE.data.alpha:g}, a multilayer perceptron, pruned to 80 %
over {BASE.federation.rounds} rounds; client {BAD} is faulty in all of them. {seeds} seed(s), of data and training.
Robust rules are set to f = 1. Accuracy in percent: with the fault, of the same run without it; *withstood* is a loss of
at most {100 * CLOSE:g} points under every seed.

{table(rows)}

**Silent wrong results: {silent} of {len(rows)} runs.** *Left out and named*: in every round, that client and no other,
and the model after the last round is bit for bit that of a run in which the client never answers (*gone*). What
{hostile} clients send is well formed, so nothing refuses it; whether it does harm is up to the rule.

What the record of a round says:

{reasons(rows)}

Machine: {host["processor"]}, {host["cores"]} cores, {host["system"]}, Python {host["python"]}, torch {host["torch"]}.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=default_processes())
    options = parser.parse_args()
    wanted = dict(jobs(options.seeds))
    known = measure_all(RESULTS, wanted, measure, options.processes)
    fill_in("faults", report([known[one] for one in wanted], options.seeds), FAULTS)


if __name__ == "__main__":
    main()
