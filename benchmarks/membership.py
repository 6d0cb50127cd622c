"""Is a sparser model less open to membership inference? FedSparsify-Global to several sparsities, then clients attack.

    python benchmarks/membership.py [--settings digits "brain age"] [--processes P]

The settings over-fit: few examples a client, and in one of them labels of which some are drawn at random.
Results: results/membership.json, where rows of the settings that were run are replaced, and the part of
docs/REPRODUCTION.md between the marks.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from document import REPRODUCTION, fill_in
from machine import machine
from tqdm import tqdm

from fedlab_core.experiment import Experiment
from fedlab_core.lab import Federation
from fedlab_core.privacy import ACCESSES, attack_membership
from fedlab_core.processes import default_processes, one_thread
from fedlab_core.rounds import initial_record, run_round
from fedlab_core.types import RoundRecord

RESULTS = Path(__file__).parent / "results" / "membership.json"
SPARSITIES = (0.0, 0.5, 0.8, 0.9, 0.95, 0.99)
IID = {"data.partition": "iid", "data.num_clients": 8, "strategy.name": "fedsparsify-global"}


class Setting(NamedTuple):
    """A federation that over-fits: its settings, training examples of each client, share of random labels, seeds."""

    changes: dict[str, Any]
    examples: int
    noise: float
    seeds: int


DIGITS = IID | {"model.name": "mlp", "federation.rounds": 30, "federation.local_epochs": 5}
VOLUMES = IID | {"data.dataset": "brains", "model.name": "brain_small", "federation.rounds": 24}

SETTINGS = {
    "digits, noisy labels": Setting(DIGITS | {"federation.learning_rate": 0.1}, examples=30, noise=0.3, seeds=5),
    "digits": Setting(DIGITS | {"model.name": "cnn_small"}, examples=20, noise=0.0, seeds=5),
    "brain age": Setting(
        VOLUMES
        | {
            "federation.local_epochs": 5,
            "federation.batch_size": 5,
            "federation.learning_rate": 0.003,
            "federation.momentum": 0.9,
        },
        examples=25,
        noise=0.0,
        seeds=2,
    ),
}


def federation_of(setting: Setting, sparsity: float, seed: int) -> Federation:
    """The federation with few examples, and noise in its labels."""
    varied = {"strategy.final_sparsity": sparsity, "data.seed": seed, "federation.seed": seed}
    federation = Federation.of(Experiment().replace(setting.changes | varied))
    data = federation.data.at_most(setting.examples, seed)
    if setting.noise:
        data = data.with_random_labels(setting.noise, seed)
    return replace(federation, data=data)


def attacked(federation: Federation, record: RoundRecord, seed: int) -> dict[str, Any]:
    """What both attacks find, and how over-fitted the model is."""
    reports = {access: attack_membership(federation, record.state, access=access, seed=seed) for access in ACCESSES}
    report = reports["black-box"]
    return {
        "train_score": report.train_score,
        "test_score": report.test_score,
        "gap": report.generalisation_gap,
        "unit": "points" if report.metric.higher_is_better else "years",
        "suspects": report.suspects,
        "accuracy": {access: report.accuracy for access, report in reports.items()},
        "auc": {access: report.auc for access, report in reports.items()},
        "tpr_at_low_fpr": {access: report.tpr_at_low_fpr for access, report in reports.items()},
    }


def measure(name: str, sparsity: float, seed: int) -> dict[str, Any]:
    """One run, in a process of its own: the trained model, attacked, and once for a seed the untrained one."""
    with one_thread():
        federation = federation_of(SETTINGS[name], sparsity, seed)
        record = initial_record(federation)
        untrained = {} if sparsity else {"untrained": attacked(federation, record, seed)}
        for round in range(1, federation.experiment.federation.rounds + 1):
            record = run_round(federation, record.state, federation.context(round))
        row = {"setting": name, "target_sparsity": sparsity, "sparsity": record.sparsity, "seed": seed}
        return row | attacked(federation, record, seed) | untrained


def measure_all(names: list[str], processes: int) -> list[dict[str, Any]]:
    """All runs of some settings, and what is known of others; every result is written down as it comes."""
    known = json.loads(RESULTS.read_text())["runs"] if RESULTS.exists() else []
    rows = [row for row in known if row["setting"] not in names]
    cases = [
        (name, sparsity, seed) for name in names for seed in range(SETTINGS[name].seeds) for sparsity in SPARSITIES
    ]
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        pending = [pool.submit(measure, *case) for case in cases]
        for done in tqdm(as_completed(pending), total=len(pending), desc="runs"):
            rows.append(done.result())
            rows.sort(key=lambda row: (list(SETTINGS).index(row["setting"]), row["target_sparsity"], row["seed"]))
            RESULTS.parent.mkdir(exist_ok=True)
            RESULTS.write_text(json.dumps({"machine": machine(), "runs": rows}, indent=1) + "\n")
    return rows


def table(rows: list[dict[str, Any]], name: str) -> str:
    """One line a sparsity: means over seeds and standard deviations; differences from dense are seed by seed."""
    own = [row for row in rows if row["setting"] == name]
    years = own[0]["unit"] == "years"
    scale = 1 if years else 100
    score = "test MAE, years" if years else "test accuracy, %"
    lines = [
        f"### {name}",
        "",
        f"| sparsity | {score} | gap, {own[0]['unit']} | attack accuracy, % | AUC, black-box | against dense "
        "| TPR at 1 % FPR, % | AUC, white-box |",
        "|---|---|---|---|---|---|---|---|",
    ]
    dense = {row["seed"]: row for row in _at(own, 0.0)}
    for sparsity in SPARSITIES:
        level = _at(own, sparsity)
        change = [row["auc"]["black-box"] - dense[row["seed"]]["auc"]["black-box"] for row in level]
        cells = [
            f"{sparsity:.0%}",
            _spread([scale * row["test_score"] for row in level], 2 if years else 1),
            _spread([scale * row["gap"] for row in level], 2 if years else 1),
            _spread([100 * row["accuracy"]["black-box"] for row in level], 1),
            _spread([row["auc"]["black-box"] for row in level], 3),
            _spread(change, 3, "+") if sparsity else "",
            _spread([100 * row["tpr_at_low_fpr"]["black-box"] for row in level], 1),
            _spread([row["auc"]["white-box"] for row in level], 3),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    controls = {access: _spread([row["untrained"]["auc"][access] for row in dense.values()], 3) for access in ACCESSES}
    said = ", ".join(f"{area} {access}" for access, area in controls.items())
    return "\n".join([*lines, "", f"{len(dense)} seeds. Untrained, for comparison: AUC {said}."])


def _at(rows: list[dict[str, Any]], sparsity: float) -> list[dict[str, Any]]:
    return [row for row in rows if row["target_sparsity"] == sparsity]


def _spread(values: list[float], digits: int, sign: str = "") -> str:
    spread = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):{sign}.{digits}f}{spread}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--processes", type=int, default=default_processes())
    options = parser.parse_args()
    rows = measure_all(options.settings, options.processes)
    measured = {row["setting"] for row in rows}
    said = "\n\n".join(table(rows, name) for name in SETTINGS if name in measured)
    print(said)
    fill_in("membership", said, REPRODUCTION)


if __name__ == "__main__":
    main()
