"""Brain age on generated volumes: the error of dense and sparse networks, beside guessing the mean and a linear model.

    python benchmarks/brain_age.py [--seed 0]

FedSparsify-Global at four sparsities in two of the paper's environments: patients of all hospitals alike, and hospitals
that differ in size and in the age of their patients. One process, some minutes. What has been measured already is not
measured again unless its settings have changed.
Results: results/brain_age.json and the part of docs/REPRODUCTION.md between the marks.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from document import REPRODUCTION, fill_in
from machine import machine
from tqdm import tqdm

from fedlab_core.data.datasets import Dataset, load_dataset
from fedlab_core.experiment import Experiment
from fedlab_core.processes import one_thread
from fedlab_core.runs.recipes import recipe
from fedlab_core.simulation import simulate

RESULTS = Path(__file__).parent / "results" / "brain_age.json"
SPARSITIES = (0.0, 0.5, 0.8, 0.9, 0.95)
ENVIRONMENTS = {"uniform IID": "fedsparsify-brains", "skewed non-IID": "skewed-brains"}
PENALTIES = (10.0, 100.0, 1e3, 1e4, 1e5)


def experiment(environment: str, sparsity: float, seed: int) -> Experiment:
    """One cell of the table; with sparsity 0 it is FedAvg."""
    settings = {"strategy.final_sparsity": sparsity, "data.seed": seed, "federation.seed": seed}
    return recipe(ENVIRONMENTS[environment]).replace(settings)


def measure(environment: str, sparsity: float, seed: int) -> dict[str, Any]:
    """One run: its settings and what came out."""
    wanted = experiment(environment, sparsity, seed)
    with one_thread():
        records = list(simulate(wanted))
    last = records[-1]
    return {
        "hash": wanted.hash,
        "environment": environment,
        "sparsity": last.sparsity,
        "mae": last.test_mae,
        "worst_client_mae": last.worst_client_mae,
        "megabytes": sum(record.upload_bytes + record.download_bytes for record in records) / 1e6,
        "seconds": round(sum(record.round_s for record in records), 1),
    }


def mean_error(dataset: Dataset) -> float:
    """Of whoever guesses the mean age of the training set."""
    return float((dataset.y_test_N - dataset.y_train_N.mean()).abs().mean())


def ridge_error(dataset: Dataset) -> float:
    """Of ridge regression on the voxels; the best of several penalties, chosen on the test set in its favour."""
    mean_I, mean = dataset.x_train_NI.double().mean(0), dataset.y_train_N.double().mean()
    x_NI, test_NI = ((x.double() - mean_I).flatten(1) for x in (dataset.x_train_NI, dataset.x_test_NI))
    kernel_NN, target_N = x_NI @ x_NI.T, dataset.y_train_N.double() - mean
    errors = []
    for penalty in PENALTIES:
        dual_N = torch.linalg.solve(kernel_NN + penalty * torch.eye(len(kernel_NN)), target_N)
        errors.append(float((test_NI @ (x_NI.T @ dual_N) + mean - dataset.y_test_N).abs().mean()))
    return min(errors)


def table(results: dict[str, Any], runs: list[dict[str, Any]], seed: int) -> str:
    """The text of the document."""
    settings = recipe("fedsparsify-brains").federation
    lines = [
        "`brain_small` (18,641 parameters) on generated volumes of 16 x 20 x 16, 800 for training and 200 for testing; "
        f"8 clients, {settings.rounds} rounds, {settings.local_epochs} local epochs, batch {settings.batch_size}, SGD "
        f"with learning rate {settings.learning_rate} and momentum {settings.momentum}; seed {seed}. MB: really "
        "encoded messages of all clients, both ways. Whoever guesses the mean age is off by "
        f"{results['mean_predictor_mae']:.2f} years, ridge regression on the voxels by {results['ridge_mae']:.2f} "
        "(its penalty chosen in its favour).",
        "",
        "| clients | sparsity | test MAE, years | worst client | MB |",
        "|---|---|---|---|---|",
    ]
    for row in runs:
        lines.append(
            f"| {row['environment']} | {row['sparsity']:.2f} | {row['mae']:.2f} | {row['worst_client_mae']:.2f} "
            f"| {row['megabytes']:.1f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    dataset = load_dataset("brains")
    results = {"machine": machine(), "mean_predictor_mae": mean_error(dataset), "ridge_mae": ridge_error(dataset)}
    before = json.loads(RESULTS.read_text())["runs"] if RESULTS.exists() else []
    known = {row["hash"]: row for row in before}
    wanted = [(environment, sparsity, seed) for environment in ENVIRONMENTS for sparsity in SPARSITIES]
    runs: list[dict[str, Any]] = []
    for cell in tqdm(wanted, desc="runs"):
        runs.append(known.get(experiment(*cell).hash) or measure(*cell))
        RESULTS.write_text(json.dumps({**results, "runs": runs}, indent=1) + "\n")
    said = table(results, runs, seed)
    print(said)
    fill_in("brain_age", said, REPRODUCTION)


if __name__ == "__main__":
    main()
