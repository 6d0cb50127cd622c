"""Does a network of which 90 % is pruned keep its accuracy? FedSparsify and its baselines on Fashion-MNIST.

    FEDLAB_DATA=/where/FashionMNIST/is python benchmarks/fashion_mnist.py [--processes P] [--models FOLDER]

Network, learning rate and batch size are those of Stripelis et al. 2022 (arXiv 2204.12430) for this data set; 10
clients take part in each of 100 rounds of one local epoch (the paper: 200 rounds of four). What has been measured
already is not measured again unless its settings have changed. Results: results/fashion_mnist.json, the finished models
as files, and the part of docs/REPRODUCTION.md between the marks.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import torch
from document import REPRODUCTION, fill_in
from latency import median_latency, torch_runner
from machine import machine
from measured import Row, key_of, measure_all, write

from fedlab_core.experiment import Experiment
from fedlab_core.export import load_model, save_model
from fedlab_core.federation.messages import pack_assignment
from fedlab_core.lab import Federation
from fedlab_core.processes import one_thread
from fedlab_core.pruning.schedules import polynomial
from fedlab_core.simulation import simulate
from fedlab_core.types import Assignment, RoundRecord, ServerState

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "fashion_mnist.json"
ROUNDS, LAST_DENSE = 100, 89
BASE = Experiment().replace(
    {
        "data.dataset": "fashionmnist",
        "data.num_clients": 10,
        "data.labels_per_client": 2,
        "model.name": "mlp",
        "federation.rounds": ROUNDS,
        "federation.local_epochs": 1,
        "federation.batch_size": 32,
        "federation.learning_rate": 0.02,
        "federation.momentum": 0,
    }
)
PARTITIONS = {"iid": "IID", "shards": "two classes a client"}
SPARSITIES = (0.9, 0.95, 0.8, 0.99)
METHODS = {
    "fedavg": ("dense FedAvg", {}),
    "fedsparsify-global": ("FedSparsify-Global", {}),
    "fedsparsify-local": ("FedSparsify-Local", {}),
    "one-shot": ("OneShot, at round 90", {"strategy.prune_after": (LAST_DENSE + 1) / ROUNDS}),
    "snip": ("SNIP", {}),
    "channel-pruning": ("Channel pruning", {}),
    "prunefl": ("PruneFL", {}),
}
FREE = ("fedavg", "prunefl")
"""Methods that have no sparsity to ask for."""
BATCHES = (1, 32)
"""Batch sizes of the latencies."""


def experiment(partition: str, method: str, sparsity: float | None) -> Experiment:
    """One line of the table."""
    asked = {} if sparsity is None else {"strategy.final_sparsity": sparsity}
    return BASE.replace({"data.partition": partition, "strategy.name": method, **METHODS[method][1], **asked})


def jobs() -> Iterator[tuple[str, str, float | None]]:
    """What is run, the most telling first. OneShot is not: it goes on from the dense run."""
    for method in METHODS:
        for sparsity in (None,) if method in FREE else SPARSITIES:
            for partition in PARTITIONS:
                if method != "one-shot" and (method != "channel-pruning" or sparsity == 0.9):
                    yield partition, method, sparsity


def measure(partition: str, method: str, sparsity: float | None, models: Path) -> list[Row]:
    """One run, in a process of its own; behind the dense one also those that share its first 89 rounds."""
    wanted = experiment(partition, method, sparsity)
    with one_thread():
        federation, records, dense = Federation.of(wanted), [], None
        for record in simulate(wanted):
            records.append(record)
            if record.round == LAST_DENSE:
                dense = record.state
        rows = [row(federation, partition, records, models)]
        if method == "fedavg" and dense is not None:
            for asked in SPARSITIES:
                rows.append(after_dense(experiment(partition, "one-shot", asked), partition, records, dense, models))
    return rows


def after_dense(
    wanted: Experiment, partition: str, dense: list[RoundRecord], state: ServerState, models: Path
) -> dict[str, Any]:
    """OneShot: up to its purge it is FedAvg, number for number."""
    tail = list(simulate(wanted, start=(LAST_DENSE, state)))
    return row(Federation.of(wanted), partition, dense[: LAST_DENSE + 1] + tail, models)


def row(federation: Federation, partition: str, records: list[RoundRecord], models: Path) -> Row:
    """Accuracy after the last round, its best, bytes of the whole run; the finished model goes into a file."""
    wanted, last = federation.experiment, records[-1]
    asked = getattr(wanted.strategy, "final_sparsity", None)
    name = f"{partition}-{wanted.strategy.name}-{asked}.safetensors"
    path = models / name
    save_model(path, federation, last.state)
    sent = pack_assignment(Assignment(0, last.state.params, last.state.buffers, last.state.masks))
    return {
        "settings": key_of(wanted),
        "partition": partition,
        "method": wanted.strategy.name,
        "target_sparsity": asked,
        "sparsity": last.sparsity,
        "test_accuracy": last.test_accuracy,
        "mean_of_last_10": statistics.mean(record.test_accuracy for record in records[-10:]),
        "best_test_accuracy": max(record.test_accuracy for record in records),
        "worst_client_accuracy": last.worst_client_accuracy,
        "upload_bytes": sum(record.upload_bytes for record in records),
        "download_bytes": sum(record.download_bytes for record in records),
        "encoded_model_bytes": len(sent),
        "exported_file_bytes": path.stat().st_size,
        "exported_parameters": sum(weight.numel() for weight in load_model(path).parameters()),
        "seconds": sum(record.round_s for record in records),
        "file": name,
    }


def time_exports(rows: list[Row], models: Path) -> None:
    """Median microseconds of processor time of a call of every exported model, one thread; the models take turns."""
    for size in BATCHES:
        x_BI = torch.zeros(size, 1, 28, 28)
        taken = median_latency({one["file"]: torch_runner(load_model(models / one["file"]), x_BI) for one in rows})
        for one in rows:
            one[f"latency_us_{size}"] = round(1000 * taken[one["file"]].processor_ms, 1)


def table(rows: list[dict[str, Any]], partition: str) -> str:
    """The runs on one partition as a Markdown table, by method and sparsity."""
    lines = [
        "| method | sparsity | accuracy | mean of last 10 | worst client | MB both ways | fewer bytes | model as a "
        "message, kB | exported file, kB | parameters in it | µs a call, 1 image | 32 images |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    own = [one for one in rows if one["partition"] == partition]
    order = list(METHODS)
    own.sort(key=lambda one: (order.index(one["method"]), one["target_sparsity"] or 0))
    dense = next(one for one in own if one["method"] == "fedavg")
    for one in own:
        lines.append(
            f"| {METHODS[one['method']][0]} | {one['sparsity']:.3f} | {one['test_accuracy']:.2%} "
            f"| {one['mean_of_last_10']:.2%} | {one['worst_client_accuracy']:.1%} | {total(one) / 1e6:.0f} "
            f"| {total(dense) / total(one):.2f}x | {one['encoded_model_bytes'] / 1e3:.1f} "
            f"| {one['exported_file_bytes'] / 1e3:.0f} | {one['exported_parameters']:,} "
            f"| {one['latency_us_1']:.0f} | {one['latency_us_32']:.0f} |"
        )
    return "\n".join(lines)


def total(one: dict[str, Any]) -> int:
    """Bytes in both directions."""
    return int(one["upload_bytes"] + one["download_bytes"])


def report(rows: list[dict[str, Any]]) -> str:
    """Its part of docs/REPRODUCTION.md."""
    host, density = machine(), mean_density(0.95)
    tables = "\n\n".join(f"### {words}\n\n{table(rows, name)}" for name, words in PARTITIONS.items())
    return f"""
The 2-layer network of Stripelis et al. 2022 (118,282 parameters), 10 clients, all in every round, {ROUNDS} rounds of
one local epoch, batch 32, SGD with learning rate 0.02, one seed. Sparsity is counted over weights; biases are pruned by
channel pruning alone. MB: 10^6 bytes of really encoded messages, masks included, over clients and rounds. A message
leaves out masked weights; the exported file is an ordinary dense network without the units that are gone. A call of the
export: median of processor time, one thread.

{tables}

On the way to 95 % in {ROUNDS} rounds the mean density of what FedSparsify-Global sends both ways is {density:.3f}: at
most {1 / density:.2f} times fewer bytes, if masks and biases were free; they are counted here. The paper's abstract
says "3-fold training communication cost improvement" on average.

Machine: {host["processor"]}, {host["cores"]} cores, {host["system"]}, Python {host["python"]}, torch {host["torch"]}.
"""


def mean_density(final: float) -> float:
    """Of the models sent and returned in a run: in round t they are as sparse as the purge of round t - 1 left them."""
    sparsities = [0.0, *(polynomial(t, ROUNDS, final=final) for t in range(1, ROUNDS))]
    return 1 - sum(sparsities) / ROUNDS


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--models", type=Path, default=HERE.parent / "data" / "fashion_mnist_models")
    options = parser.parse_args()
    options.models.mkdir(parents=True, exist_ok=True)
    wanted = {key_of(experiment(*job)): (*job, options.models) for job in jobs()}
    for partition, sparsity in product(PARTITIONS, SPARSITIES):
        one_shot = experiment(partition, "one-shot", sparsity)
        wanted[key_of(one_shot)] = (partition, "fedavg", None, options.models)
    known = measure_all(
        RESULTS, wanted, measure, options.processes, lambda row: (options.models / row["file"]).exists()
    )
    rows = [known[settings] for settings in wanted]
    time_exports(rows, options.models)
    write(RESULTS, rows)
    fill_in("fashion_mnist", report(rows), REPRODUCTION)


if __name__ == "__main__":
    main()
