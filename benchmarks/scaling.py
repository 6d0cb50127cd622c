"""What a round costs as things grow: clients that are not asked, the model, processes; and a very large federation.

    python benchmarks/scaling.py

Images of noise, 60 for each client, ten clients a round, one local epoch in batches of 20, unless said otherwise. Times
are medians of rounds after the first, evaluation on ten images included. Results: results/scaling.json
"""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path
from typing import Any

import psutil
import torch
from machine import machine

from fedlab_core.clients import RunClients, client_side
from fedlab_core.costs.flops import forward_flops
from fedlab_core.data.datasets import Dataset
from fedlab_core.data.federated import federate
from fedlab_core.experiment import Experiment
from fedlab_core.lab import Federation
from fedlab_core.models import build_model
from fedlab_core.processes import Crew, default_processes
from fedlab_core.pruning.masks import full_masks, purge
from fedlab_core.rounds import run_round
from fedlab_core.runs.recipes import recipe
from fedlab_core.types import seeded_generator

RESULTS = Path(__file__).parent / "results" / "scaling.json"
EACH, ASKED, ROUNDS = 60, 10, 12


def noise(examples: int, shape: tuple[int, int, int]) -> Dataset:
    """Images and labels that mean nothing."""
    draw = seeded_generator("scaling", examples)
    train, test = (torch.randn(count, *shape, generator=draw) for count in (examples, 10))
    labels = torch.randint(0, 10, (examples + 10,), generator=draw)
    names = tuple(str(label) for label in range(10))
    channels = shape[0]
    return Dataset("noise", train, labels[10:], test, labels[:10], names, torch.zeros(channels), torch.ones(channels))


def federation(clients: int, model: str, shape: tuple[int, int, int], **data: Any) -> Federation:
    """`clients` clients with `EACH` images each, or split as `data` says."""
    examples = data.pop("examples", EACH * clients)
    asked = data.pop("asked", ASKED)
    experiment = Experiment().replace(
        {
            "data.num_clients": clients,
            "model.name": model,
            "federation.participation": asked / clients,
            "federation.local_epochs": 1,
            "federation.batch_size": 20,
        }
    )
    dataset = noise(examples, shape)
    parts = federate(dataset, num_clients=clients, seed=0, **{"partition": "iid", **data})
    network = build_model(model, shape, 10)
    return Federation(experiment, parts, network, forward_flops(network, shape))


def round_seconds(given: Federation, run_clients: RunClients = client_side, rounds: int = ROUNDS) -> float:
    """Median over rounds, without the first."""
    state, seconds = given.initial_state(), []
    for number in range(1, rounds + 1):
        start = time.perf_counter()
        state = run_round(given, state, given.context(number), run_clients=run_clients).state
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


def by_clients() -> list[dict[str, Any]]:
    """The same ten clients' work in larger and larger federations."""
    rows = []
    for clients in (10, 100, 1_000, 10_000):
        start = time.perf_counter()
        given = federation(clients, "mlp", (1, 8, 8))
        setup_s = time.perf_counter() - start
        rows.append({"clients": clients, "setup_s": setup_s, "round_s": round_seconds(given)})
    return rows


def by_model() -> list[dict[str, Any]]:
    """From 38 thousand to 1.6 million parameters."""
    rows = []
    for model, shape in (("cnn_small", (1, 8, 8)), ("mlp", (1, 28, 28)), ("cnn6", (3, 32, 32))):
        given = federation(20, model, shape)
        parameters = sum(parameter.numel() for parameter in given.model.parameters())
        flops = 3 * EACH * ASKED * sum(given.layer_flops.values())
        seconds = round_seconds(given, rounds=5)
        rows.append(
            {"model": model, "parameters": parameters, "round_s": seconds, "gflops_per_s": flops / seconds / 1e9}
        )
    return rows


def by_processes() -> list[dict[str, Any]]:
    """`fedsparsify-digits` over one process and more."""
    given, rows = Federation.of(recipe("fedsparsify-digits")), []
    for count in range(1, default_processes() + 1):
        crew = Crew(count)
        rows.append({"processes": count, "round_s": round_seconds(given, crew if count > 1 else client_side)})
        crew.close()
    return rows


def hundred_thousand() -> dict[str, Any]:
    """100,000 clients whose sizes follow a power law; five rounds of a hundred."""
    process, clients, examples = psutil.Process(), 100_000, 1_000_000
    dataset_bytes = examples * 64 * 4 + examples * 8
    before, start = process.memory_info().rss, time.perf_counter()
    given = federation(
        clients, "mlp", (1, 8, 8), examples=examples, asked=100, partition="quantity", size_power=0.6, min_size=1
    )
    setup_s, rss = time.perf_counter() - start, process.memory_info().rss
    round_s = round_seconds(given, rounds=6)
    sizes = given.data.sizes
    return {
        "clients": clients,
        "examples": examples,
        "largest_client": int(sizes.max()),
        "median_client": int(sizes.median()),
        "asked": 100,
        "setup_s": setup_s,
        "round_s": round_s,
        "dataset_mb": dataset_bytes / 1e6,
        "memory_mb": (rss - before) / 1e6,
        "bytes_per_idle_client": (rss - before - dataset_bytes) / clients,
        "peak_after_rounds_mb": process.memory_info().rss / 1e6,
    }


def top_k(parameters: int = 15_000_000) -> dict[str, Any]:
    """Which weights to keep, for a network of 15 million."""
    params = {"w": torch.randn(parameters, generator=seeded_generator("top k"))}
    masks = full_masks(params, ("w",))
    start = time.perf_counter()
    kept = purge(params, masks, 0.95)
    return {"parameters": parameters, "seconds": time.perf_counter() - start, "kept": int(kept["w"].sum())}


def same_bytes(times: int = 20) -> dict[str, Any]:
    """The same three rounds over and over, in all processes."""
    given, crew = Federation.of(recipe("fedsparsify-digits")), Crew(default_processes())
    hashes = set()
    for _ in range(times):
        state = given.initial_state()
        for number in (1, 2, 3):
            state = run_round(given, state, given.context(number), run_clients=crew).state
        hashes.add(state.sha256())
    crew.close()
    return {"repeats": times, "processes": crew.processes, "different_results": len(hashes)}


def main() -> None:
    torch.set_num_threads(1)
    result = {
        "machine": machine(),
        "hundred_thousand": hundred_thousand(),  # first: later, memory that others have left would be used again
        "processes": by_processes(),
        "same_bytes": same_bytes(),
        "clients": by_clients(),
        "model": by_model(),
        "top_k": top_k(),
    }
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
