"""Local training as its users write it, for the systems that leave it to them. B batch, I input dimensions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention
from workloads import Examples, Workload


class Shuffled:
    """Shuffled batches cut by index from two tensors: what a `DataLoader` gives, without its work for each example."""

    def __init__(self, x_NI: Tensor, y_N: Tensor, batch_size: int) -> None:
        self.x_NI, self.y_N, self.batch_size = x_NI, y_N, batch_size
        self.generator = torch.Generator().manual_seed(len(y_N))

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order_N = torch.randperm(len(self.y_N), generator=self.generator)
        for index_B in order_N.split(self.batch_size):
            yield self.x_NI[index_B], self.y_N[index_B]


def train(model: nn.Module, batches: Any, workload: Workload) -> None:
    """One client's local training, for systems that leave it to their users."""
    model.train()
    rate, momentum = workload.learning_rate, workload.momentum
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=momentum)
    for _ in range(workload.local_epochs):
        for x_BI, y_B in batches:
            optimizer.zero_grad()
            F.cross_entropy(model(x_BI), y_B).backward()
            optimizer.step()


def training_loss(model: nn.Module, examples: Examples) -> float:
    """Mean loss over all clients' examples: shows that a system has really trained.

    Norms take the statistics of the chunk, since not every system averages the running ones.
    """
    model.eval()
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.train()
    with torch.no_grad():
        chunks = zip(examples.x_NI.split(1000), examples.y_N.split(1000), strict=True)
        total = sum(F.cross_entropy(model(x_BI), y_B, reduction="sum").item() for x_BI, y_B in chunks)
    return total / len(examples.y_N)
