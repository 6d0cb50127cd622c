"""DWNP on a small residual network: are budgets met, and what are own sub-networks worth at equal FLOPs?

    python benchmarks/dwnp.py [--seeds 3] [--processes P]

ResNet-20 on digits, 10 devices. Beside DWNP: its server's network alone, for all devices (p_d = 1), and uniform channel
pruning, each at the FLOPs that a device of DWNP has. What has been measured already is not measured again unless its
settings have changed. Results: results/dwnp.json and the part of docs/REPRODUCTION.md between the marks.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from document import REPRODUCTION, fill_in
from machine import machine
from measured import Row, key_of, measure_all

from fedlab_core.experiment import Experiment
from fedlab_core.lab import Federation
from fedlab_core.processes import one_thread
from fedlab_core.pruning.budget import ChannelCosts
from fedlab_core.pruning.masks import full_masks, sparsity
from fedlab_core.pruning.units import drop_units, hidden_units
from fedlab_core.simulation import simulate
from fedlab_core.strategies.dwnp import DWNP
from fedlab_core.types import ServerState

RESULTS = Path(__file__).parent / "results" / "dwnp.json"
BASE = Experiment().replace(
    {"data.num_clients": 10, "data.alpha": 0.3, "model.name": "resnet20", "federation.rounds": 20}
)
OURS = {"strategy.name": "dwnp", "strategy.width": 8, "strategy.rate": 0.05}
PAIRS = ((0.8, 0.5), (0.6, 0.3), (0.4, 0.2))
"""p_s and p_d."""


def uniform(share: float) -> dict[str, Any]:
    """Channel pruning whose network has this share of the FLOPs: the same share of every layer goes."""
    lab = Federation.of(BASE.replace({"strategy.name": "channel-pruning"}))
    costs, masks = ChannelCosts.of_model(lab.model, lab.layer_flops), lab.initial_state().masks
    params = {name: torch.ones_like(mask, dtype=torch.float32) for name, mask in masks.items()}

    def pruned(gone: float) -> tuple[float, float]:
        left = drop_units(params, full_masks(params, tuple(params)), gone, hidden_units(lab.model))
        return float(costs.share([row.float() for row in costs.alive(left)])), sparsity(left)

    best = min((pruned(gone / 64) for gone in range(64)), key=lambda found: abs(found[0] - share))
    return {"strategy.name": "channel-pruning", "strategy.final_sparsity": best[1]}


def settings() -> Iterator[tuple[str, dict[str, Any]]]:
    """A line of the table each."""
    yield "dense FedAvg", {"strategy.name": "fedavg"}
    for p_s, p_d in PAIRS:
        budgets = {"strategy.p_s": p_s, "strategy.p_d": p_d}
        yield f"DWNP, p_s {p_s:g}, p_d {p_d:g}", OURS | budgets
        yield f"its server's network alone, p_s {p_d:g}", OURS | {"strategy.p_s": p_d, "strategy.p_d": 1}
        yield f"uniform channel pruning to {p_d:g}", uniform(p_d)
    both = {"strategy.p_s": 0.8, "strategy.p_d": 0.5}
    yield "DWNP, p_s 0.8, p_d from 0.25 to 0.75", OURS | both | {"strategy.spread": 0.5}
    yield "DWNP, p_s 0.8, p_d 0.5, two hypernetworks", OURS | both | {"strategy.shared_hn": False}
    yield (
        "DWNP, p_s 0.8, p_d 0.5, hypernetwork of width 128",
        OURS | both | {"strategy.width": 128, "strategy.rate": 0.01},
    )


def measure(line: str, text: str) -> list[Row]:
    """One run, in a process of its own."""
    experiment = Experiment.parse(json.loads(text))
    with one_thread():
        lab, records = Federation.of(experiment), list(simulate(experiment))
    last = records[-1]
    server, *devices = shares(lab, last.state)
    row = {
        "settings": key_of(experiment),
        "line": line,
        "seed": experiment.federation.seed,
        "mean_client_accuracy": last.mean_client_accuracy,
        "worst_client_accuracy": last.worst_client_accuracy,
        "test_accuracy": last.test_accuracy,
        "server_share": server,
        "device_shares": devices,
        "device_targets": targets(lab),
        "upload_bytes": sum(record.upload_bytes for record in records),
        "download_bytes": sum(record.download_bytes for record in records),
        "seconds": round(sum(record.round_s for record in records)),
    }
    return [row]


def shares(lab: Federation, server: ServerState) -> list[float]:
    """Realised share of the FLOPs, as DWNP counts them: of the server's network and of every device's."""
    costs, ctx = ChannelCosts.of_model(lab.model, lab.layer_flops), lab.context(lab.experiment.federation.rounds)
    masks = full_masks(server.params, tuple(server.params)) | server.masks
    personal = [lab.experiment.strategy.personal(server, k, ctx) or masks for k in range(lab.data.num_clients)]
    return [float(costs.share([row.float() for row in costs.alive(one)])) for one in (masks, *personal)]


def targets(lab: Federation) -> list[float] | None:
    """What each device may have."""
    strategy = lab.experiment.strategy
    if not isinstance(strategy, DWNP):
        return None
    return [strategy.budget(device, lab.context(1)) for device in range(lab.data.num_clients)]


def jobs(seeds: int) -> dict[str, tuple[str, str]]:
    """Line and experiment of every run, by its settings."""
    lines = list(settings())
    wanted = [
        (line, BASE.replace(own | {"data.seed": seed, "federation.seed": seed}))
        for seed in range(seeds)
        for line, own in lines
    ]
    return {key_of(one): (line, one.to_json()) for line, one in wanted}


def table(rows: list[dict[str, Any]]) -> str:
    """Means over seeds, by line."""
    lines = [
        "| method | FLOPs, server | FLOPs, devices | furthest from its budget | accuracy of a device | worst device "
        "| MB up | MB down |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for line in dict.fromkeys(row["line"] for row in rows):
        own = [row for row in rows if row["line"] == line]
        devices = [share for row in own for share in row["device_shares"]]
        accuracy = [100 * row["mean_client_accuracy"] for row in own]
        spread = f" ± {statistics.stdev(accuracy):.1f}" if len(own) > 1 else ""
        lines.append(
            f"| {line} | {mean(own, 'server_share'):.3f} | {_range(devices)} | {_furthest(own)} "
            f"| {statistics.mean(accuracy):.1f}{spread} | {100 * mean(own, 'worst_client_accuracy'):.1f} "
            f"| {mean(own, 'upload_bytes') / 1e6:.0f} | {mean(own, 'download_bytes') / 1e6:.0f} |"
        )
    return "\n".join(lines)


def mean(rows: list[dict[str, Any]], name: str) -> float:
    """Over seeds."""
    return statistics.mean(row[name] for row in rows)


def _range(values: list[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:.3f}" if high - low < 0.0005 else f"{low:.3f} to {high:.3f}"


def _furthest(rows: list[dict[str, Any]]) -> str:
    gaps = [
        abs(share - target)
        for row in rows
        if row["device_targets"]
        for share, target in zip(row["device_shares"], row["device_targets"], strict=True)
    ]
    return f"{max(gaps):.4f}" if gaps else ""


def report(rows: list[dict[str, Any]]) -> str:
    """Its part of docs/REPRODUCTION.md."""
    host, seeds = machine(), len({row["seed"] for row in rows})
    return f"""
ResNet-20 on digits, 10 devices, Dirichlet alpha 0.3, {BASE.federation.rounds} rounds; means over {seeds} seed(s),
accuracy in percent on each device's own test images, with the network that the device has. FLOPs as DWNP counts them
(layers that make or read prunable channels, norms and activations), as a share of the whole network's. MB: really
encoded messages of all devices and rounds, with the hypernetwork.

{table(rows)}

Machine: {host["processor"]}, {host["cores"]} cores, {host["system"]}, Python {host["python"]}, torch {host["torch"]}.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    wanted = jobs(options.seeds)
    known = measure_all(RESULTS, wanted, measure, options.processes)
    fill_in("dwnp", report([known[one] for one in wanted]), REPRODUCTION)


if __name__ == "__main__":
    main()
