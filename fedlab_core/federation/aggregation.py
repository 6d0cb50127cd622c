"""How the server merges updates: plain functions. Those that withstand faulty clients are in `robust.py`.

Every rule begins with `checked`, which says what may be merged, raises `AggregationError` for all else, and puts the
clients in the order of their ids: the same clients give the same bytes in whatever order they arrive. Sums run in
float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from fedlab_core.federation.validation import MAJORITY_VOTE, MASK_AWARE_MEAN, WEIGHTED_MEAN, AggregationError, checked
from fedlab_core.types import Buffers, Masks, Params, Update


def weighted_mean(updates: Sequence[Update]) -> Params:
    """FedAvg: sum_k n_k w_k / sum_k n_k, zeros of pruned weights included.

    Raises:
        AggregationError: see `checked`.
    """
    return _mean(checked(updates, WEIGHTED_MEAN))


def mean_buffers(updates: Sequence[Update]) -> Buffers:
    """Running statistics, averaged like the weights."""
    return weighted_mean(of_buffers(updates))


def of_buffers(updates: Sequence[Update]) -> list[Update]:
    """The same clients with their running statistics in the place of their weights, to be merged by the same rule."""
    return [replace(update, params=update.buffers, masks={}) for update in updates]


def holders_mean(updates: Sequence[Update]) -> Params:
    """Each weight averaged over the clients that kept it: sum_k n_k m_k w_k / sum_k n_k m_k (NNZ in the paper's code).

    A weight that nobody kept is 0. Tensors without a mask are averaged over all clients.

    Raises:
        AggregationError: see `checked`.
    """
    ordered = checked(updates, MASK_AWARE_MEAN)
    weights, merged = _weights(ordered), _mean(ordered)
    for name in ordered[0].masks:
        total, share = (torch.zeros_like(merged[name], dtype=torch.float64) for _ in range(2))
        for update, weight in zip(ordered, weights, strict=True):  # one by one: many clients are large side by side
            held = weight * update.masks[name].double()
            total += held * update.params[name].double()
            share += held
        merged[name] = torch.where(share > 0, total / share, 0.0).to(merged[name].dtype)
    return merged


def majority_vote(updates: Sequence[Update], rule: str = "strict") -> Masks:
    """Which weights the clients vote to keep, one unweighted vote each (FedSparsify, arXiv 2204.12430).

    Args:
        updates: at least one; their masks name the same tensors.
        rule: "strict" keeps a weight with more than half of the votes; "floor", the paper's code, with at least
            floor(K / 2): a tie keeps, for odd K a minority does, and a single client's vote keeps everything.

    Raises:
        AggregationError: see `checked`; or another rule.
    """
    needed = votes_needed(len(updates), rule)
    return {name: votes >= needed for name, votes in count_votes(updates).items()}


def count_votes(updates: Sequence[Update]) -> dict[str, Tensor]:
    """How many clients kept each weight, int64 in the shapes of the masks. Raises as `majority_vote`."""
    ordered = checked(updates, MAJORITY_VOTE)
    votes = {name: torch.zeros_like(mask, dtype=torch.int64) for name, mask in ordered[0].masks.items()}
    for update in ordered:  # one by one: side by side, the masks of many clients would be held twice
        for name, mask in update.masks.items():
            votes[name] += mask
    return votes


def votes_needed(voters: int, rule: str) -> int:
    """Votes that keep a weight, by the rules of `majority_vote`."""
    needed = {"strict": voters // 2 + 1, "floor": voters // 2}
    if rule not in needed:
        raise AggregationError(f"{MAJORITY_VOTE.name}: its rule is {rule!r}; allowed are {', '.join(needed)}")
    return needed[rule]


def _weights(ordered: Sequence[Update]) -> list[float]:
    total = sum(update.num_examples for update in ordered)
    return [update.num_examples / total for update in ordered]


def _mean(ordered: Sequence[Update]) -> Params:
    first = ordered[0].params
    sums = {name: torch.zeros_like(tensor, dtype=torch.float64) for name, tensor in first.items()}
    for update, weight in zip(ordered, _weights(ordered), strict=True):
        for name, tensor in update.params.items():
            sums[name].add_(tensor.double(), alpha=weight)
    return {name: total.to(first[name].dtype) for name, total in sums.items()}
