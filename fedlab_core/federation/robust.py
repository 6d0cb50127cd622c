"""Aggregation rules that withstand f clients who send anything at all, as long as it is well-formed.

All count every client once: a weight by the number of examples would be the sender's own word. They also need all
clients to be under the same masks. A pruned weight is sent as 0; among clients that have pruned differently such zeros
would move the median and the distances, and the mean over holders has too few clients to withstand anybody. So unlike
masks are refused. That is our reading: the papers know no masks.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fedlab_core.federation.validation import KRUM, MEDIAN, TRIMMED_MEAN, checked
from fedlab_core.types import Params, Update


def median(updates: Sequence[Update], faulty: int = 0) -> Params:
    """Of each weight the median over clients (Yin et al. 2018, arXiv 1803.01498); of an even number
    of clients the mean of the middle two.

    Raises:
        AggregationError: fewer than 2f + 1 updates, or see `checked`.
    """
    ordered = checked(updates, MEDIAN, faulty)
    return _mean_without_ends(ordered, (len(ordered) - 1) // 2)


def trimmed_mean(updates: Sequence[Update], faulty: int) -> Params:
    """Of each weight the mean without the f largest and the f smallest values (Yin et al. 2018, arXiv 1803.01498).

    Raises:
        AggregationError: fewer than 2f + 1 updates, or see `checked`.
    """
    return _mean_without_ends(checked(updates, TRIMMED_MEAN, faulty), faulty)


def krum(updates: Sequence[Update], faulty: int) -> Params:
    """The weights of the one client that lies closest to the others: see `most_central`."""
    return most_central(updates, faulty).params


def most_central(updates: Sequence[Update], faulty: int) -> Update:
    """Krum (Blanchard et al. 2017, arXiv 1703.02757): the update with the lowest score, the lowest id where scores tie.

    The score is the sum of the squared distances, over all weights together, to the n - f - 2 nearest others.

    Raises:
        AggregationError: fewer than 2f + 3 updates, or see `checked`.
    """
    ordered = checked(updates, KRUM, faulty)
    nearest = len(ordered) - faulty - 2
    scores = [
        sum(sorted(row[:k] + row[k + 1 :])[:nearest]) for k, row in enumerate(_squared_distances(ordered).tolist())
    ]
    return ordered[scores.index(min(scores))]


def _mean_without_ends(ordered: Sequence[Update], dropped: int) -> Params:
    merged = {}
    for name, tensor in ordered[0].params.items():
        sorted_K = torch.stack([update.params[name] for update in ordered]).sort(0).values
        merged[name] = sorted_K[dropped : len(ordered) - dropped].double().mean(0).to(tensor.dtype)
    return merged


def _squared_distances(ordered: Sequence[Update]) -> Tensor:
    """As differences, tensor by tensor: by scalar products, clients that are close to each other would be lost."""
    total_KK = torch.zeros(len(ordered), len(ordered), dtype=torch.float64)
    for name in ordered[0].params:
        values_KP = torch.stack([update.params[name].flatten() for update in ordered]).double()
        total_KK += torch.stack([(values_KP - own_P).square().sum(1) for own_P in values_KP])
    return total_KK
