"""Sums that can be added up: all that a server needs that reads one update at a time, or an aggregator in a tree.

Means and votes do not need an update any more once it is counted. A median or Krum does: they have no such sums.
The engine itself holds all updates of a round (`Strategy.aggregate`); docs/SCALE.md compares the two.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

from fedlab_core.types import Params, Update


@dataclass(frozen=True)
class PartialSums:
    """What some of the clients add up to.

    Attributes:
        examples: sum_k n_k.
        clients: how many there are.
        weighted: sum_k n_k x_k in float64, of every floating-point tensor that travels: weights, buffers and extras,
            under their own names (extras may share none of them).
        votes: sum_k m_k, int64, by name of the masks; empty where votes do not count.
        dtypes: of the tensors that were added, for the mean.
    """

    examples: int
    clients: int
    weighted: dict[str, Tensor]
    votes: dict[str, Tensor]
    dtypes: dict[str, torch.dtype]

    def mean(self) -> Params:
        """sum_k n_k x_k / sum_k n_k, as `weighted_mean`, to rounding.

        Raises:
            ValueError: no example among all clients.
        """
        if not self.examples:
            raise ValueError(f"cannot average {self.clients} updates that are based on 0 examples")
        return {name: (total / self.examples).to(self.dtypes[name]) for name, total in self.weighted.items()}


def partial_sums(updates: Iterable[Update], votes_count: bool = True) -> PartialSums:
    """The sums over at least one update. Few are held at a time, if `updates` makes them one by one.

    Args:
        updates: of equal names and shapes.
        votes_count: where all clients have the mask of the server, nobody needs to count who kept what.

    Raises:
        ValueError: no update.
    """
    examples = clients = 0
    weighted: dict[str, Tensor] = {}
    votes: dict[str, Tensor] = {}
    dtypes: dict[str, torch.dtype] = {}
    for update in updates:
        examples, clients = examples + update.num_examples, clients + 1
        for name, tensor in {**update.params, **update.buffers, **update.extras}.items():
            if tensor.is_floating_point():
                total = weighted.setdefault(name, torch.zeros_like(tensor, dtype=torch.float64))
                total.add_(tensor.double(), alpha=update.num_examples)
                dtypes[name] = tensor.dtype
        for name, mask in update.masks.items() if votes_count else ():
            votes.setdefault(name, torch.zeros_like(mask, dtype=torch.int64)).add_(mask)
    if not clients:
        raise ValueError("there are no sums of no updates")
    return PartialSums(examples, clients, weighted, votes, dtypes)


def add_up(parts: Sequence[PartialSums]) -> PartialSums:
    """The sums of all clients of all parts: of votes exactly, of weights to the rounding of float64.

    Raises:
        ValueError: no part, or parts of unlike tensors.
    """
    if not parts or any(part.dtypes != parts[0].dtypes or part.votes.keys() != parts[0].votes.keys() for part in parts):
        raise ValueError(f"{len(parts)} parts are to be added up; at least one is needed, all of the same tensors")
    return PartialSums(
        sum(part.examples for part in parts),
        sum(part.clients for part in parts),
        {name: _sum([part.weighted[name] for part in parts]) for name in parts[0].weighted},
        {name: _sum([part.votes[name] for part in parts]) for name in parts[0].votes},
        parts[0].dtypes,
    )


def _sum(tensors: Sequence[Tensor]) -> Tensor:
    return reduce(torch.add, tensors)
