"""Taste, for the settings that are turned most: words for people, and the part of a range worth sliding through.

Nothing here is needed: a setting without an entry gets its widget from its field.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from fedlab_core.data.datasets import dataset_names
from fedlab_core.models import model_names

LABELS = {
    "data.dataset": "Data set",
    "data.path": "Folder, tar or zip of class sub-folders",
    "data.num_clients": "Clients K",
    "data.partition": "Partition",
    "data.alpha": "Dirichlet α (small = skewed)",
    "data.labels_per_client": "Labels per client",
    "data.size_power": "Power of the size skew",
    "data.size_ratio": "Size ratio of neighbours",
    "data.overlap": "Overlap of the ranges",
    "data.rotation_degrees": "Rotation (degrees)",
    "data.noise_std": "Noise (standard deviation)",
    "data.min_size": "Examples that each client has at least",
    "data.seed": "Seed of the partition",
    "model.name": "Model",
    "federation.rounds": "Rounds T",
    "federation.participation": "Participation C",
    "federation.local_epochs": "Local epochs E",
    "federation.batch_size": "Batch size B",
    "federation.hostile": "Hostile clients",
    "federation.seed": "Seed of training",
    "strategy.final_sparsity": "Sparsity target",
    "strategy.schedule": "Schedule",
    "strategy.exponent": "Schedule: exponent",
    "strategy.frequency": "Schedule: rounds between purges",
    "strategy.start_round": "Schedule: start after round",
    "strategy.scope": "Rank weights",
    "strategy.prune_after": "Prune after this share of the rounds",
    "strategy.densities": "Densities of the layers",
    "strategy.every": "Rounds between new masks",
    "strategy.exchange": "Share of weights exchanged",
    "strategy.stop_after": "Masks change up to this share of the rounds",
    "strategy.fixed_time": "Time that pruning cannot save",
    "strategy.bytes_share": "Share of communication in the time",
    "strategy.ratio": "Channels open per image",
    "strategy.signal": "What a gate sees",
    "strategy.base": "Averaging underneath",
    "strategy.keep_ratio": "Weights that a batch moves",
    "strategy.salience": "Salience",
    "strategy.p_s": "FLOPs of the server's network",
    "strategy.p_d": "FLOPs of a device's sub-network",
    "strategy.spread": "Unequal devices",
    "strategy.start_after": "Learn channels after this share of the rounds",
    "strategy.interval": "Local steps between two of the hypernetwork",
    "strategy.rate": "Learning rate of the hypernetwork",
    "strategy.width": "Width of the hypernetwork",
    "strategy.free": "Share of weights that may go",
}


class Range(NamedTuple):
    """The part of a setting's range that a slider offers; a value outside widens it."""

    low: float
    high: float
    step: float


RANGES = {
    "data.num_clients": Range(2, 100, 1),
    "data.labels_per_client": Range(1, 10, 1),
    "data.size_power": Range(0, 3, 0.05),
    "data.size_ratio": Range(1, 2, 0.002),
    "data.overlap": Range(0, 1, 0.05),
    "data.rotation_degrees": Range(0, 180, 5),
    "data.noise_std": Range(0, 2, 0.05),
    "federation.rounds": Range(1, 100, 1),
    "federation.participation": Range(0.05, 1, 0.05),
    "federation.local_epochs": Range(1, 20, 1),
    "federation.hostile": Range(0, 10, 1),
    "strategy.final_sparsity": Range(0, 0.99, 0.01),
    "strategy.initial_sparsity": Range(0, 0.95, 0.05),
    "strategy.exponent": Range(0.5, 12, 0.5),
    "strategy.frequency": Range(1, 20, 1),
    "strategy.start_round": Range(1, 50, 1),
    "strategy.p_s": Range(0.2, 1, 0.05),
    "strategy.p_d": Range(0.1, 1, 0.05),
    "strategy.interval": Range(1, 20, 1),
    "strategy.rate": Range(0.001, 0.1, 0.001),
    "strategy.width": Range(4, 128, 4),
    "strategy.tau": Range(0, 0.1, 0.002),
    "strategy.every": Range(1, 20, 1),
    "strategy.fixed_time": Range(0.05, 5, 0.05),
}

STEPS = {"data.alpha": (0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)}
"""Settings that are moved on a logarithmic scale."""

CHOICES: dict[str, Callable[[], Sequence[str]]] = {"data.dataset": dataset_names, "model.name": model_names}

ONLY_FOR = {
    "data.path": ("dataset", "images"),
    "data.alpha": ("partition", "dirichlet"),
    "data.labels_per_client": ("partition", "shards"),
    "data.size_power": ("partition", "quantity"),
    "data.size_ratio": ("partition", "ranges"),
    "data.overlap": ("partition", "ranges"),
    "data.rotation_degrees": ("partition", "feature"),
    "data.noise_std": ("partition", "feature"),
}
"""Settings of the data that mean something for one choice only; the others hide them."""
