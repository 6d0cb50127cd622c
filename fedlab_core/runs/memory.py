"""How much memory a run will need, before it starts: good to a factor of two, enough to refuse what cannot fit."""

from __future__ import annotations

import copy
import math
import os

import psutil
import torch
from torch import nn
from torch.func import functional_call

from fedlab_core.clients import cohort_width
from fedlab_core.federation.evaluation import chunk_of
from fedlab_core.lab import Federation

MB = 1e6

PROCESS_MB = 540.0
"""A process that has imported PyTorch and this package and computed something (Linux, torch 2)."""

# Copies that exist at the same time at worst: counted in the code, and compared with real runs by the tests.
UPDATE = 2.5  # of each client of a round: its encoded message, what was decoded from it, half of a sum
SERVER = 6.0  # states before and after the round, initial weights, messages, what is written to the store
TRAINING = 6.0  # of each stacked client: weights, gradients, momentum, masks, temporary values
MAPS = 3.0  # of each stacked example's feature maps: kept for the backward pass, their gradients, unfolded patches


def forecast_mb(federation: Federation, processes: int = 1) -> float:
    """Megabytes (10^6 bytes) at the peak of a run, all of its processes together. Our reading of the code.

    Args:
        federation: data and model of the run.
        processes: over how many its clients are spread; each has its own copy of the data.
    """
    dataset, settings = federation.data.dataset, federation.experiment.federation
    tensors = (dataset.x_train_NI, dataset.x_test_NI)
    data = 2 * sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    holders = len(federation.data.holders)
    clients = max(1, round(settings.participation * holders))
    stacked = min(cohort_width(federation), math.ceil(clients / processes))
    model = sum(tensor.numel() * tensor.element_size() for tensor in federation.model.parameters())
    kept = holders * len(federation.experiment.strategy.of_clients)  # what strategies remember of each client
    maps = [4 * values for values in _map_values(federation.model, dataset.input_shape)]
    training = stacked * (TRAINING * model + MAPS * settings.batch_size * sum(maps))
    testing = 3 * chunk_of(dataset.x_test_NI) * max(maps, default=0)  # layer by layer: input, output, patches
    shared = model * (UPDATE * clients + SERVER + kept)
    return processes * PROCESS_MB + (processes * (data + max(training, testing)) + shared) / MB


def most_mb() -> float:
    """What a run may need: the variable FEDLAB_MAX_MEMORY, in MB, else half of the machine's memory."""
    asked = os.environ.get("FEDLAB_MAX_MEMORY", "")
    return float(asked) if asked.isdecimal() and int(asked) else psutil.virtual_memory().total / 2 / MB


def refuse_too_large(federation: Federation, processes: int = 1) -> None:
    """Raises `ValueError`: the run would need more memory than it may."""
    needed, most = forecast_mb(federation, processes), most_mb()
    if needed > most:
        raise ValueError(
            f"this run would need about {needed:,.0f} MB of memory; allowed are {most:,.0f} MB (half of this machine's,"
            " or what the variable FEDLAB_MAX_MEMORY says). A smaller model, smaller batches or fewer clients a round"
            " need less"
        )


def _map_values(model: nn.Module, input_shape: tuple[int, ...]) -> list[int]:
    """Numbers in the output of each layer for one example."""
    counted: list[int] = []

    def count(layer: nn.Module, inputs: object, output: object) -> None:
        if isinstance(output, torch.Tensor):
            counted.append(output.numel())

    probe = copy.deepcopy(model).eval()
    for layer in probe.modules():
        if not list(layer.children()):
            layer.register_forward_hook(count)
    tensors = (*probe.named_parameters(), *probe.named_buffers())
    zeros = {name: torch.zeros(tensor.shape, dtype=tensor.dtype) for name, tensor in tensors}
    with torch.no_grad():
        functional_call(probe, zeros, (torch.zeros(1, *input_shape),))
    return counted
