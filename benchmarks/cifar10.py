"""Adaptive dynamic pruning on colour photographs: what of "57 % less communication" and "half of the FLOPs" holds?

    python benchmarks/cifar10.py --images FOLDER [--processes P]

FOLDER has train/CLASS/*.jpg and test/CLASS/*.jpg of CIFAR-10. A part of it is taken, the same for all: 1,000 images of
a class to train on and 200 to test with, so that two cores are enough. Learning rate, momentum and batch size are those
of the runs of Yu et al. 2021 (arXiv 2106.06921); theirs are longer (100 rounds of 10 local epochs). What has been
measured already is not measured again unless its settings have changed. Results: results/cifar10.json and the part of
docs/REPRODUCTION.md between the marks.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from document import REPRODUCTION, fill_in
from machine import machine
from measured import Row, key_of, measure_all
from tqdm import tqdm

from fedlab_core.costs.target import costs_to_target
from fedlab_core.experiment import Experiment
from fedlab_core.processes import one_thread
from fedlab_core.simulation import simulate

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "cifar10.json"
TAKEN = {"train": 1000, "test": 200}
ROUNDS = 20
SETTINGS = {
    "data.dataset": "images",
    "data.num_clients": 10,
    "data.alpha": 0.5,
    "federation.rounds": ROUNDS,
    "federation.local_epochs": 2,
    "federation.batch_size": 64,
    "federation.learning_rate": 0.01,
    "federation.momentum": 0.9,
}
METHODS: dict[str, dict[str, Any]] = {
    "dense FedAvg": {"strategy.name": "fedavg"},
    "gates, r = 0.7": {"strategy.name": "dynamic-gate", "strategy.ratio": 0.7},
    "salient gradients, 10 % a batch": {"strategy.name": "dynamic-salient", "strategy.keep_ratio": 0.1},
    "salient gradients, 1 % a batch": {"strategy.name": "dynamic-salient", "strategy.keep_ratio": 0.01},
}
MODELS = {"cnn_small": 4, "resnet20": 2}
"""Networks, and with how many of the methods they are run."""
SHARES = (0.75, 0.85)
"""Targets: these shares of the best accuracy of the dense run."""


def part_of(images: Path, folder: Path) -> Path:
    """Copy the first images of each class, in the order of their names; once."""
    for part, count in TAKEN.items():
        for source in sorted((images / part).iterdir()):
            there = folder / part / source.name
            there.mkdir(parents=True, exist_ok=True)
            for file in sorted(source.iterdir())[:count]:
                if not (there / file.name).exists():
                    shutil.copy(file, there)
    return folder


def experiments(folder: Path) -> Iterator[tuple[str, str, Experiment]]:
    """Network, method, settings."""
    for model in MODELS:
        for method, own in list(METHODS.items())[: MODELS[model]]:
            yield model, method, Experiment().replace(SETTINGS | own | {"data.path": str(folder), "model.name": model})


def measure(model: str, method: str, text: str) -> list[Row]:
    """One run in a process of its own: every round's costs, to ask for targets afterwards."""
    experiment = Experiment.parse(json.loads(text))
    with one_thread():
        records = list(tqdm(simulate(experiment), total=ROUNDS + 1, desc=f"{model}, {method}"))
    kept = ("round", "test_accuracy", "upload_bytes", "download_bytes", "dense_flops", "effective_flops")
    row = {
        "settings": key_of(experiment),
        "model": model,
        "method": method,
        "seconds": round(sum(record.round_s for record in records)),
        "rounds": [{name: getattr(record, name) for name in kept} for record in records],
    }
    return [row]


def table(rows: list[dict[str, Any]], model: str) -> str:
    """One line a method: accuracy, share of the FLOPs of a round, and what it took to reach each target."""
    own = {row["method"]: row["rounds"] for row in rows if row["model"] == model}
    dense = next(iter(own.values()))
    targets = [share * max(r["test_accuracy"] for r in dense) for share in SHARES]
    lines = [
        f"### {model}",
        "",
        "| method | best accuracy | last round | FLOPs of a round | MB of a round, both ways | "
        + " | ".join(f"to {target:.1%}: rounds, MB, 10^12 FLOPs" for target in targets)
        + " |",
        "|---|---|---|---|---|" + "---|" * len(targets),
    ]
    for method, rounds in own.items():
        last = rounds[-1]
        reached = " | ".join(_costs(rounds, dense, target) for target in targets)
        lines.append(
            f"| {method} | {max(r['test_accuracy'] for r in rounds):.1%} | {last['test_accuracy']:.1%} "
            f"| {last['effective_flops'] / last['dense_flops']:.0%} "
            f"| {(last['upload_bytes'] + last['download_bytes']) / 1e6:.2f} | {reached} |"
        )
    return "\n".join(lines)


def _costs(rounds: list[dict[str, Any]], dense: list[dict[str, Any]], target: float) -> str:
    costs, reference = costs_to_target(rounds, target), costs_to_target(dense, target)
    if costs is None or reference is None:
        return "not reached"
    saved = f"{costs.bytes / reference.bytes - 1:+.0%}"
    flops = f"{costs.effective_flops / 1e12:.2f} ({costs.effective_flops / reference.effective_flops - 1:+.0%})"
    return f"{costs.round}, {costs.bytes / 1e6:.1f} ({saved}), {flops}"


def report(rows: list[dict[str, Any]]) -> str:
    """Its part of docs/REPRODUCTION.md."""
    host = machine()
    tables = "\n\n".join(table(rows, model) for model in MODELS)
    return f"""
CIFAR-10 out of JPEG files ({TAKEN["train"]:,} images of a class to train on, {TAKEN["test"]} to test with): accuracies
compare with the dense line of the same table and with nothing else. 10 clients, Dirichlet alpha 0.5, all in each of
{ROUNDS} rounds of 2 local epochs, batch 64, SGD with learning rate 0.01 and momentum 0.9, one seed. FLOPs are effective
ones of training, "theoretical"; bytes are those of really encoded messages. In brackets: against dense.

{tables}

Machine: {host["processor"]}, {host["cores"]} cores, {host["system"]}, Python {host["python"]}, torch {host["torch"]}.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    folder = part_of(options.images, HERE.parent / "data" / "cifar10_part")
    wanted = {key_of(one): (model, method, one.to_json()) for model, method, one in experiments(folder)}
    known = measure_all(RESULTS, wanted, measure, options.processes)
    rows = [known[settings] for settings in wanted]
    fill_in("cifar10", report(rows), REPRODUCTION)


if __name__ == "__main__":
    main()
