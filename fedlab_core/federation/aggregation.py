"""How the server merges updates: plain functions.

Clients are summed in the order of their ids, so that the same clients give the same bytes in whatever order they
arrive. Sums run in float64.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fedlab_core.types import Buffers, Masks, Params, Update


def by_id(updates: Sequence[Update]) -> list[Update]:
    """Updates in the order of client ids."""
    return sorted(updates, key=lambda update: update.client_id)


def weighted_mean(updates: Sequence[Update]) -> Params:
    """FedAvg: sum_k n_k w_k / sum_k n_k, zeros of pruned weights included.

    Raises:
        ValueError: no update, or no example among all of them.
    """
    return _mean([update.params for update in by_id(updates)], _weights(updates))


def mean_buffers(updates: Sequence[Update]) -> Buffers:
    """Running statistics, averaged like the weights."""
    return _mean([update.buffers for update in by_id(updates)], _weights(updates))


def holders_mean(updates: Sequence[Update]) -> Params:
    """Each weight averaged over the clients that kept it: sum_k n_k m_k w_k / sum_k n_k m_k (NNZ in the paper's code).

    A weight that nobody kept is 0. Tensors without a mask are averaged over all clients.
    """
    ordered, weights = by_id(updates), _weights(updates)
    merged = weighted_mean(updates)
    for name in ordered[0].masks:
        held = [weight * u.masks[name].double() for u, weight in zip(ordered, weights, strict=True)]
        total = torch.stack([h * u.params[name].double() for u, h in zip(ordered, held, strict=True)]).sum(0)
        share = torch.stack(held).sum(0)
        merged[name] = torch.where(share > 0, total / share, 0.0).to(merged[name].dtype)
    return merged


def majority_vote(updates: Sequence[Update], rule: str = "strict") -> Masks:
    """Which weights the clients vote to keep, one unweighted vote each (FedSparsify, arXiv 2204.12430).

    Args:
        updates: at least one; their masks name the same tensors.
        rule: "strict" keeps a weight with more than half of the votes; "floor", the paper's code, with at least
            floor(K / 2): a tie keeps, for odd K a minority does, and a single client's vote keeps everything.
    """
    needed = votes_needed(len(updates), rule)
    return {name: votes >= needed for name, votes in count_votes(updates).items()}


def count_votes(updates: Sequence[Update]) -> dict[str, Tensor]:
    """How many clients kept each weight, int64 in the shapes of the masks."""
    return {name: torch.stack([u.masks[name] for u in updates]).sum(0) for name in updates[0].masks}


def votes_needed(voters: int, rule: str) -> int:
    """Votes that keep a weight, by the rules of `majority_vote`."""
    return {"strict": voters // 2 + 1, "floor": voters // 2}[rule]


def _weights(updates: Sequence[Update]) -> list[float]:
    total = sum(update.num_examples for update in updates)
    if total == 0:
        raise ValueError(f"cannot average {len(updates)} updates that are based on 0 examples")
    return [update.num_examples / total for update in by_id(updates)]


def _mean(named: Sequence[dict[str, Tensor]], weights: Sequence[float]) -> dict[str, Tensor]:
    first = named[0]
    sums = {name: torch.zeros_like(tensor, dtype=torch.float64) for name, tensor in first.items()}
    for tensors, weight in zip(named, weights, strict=True):
        for name, tensor in tensors.items():
            sums[name].add_(tensor.double(), alpha=weight)
    return {name: total.to(first[name].dtype) for name, total in sums.items()}
