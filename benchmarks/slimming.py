"""Is sparsity really faster when whole channels are gone? Writes results/slimming.json beside the machine it ran on.

    python benchmarks/slimming.py

One round of two networks on 32 x 32 colour images, with 0 to 75 % of every hidden layer's units masked: once as masked
dense networks, once slimmed. Seconds of training alone (cutting and putting back included), and of all that clients do:
read the download, train, write the upload. One thread; medians of interleaved repeats after one to warm up.
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
from torch import nn

from fedlab_core import clients
from fedlab_core.clients import Download
from fedlab_core.costs.flops import effective_flops, forward_flops
from fedlab_core.experiment import Experiment
from fedlab_core.federation import slimming
from fedlab_core.federation.messages import pack_assignment
from fedlab_core.lab import Federation
from fedlab_core.models import build_model, init_params
from fedlab_core.pruning.masks import apply_masks, full_masks, sparsity
from fedlab_core.pruning.slim import slim
from fedlab_core.pruning.units import drop_units, hidden_units
from fedlab_core.types import Assignment, RoundContext, Update, seeded_generator

RESULTS = Path(__file__).parent / "results" / "slimming.json"
SHARES = (0.0, 0.25, 0.5, 0.75)
REPEATS = 5
INPUT_SHAPE, CLASSES = (3, 32, 32), 10
SETTINGS = {
    "data.dataset": "shapes",
    "data.partition": "iid",
    "federation.local_epochs": 1,
    "federation.batch_size": 32,
    "federation.momentum": 0.9,
}


def wide_mlp() -> nn.Sequential:
    """Two hidden layers of 1024: enough work that a step is more than its overhead."""
    with torch.device("meta"):
        hidden = [nn.Linear(3072, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU()]
        return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(1024, CLASSES))


MODELS = {
    "cnn6": (build_model("cnn6", INPUT_SHAPE, CLASSES), {"data.num_clients": 64}, 2),
    "mlp 3072-1024-1024-10": (wide_mlp(), {"data.num_clients": 20}, 4),
}
"""Architecture, settings of its own, and how many clients take part."""


class TimedTrainer(slimming.SlimTrainer):
    """Adds up the seconds of training."""

    spent_s = 0.0

    def train(self, *work: Any) -> list[Update]:
        start = time.perf_counter()
        updates = super().train(*work)
        TimedTrainer.spent_s += time.perf_counter() - start
        return updates


clients.SlimTrainer = TimedTrainer


def seconds(federation: Federation, payload: bytes, count: int, slimmed: bool) -> tuple[float, float]:
    """Time of training, and of the clients' side of one round."""
    slimming.WORTHWHILE = 0.9 if slimmed else 0.0
    TimedTrainer.spent_s = 0.0
    downloads = [Download(client, payload) for client in range(count)]
    start = time.perf_counter()
    clients.client_side(federation, downloads, RoundContext(1, 1, 0))
    return TimedTrainer.spent_s, time.perf_counter() - start


def measure(name: str, share: float) -> dict[str, float | str]:
    """One row: FLOPs and seconds of one network with `share` of its units masked, relative to nothing masked."""
    model, own, clients = MODELS[name]
    flops = forward_flops(model, INPUT_SHAPE)
    federation = Federation.of(Experiment().replace({**SETTINGS, **own}))
    federation = Federation(federation.experiment, federation.data, model, flops)
    params, buffers = init_params(model, seeded_generator("slimming"))
    masks = drop_units(params, full_masks(params, tuple(params)), share, hidden_units(model))
    payload = pack_assignment(Assignment(0, apply_masks(params, masks), buffers, masks))
    seconds(federation, payload, clients, slimmed=True)
    times: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    for _ in range(REPEATS):
        for slimmed in times:
            times[slimmed].append(seconds(federation, payload, clients, slimmed))
    look = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        slim(model, [masks])
        look.append(time.perf_counter() - start)
    return {
        "model": name,
        "units_removed": share,
        "weights_removed": round(sparsity(masks), 4),
        "flop_ratio": round(effective_flops(flops, masks) / sum(flops.values()), 4),
        **{
            f"{how}_{part}_s": round(statistics.median(pair[place] for pair in times[slimmed]), 4)
            for place, part in enumerate(("training", "client_side"))
            for how, slimmed in (("masked", False), ("slimmed", True))
        },
        "finding_what_to_cut_s": round(statistics.median(look), 6),
    }


def main() -> None:
    torch.set_num_threads(1)
    load = round(psutil.getloadavg()[0], 2)  # others on the machine: compare figures of an idle one
    rows = []
    for name in MODELS:
        for share in SHARES:
            row = measure(name, share)
            rows.append(row)
            dense_s = next(first["masked_training_s"] for first in rows if first["model"] == name)
            row["training_seconds_ratio"] = round(row["slimmed_training_s"] / dense_s, 4)
            print(json.dumps(row), flush=True)
    result = {
        "claim": "with whole units gone, a slimmed network takes about its share of the FLOPs in seconds; a masked one "
        "takes as long as the dense one",
        "setting": SETTINGS
        | {"repeats": REPEATS, "clients": {name: clients for name, (_, _, clients) in MODELS.items()}},
        "rows": rows,
        "machine": machine(),
        "load_average_before": load,
    }
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
