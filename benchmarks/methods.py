"""Every method beside dense FedAvg: accuracy, sparsity, megabytes and FLOPs, on easy and on skewed data.

    python benchmarks/methods.py [--data digits shapes] [--seeds 3] [--processes P]

The settings of each method are those of its recipe on digits; on shapes they are the same. What has been measured
already is not measured again unless its settings have changed.
Results: results/methods.json and the part of docs/REPRODUCTION.md between the marks.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from document import REPRODUCTION, fill_in
from measured import Row, key_of, measure_all

from fedlab_core.experiment import Experiment
from fedlab_core.processes import default_processes, one_thread
from fedlab_core.runs.recipes import RECIPES
from fedlab_core.simulation import simulate
from fedlab_core.strategies import Strategy, strategy_class, strategy_names

RESULTS = Path(__file__).parent / "results" / "methods.json"
ALPHAS = (0.1, 1.0, 100.0)
DATA = {"digits": "fedavg-digits", "shapes": "fedavg-shapes"}
NUMBERS = ("accuracy", "worst_client", "sparsity", "megabytes", "flops_share")


def settings_of(strategy: str) -> dict[str, Any]:
    """A method's settings in its recipe on digits; its defaults where it has none."""
    for name, build in RECIPES.items():
        if name.endswith("digits") and build().strategy.name == strategy:
            own = build().settings()
            return {key: value for key, value in own.items() if key.startswith("strategy.")}
    return {"strategy.name": strategy}


def experiments(data: str, seeds: int) -> Iterator[Experiment]:
    """All runs on one data set."""
    for strategy in strategy_names():
        for alpha in ALPHAS:
            for seed in range(seeds):
                varied = {"data.alpha": alpha, "data.seed": seed, "federation.seed": seed}
                yield RECIPES[DATA[data]]().replace(settings_of(strategy) | varied)


def measure(text: str) -> list[Row]:
    """One run, in a process of its own: its settings and what came out."""
    experiment = Experiment.parse(json.loads(text))
    with one_thread():
        records = list(simulate(experiment))
    last = records[-1]
    personal = type(experiment.strategy).personal is not Strategy.personal  # who has a sub-network is tested on it
    row = {
        "settings": key_of(experiment),
        "data": experiment.data.dataset,
        "strategy": experiment.strategy.name,
        "alpha": experiment.data.alpha,
        "seed": experiment.federation.seed,
        "accuracy": last.mean_client_accuracy if personal else last.test_accuracy,
        "worst_client": last.worst_client_accuracy,
        "sparsity": last.sparsity,
        "megabytes": sum(record.upload_bytes + record.download_bytes for record in records) / 1e6,
        "flops_share": sum(r.effective_flops for r in records) / sum(r.dense_flops for r in records),
        "seconds": round(sum(record.round_s for record in records), 1),
    }
    return [row]


def table(rows: list[dict[str, Any]], data: str) -> str:
    """One line a method: means over seeds, for each alpha; accuracy with the standard deviation in points."""
    lines = [f"### {data}", ""]
    lines.append("| method | sparsity | " + " | ".join(f"accuracy, alpha {a:g}" for a in ALPHAS) + " | MB | FLOPs |")
    lines.append("|---|---|" + "---|" * len(ALPHAS) + "---|---|")
    dense = _means(rows, data, "fedavg")
    for strategy in sorted(strategy_names(), key=lambda name: (name != "fedavg", name)):
        own = _means(rows, data, strategy)
        accuracy = " | ".join(_accuracy(rows, data, strategy, alpha) for alpha in ALPHAS)
        saved = f"{own['megabytes']:.1f} ({dense['megabytes'] / own['megabytes']:.2f}x)"
        title = strategy_class(strategy).title
        lines.append(f"| {title} | {own['sparsity']:.2f} | {accuracy} | {saved} | {own['flops_share']:.0%} |")
    return "\n".join(lines)


def _picked(rows: list[dict[str, Any]], **same: Any) -> list[dict[str, Any]]:
    return [row for row in rows if all(row[key] == value for key, value in same.items())]


def _means(rows: list[dict[str, Any]], data: str, strategy: str) -> dict[str, float]:
    own = _picked(rows, data=data, strategy=strategy)
    return {name: statistics.mean(row[name] for row in own) for name in NUMBERS}


def _accuracy(rows: list[dict[str, Any]], data: str, strategy: str, alpha: float) -> str:
    values = [100 * row["accuracy"] for row in _picked(rows, data=data, strategy=strategy, alpha=alpha)]
    spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1f}{spread}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=default_processes())
    options = parser.parse_args()
    wanted = {key_of(one): (one.to_json(),) for data in options.data for one in experiments(data, options.seeds)}
    known = measure_all(RESULTS, wanted, measure, options.processes)
    rows = [known[settings] for settings in wanted]
    said = "\n\n".join(table(rows, data) for data in options.data)
    print(said)
    fill_in("methods", said, REPRODUCTION)


if __name__ == "__main__":
    main()
