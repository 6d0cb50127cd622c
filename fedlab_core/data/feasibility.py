"""Can there be such a partition? Asked before anything is drawn; the answer names the nearest value that is possible.

N examples, K clients, C labels that occur.
"""

from __future__ import annotations

import heapq

from torch import Tensor

ALPHA_RANGE = (1e-4, 1e6)
POWER_RANGE = (0, 10)
RATIO_RANGE = (1, 10)
OVERLAP_RANGE = (0, 1)


class PartitionError(ValueError):
    """A partition that cannot be: `field` has `value`, and `allowed` says in words what is possible instead."""

    def __init__(self, field: str, value: object, allowed: str) -> None:
        super().__init__(f"data.{field} is {value!r}; {allowed}")
        self.field, self.value, self.allowed = field, value, allowed


def check_sizes(y_N: Tensor, num_clients: int, min_size: int = 1) -> None:
    """Refuse a `min_size` that the examples do not suffice for; with 1, that is more clients than examples."""
    if num_clients < 1:
        raise PartitionError("num_clients", num_clients, "allowed is a whole number from 1")
    if min_size < 0:
        raise PartitionError("min_size", min_size, "allowed is a whole number from 0")
    most = len(y_N) // num_clients
    if min_size > most and num_clients > len(y_N):
        raise PartitionError("num_clients", num_clients, f"{len(y_N)} examples allow at most {len(y_N)} clients")
    if min_size > most:
        shared = f"{len(y_N)} examples over {num_clients} clients"
        raise PartitionError("min_size", min_size, f"{shared}: the nearest feasible value is {most}")


def check_dirichlet(y_N: Tensor, num_clients: int, alpha: float, min_size: int = 1) -> None:
    """Refuse what `dirichlet` cannot do."""
    check_sizes(y_N, num_clients, min_size)
    _check_range("alpha", alpha, ALPHA_RANGE)


def check_quantity(y_N: Tensor, num_clients: int, power: float, min_size: int = 1) -> None:
    """Refuse what `quantity` cannot do."""
    check_sizes(y_N, num_clients, min_size)
    _check_range("size_power", power, POWER_RANGE)


def check_ranges(y_N: Tensor, num_clients: int, size_ratio: float, overlap: float, min_size: int = 1) -> None:
    """Refuse what `ranges` cannot do."""
    check_sizes(y_N, num_clients, min_size)
    _check_range("size_ratio", size_ratio, RATIO_RANGE)
    _check_range("overlap", overlap, OVERLAP_RANGE)


def check_shards(y_N: Tensor, num_clients: int, labels_per_client: int, min_size: int = 1) -> None:
    """Refuse what `shards` cannot do.

    Every label needs a client: K c >= C. And a label can be shared by no more clients than there are, nor than it has
    examples: K c <= sum over labels of min(K, n). `min_size` is compared with what the smallest client is sure to get.
    """
    check_sizes(y_N, num_clients, min_size)
    size_C = y_N.unique(return_counts=True)[1].tolist()
    low = -(-len(size_C) // num_clients)
    high = sum(min(num_clients, size) for size in size_C) // num_clients
    if low > high:
        enough = f"allowed are 1 and {len(size_C)} to {len(y_N)}, for some labels are rare"
        raise PartitionError("num_clients", num_clients, enough)
    if not low <= labels_per_client <= high:
        nearest = min(max(labels_per_client, low), high)
        within = (
            f"with {num_clients} clients and {len(size_C)} labels, allowed is {low} to {high}, the nearest is {nearest}"
        )
        raise PartitionError("labels_per_client", labels_per_client, within)
    holders_C = num_holders(size_C, num_clients, labels_per_client)
    pieces = sorted(size // holders for size, holders in zip(size_C, holders_C, strict=True))
    sure = sum(pieces[:labels_per_client])
    if min_size > sure:
        shared = f"{labels_per_client} labels for each of {num_clients} clients"
        raise PartitionError("min_size", min_size, f"{shared}: the nearest feasible value is {sure}")


def num_holders(size_C: list[int], num_clients: int, labels_per_client: int) -> list[int]:
    """How many clients share each label: about in proportion to its examples, so that pieces are of about equal size.

    Each label starts with one client, and the K x labels_per_client places that are left go, one by one, to the label
    whose pieces are largest. No label has more clients than there are, nor more than it has examples.
    """
    held_C = [1] * len(size_C)
    most_C = [min(num_clients, size) for size in size_C]
    largest_first = [(-float(size), c) for c, size in enumerate(size_C) if most_C[c] > 1]
    heapq.heapify(largest_first)
    for _ in range(num_clients * labels_per_client - len(size_C)):
        c = largest_first[0][1]
        held_C[c] += 1
        if held_C[c] < most_C[c]:
            heapq.heapreplace(largest_first, (-size_C[c] / held_C[c], c))
        else:
            heapq.heappop(largest_first)
    return held_C


def _check_range(field: str, value: float, limits: tuple[float, float]) -> None:
    if not limits[0] <= value <= limits[1]:
        raise PartitionError(field, value, f"allowed is a number from {limits[0]} to {limits[1]:.0f}")
