"""From clients' examples to batches: one client at a time, or the clients of a round stacked.

K clients, E epochs, S steps, B batch, N examples, I input dimensions.

Both forms come from one order (`epoch_orders`), so that whoever runs a client sees the same batches in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own convention
from torch.nn.utils.rnn import pad_sequence

from fedlab_core.types import Batch, RoundContext


def epoch_orders(num_examples: int, local_epochs: int, generator: torch.Generator) -> Tensor:
    """The order of a client's examples in each epoch, int64 [E, N]: a fresh permutation each."""
    if not num_examples:
        return torch.zeros(local_epochs, 0, dtype=torch.int64)
    return torch.stack([torch.randperm(num_examples, generator=generator) for _ in range(local_epochs)])


@dataclass(frozen=True)
class LocalData:
    """What one client trains on in one round. Every epoch is cut into batches; its last one may be short.

    Attributes:
        client_id: k.
        x_NI, y_N: where its examples are: often the whole data set.
        order_EN: which rows of these, epoch by epoch.
        batch_size: B.
        noise_width: uniform numbers per example that the model needs, by buffer name.
        noise_generator: the client's own source of them, advanced step by step.
        noise_places: where the model was cut, which of them it still reads; all are drawn in any case.
    """

    client_id: int
    x_NI: Tensor
    y_N: Tensor
    order_EN: Tensor
    batch_size: int
    noise_width: Mapping[str, int]
    noise_generator: torch.Generator
    noise_places: Mapping[str, Tensor] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        client_id: int,
        examples: tuple[Tensor, Tensor, Tensor],
        local_epochs: int,
        batch_size: int,
        noise_width: Mapping[str, int],
        ctx: RoundContext,
    ) -> LocalData:
        """Plan the round of client `client_id`; `examples` are inputs, labels, and which rows of them are its own."""
        x_NI, y_N, rows_N = examples
        order_EN = rows_N[epoch_orders(len(rows_N), local_epochs, ctx.generator("batches", client_id))]
        noise = ctx.generator("dropout", client_id)
        return cls(client_id, x_NI, y_N, order_EN, batch_size, noise_width, noise)

    @property
    def num_examples(self) -> int:
        """n_k."""
        return self.order_EN.shape[1]

    @cached_property
    def batch_sizes(self) -> list[int]:
        """Examples of each step."""
        whole, rest = divmod(self.num_examples, self.batch_size)
        return ([self.batch_size] * whole + [rest] * (rest > 0)) * len(self.order_EN)

    def draw_noise(self, step: int) -> dict[str, Tensor]:
        """Uniform numbers [b, width] for the examples of this step."""
        size, places = self.batch_sizes[step], self.noise_places
        drawn = {
            name: torch.rand(size, width, generator=self.noise_generator) for name, width in self.noise_width.items()
        }
        read = {name: noise[:, places[name]] if name in places else noise for name, noise in drawn.items()}
        return {name: noise.to(self.x_NI.device) for name, noise in read.items()}

    def batches(self) -> Iterator[Batch]:
        """The steps one by one, as the reference trainer takes them."""
        steps = [rows_B for rows_N in self.order_EN for rows_B in rows_N.split(self.batch_size) if len(rows_B)]
        for step, rows_B in enumerate(steps):
            x_BI = self.x_NI[rows_B]
            weight_B = torch.full((len(rows_B),), 1 / len(rows_B), dtype=x_BI.dtype, device=x_BI.device)
            yield Batch(x_BI, self.y_N[rows_B], weight_B, self.draw_noise(step))


class Cohort:
    """Clients stacked, those with most steps first, so that the active ones are always a prefix.

    Attributes:
        clients: the given clients in that order.
        num_steps: of each client, descending.
    """

    def __init__(self, clients: Sequence[LocalData]) -> None:
        self.clients = sorted(clients, key=lambda client: -len(client.batch_sizes))
        self.num_steps = [len(client.batch_sizes) for client in self.clients]
        self._x_NI, self._y_N, starts = _together(self.clients)
        width = max((max(client.batch_sizes, default=0) for client in self.clients), default=0)
        rows = [_cut(client, width) + start for client, start in zip(self.clients, starts, strict=True)]
        self._rows_SKB = pad_sequence(rows).to(self._x_NI.device)
        size_SK1 = pad_sequence([torch.tensor(client.batch_sizes) for client in self.clients]).unsqueeze(2)
        weight_SKB = (torch.arange(width) < size_SK1) / size_SK1.to(self._x_NI.dtype)
        self._weight_SKB = weight_SKB.to(self._x_NI.device)

    @property
    def device(self) -> torch.device:
        """Where the examples are."""
        return self._x_NI.device

    def active(self, step: int) -> int:
        """How many clients still have a step number `step`."""
        return sum(steps > step for steps in self.num_steps)

    def batch(self, step: int) -> Batch:
        """One step of all active clients: x [K, B, ...], y and weight [K, B]; short batches are filled up."""
        clients = self.clients[: self.active(step)]
        rows_KB = self._rows_SKB[step, : len(clients)]
        x_KBI = self._x_NI.index_select(0, rows_KB.flatten()).unflatten(0, rows_KB.shape)
        y_KB = self._y_N.index_select(0, rows_KB.flatten()).view_as(rows_KB)
        return Batch(x_KBI, y_KB, self._weight_SKB[step, : len(clients)], _noise(clients, step, rows_KB.shape[1]))


def _noise(clients: Sequence[LocalData], step: int, width: int) -> dict[str, Tensor]:
    """Every client's own noise for a step, filled up to `width` examples."""
    drawn = [client.draw_noise(step) for client in clients]
    return {
        name: torch.stack([F.pad(noise[name], (0, 0, 0, width - len(noise[name]))) for noise in drawn])
        for name in clients[0].noise_width
    }


def _together(clients: Sequence[LocalData]) -> tuple[Tensor, Tensor, list[int]]:
    """One tensor of inputs, one of labels, and where each client's rows begin there; nothing is copied if shared."""
    first = clients[0]
    if all(client.x_NI is first.x_NI for client in clients):
        return first.x_NI, first.y_N, [0] * len(clients)
    starts = accumulate((len(client.y_N) for client in clients[:-1]), initial=0)
    x_NI, y_N = (torch.cat([getattr(client, name) for client in clients]) for name in ("x_NI", "y_N"))
    return x_NI, y_N, list(starts)


def _cut(client: LocalData, width: int) -> Tensor:
    """Every epoch's rows cut into batches, [S, width]; what fills up a short one does not matter: it weighs nothing."""
    missing = -client.num_examples % client.batch_size
    filled_EN = F.pad(client.order_EN, (0, missing))
    return filled_EN.view(-1, client.batch_size)[:, :width]
