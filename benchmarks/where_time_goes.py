"""Where the time of a round goes, by kind of operation. Writes results/where_time_goes.json and docs/PERFORMANCE.md.

    python benchmarks/where_time_goes.py

The workloads of `workloads.py`, one process with one thread. The wall time of a round is the median without a profiler;
under PyTorch's profiler, which counts what each operation takes itself, the same rounds give the shares. What is no
operation (Python between them, and the profiler's own cost) is "python".
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import torch
from document import fill_in
from machine import machine
from torch.profiler import ProfilerActivity, profile

sys.path.append(str(Path(__file__).parent / "peers"))

from ours import federation
from peers.rates import machine_rates, round_flops
from workloads import WORKLOADS, draw_examples, initial_model

from fedlab_core import rounds
from fedlab_core.types import ServerState

RESULTS = Path(__file__).parent / "results" / "where_time_goes.json"
ROUNDS = {"W1a": 12, "W1b": 30, "W2": 2, "W3": 5}
WARM_UP = 2
KINDS = {
    "products": ("convolution", "mm", "addmm", "bmm", "baddbmm"),
    "norms": ("norm",),
    "pooling": ("pool",),
    "activations": ("relu", "clamp_min", "threshold"),
    "momentum and weights": ("add_", "addcmul_", "mul_"),
    "copies": ("copy_", "clone", "cat", "stack", "index_select", "fill_", "zero_"),
}
"""Parts of the names of operations; the first kind that fits."""


def kind_of(operation: str) -> str:
    """One of `KINDS`, or "other operations"."""
    name = operation.removeprefix("aten::")
    for kind, parts in KINDS.items():
        whole_words = kind in ("momentum and weights", "copies")
        if any(name == part if whole_words else part in name for part in parts):
            return kind
    return "other operations"


def measure(name: str, rates: dict[str, float]) -> dict[str, Any]:
    """One workload."""
    workload, count = WORKLOADS[name], ROUNDS[name]
    examples = draw_examples(workload)
    lab = federation(workload, examples, 100)
    server = replace(
        lab.initial_state(), params={n: value.detach() for n, value in initial_model(workload).named_parameters()}
    )

    def run(numbers: range, server: ServerState) -> tuple[list[float], ServerState]:
        seconds = []
        for number in numbers:
            record = rounds.run_round(lab, server, lab.context(number))
            seconds.append(record.round_s)
            server = record.state
        return seconds, server

    timed = range(WARM_UP + 1, WARM_UP + count + 1)
    _, warm = run(range(1, WARM_UP + 1), server)
    seconds, _ = run(timed, warm)
    start = time.perf_counter()
    with profile(activities=[ProfilerActivity.CPU]) as watched:
        run(timed, warm)
    watched_s = time.perf_counter() - start
    spent: dict[str, float] = defaultdict(float)
    for row in watched.key_averages():
        spent[kind_of(row.key)] += row.self_cpu_time_total / 1e6
    spent["python"] = max(0.0, sum(seconds) - sum(spent.values()))
    whole_s = sum(spent.values())
    flops = round_flops(workload, examples, timed)
    floor_s = sum(flops[kind] / rates[kind] / 1e9 for kind in flops)
    products_s = spent["products"] / count
    return {
        "workload": name,
        "round_ms": round(statistics.median(seconds) * 1e3, 1),
        "round_ms_under_the_profiler": round(watched_s / count * 1e3, 1),
        "percent_of_the_rate": round(100 * floor_s / statistics.median(seconds), 1),
        "percent_of_the_rate_in_products": round(100 * floor_s / products_s, 1),
        "percent_of_the_time": {
            kind: round(100 * part / whole_s, 1) for kind, part in sorted(spent.items(), key=lambda pair: -pair[1])
        },
    }


def table(result: dict[str, Any]) -> str:
    """Markdown."""
    kinds = ["products", *(kind for kind in KINDS if kind != "products"), "other operations", "python"]
    rows = result["rows"]
    lines = [
        "|  | " + " | ".join(row["workload"] for row in rows) + " |",
        "|---" * (len(rows) + 1) + "|",
        "| ms in a round | " + " | ".join(f"{row['round_ms']:g}" for row in rows) + " |",
        "| percent of the measured rate | " + " | ".join(f"{row['percent_of_the_rate']:.0f}" for row in rows) + " |",
        "| the same, of products alone | "
        + " | ".join(f"{row['percent_of_the_rate_in_products']:.0f}" for row in rows)
        + " |",
    ]
    for kind in kinds:
        shares = " | ".join(f"{row['percent_of_the_time'].get(kind, 0):.0f}" for row in rows)
        lines.append(f"| percent of the time: {kind} | {shares} |")
    return "\n".join(lines)


def main() -> None:
    torch.set_num_threads(1)
    load = round(psutil.getloadavg()[0], 2)  # others on the machine: compare figures of an idle one
    rates = machine_rates(1)
    rows = []
    for name in WORKLOADS:
        rows.append(measure(name, rates))
        print(json.dumps(rows[-1]), flush=True)
    result = {
        "rates_gflop_per_s": {kind: round(rate, 1) for kind, rate in rates.items()},
        "rows": rows,
        "machine": machine(),
        "load_average_before": load,
    }
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    fill_in("where_time_goes", table(result))


if __name__ == "__main__":
    main()
