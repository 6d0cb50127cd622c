"""From clients' examples to batches: one client at a time, or all clients of a round stacked.

K clients, S steps, B batch, I input dimensions.

Both forms come from one plan (`batch_plan`), so that whoever runs a client sees the same batches in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from fedlab_core.types import Batch, RoundContext


def batch_plan(num_examples: int, local_epochs: int, batch_size: int, generator: torch.Generator) -> list[Tensor]:
    """Indices of each step's examples: every epoch is a fresh permutation, its last batch may be short."""
    epochs = (torch.randperm(num_examples, generator=generator) for _ in range(local_epochs if num_examples else 0))
    return [batch for epoch in epochs for batch in epoch.split(batch_size)]


@dataclass(frozen=True)
class LocalData:
    """What one client trains on in one round.

    Attributes:
        client_id: k.
        x_NI, y_N: its examples.
        plan: its steps, from `batch_plan`.
        noise_width: uniform numbers per example that the model needs, by buffer name.
        noise_generator: the client's own source of them, advanced step by step.
    """

    client_id: int
    x_NI: Tensor
    y_N: Tensor
    plan: list[Tensor]
    noise_width: Mapping[str, int]
    noise_generator: torch.Generator

    @classmethod
    def of(
        cls,
        client_id: int,
        examples: tuple[Tensor, Tensor],
        local_epochs: int,
        batch_size: int,
        noise_width: Mapping[str, int],
        ctx: RoundContext,
    ) -> LocalData:
        """Plan the round of client `client_id`."""
        x_NI, y_N = examples
        plan = batch_plan(len(y_N), local_epochs, batch_size, ctx.generator("batches", client_id))
        return cls(client_id, x_NI, y_N, plan, noise_width, ctx.generator("dropout", client_id))

    def draw_noise(self, step: int) -> dict[str, Tensor]:
        """Uniform numbers [b, width] for the examples of this step."""
        size = len(self.plan[step])
        return {
            name: torch.rand(size, width, generator=self.noise_generator) for name, width in self.noise_width.items()
        }

    def batches(self) -> Iterator[Batch]:
        """The steps one by one, as the reference trainer takes them."""
        for step, index_B in enumerate(self.plan):
            x_BI = self.x_NI[index_B]
            weight_B = torch.full((len(index_B),), 1 / len(index_B), dtype=x_BI.dtype)
            yield Batch(x_BI, self.y_N[index_B], weight_B, self.draw_noise(step))


class Cohort:
    """The clients of a round stacked, those with most steps first, so that the active ones are always a prefix.

    Attributes:
        clients: the given clients in that order.
        num_steps: of each client, descending.
    """

    def __init__(self, clients: Sequence[LocalData]) -> None:
        self.clients = sorted(clients, key=lambda client: -len(client.plan))
        self.num_steps = [len(client.plan) for client in self.clients]
        self._x_NI = torch.cat([client.x_NI for client in self.clients])
        self._y_N = torch.cat([client.y_N for client in self.clients])
        starts = accumulate((len(client.y_N) for client in self.clients), initial=0)
        self._plan = [
            [index_B + start for index_B in client.plan] for client, start in zip(self.clients, starts, strict=False)
        ]

    def active(self, step: int) -> int:
        """How many clients still have a step number `step`."""
        return sum(steps > step for steps in self.num_steps)

    def batch(self, step: int) -> Batch:
        """One step of all active clients: x [K, B, ...], y and weight [K, B]; short batches are filled up."""
        clients = self.clients[: self.active(step)]
        index_KB = pad_sequence([plan[step] for plan in self._plan[: len(clients)]], batch_first=True)
        size_K1 = torch.tensor([[len(client.plan[step])] for client in clients])
        weight_KB = (torch.arange(index_KB.shape[1]) < size_K1) / size_K1.to(self._x_NI.dtype)
        drawn = [client.draw_noise(step) for client in clients]
        noise = {name: pad_sequence([d[name] for d in drawn], batch_first=True) for name in clients[0].noise_width}
        x_KBI = self._x_NI.index_select(0, index_KB.flatten()).unflatten(0, index_KB.shape)
        return Batch(x_KBI, self._y_N[index_KB], weight_KB, noise)
