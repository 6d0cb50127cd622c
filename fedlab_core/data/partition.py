"""Who has which examples: ways to spread a data set over clients, each a true partition (every example exactly once).

Every function first checks that what is asked can be done, then names an owner for each example, and cuts once. Nothing
is computed client by client, so a hundred thousand clients take little longer than ten.

N examples, K clients, C labels that occur.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from fedlab_core.data.feasibility import (
    PartitionError,
    check_dirichlet,
    check_quantity,
    check_ranges,
    check_shards,
    check_sizes,
    num_holders,
)

__all__ = [
    "PARTITIONS",
    "PartitionError",
    "Partitioner",
    "apportion",
    "check_feasible",
    "dirichlet",
    "dirichlet_shares",
    "iid",
    "quantity",
    "ranges",
    "shards",
    "spread_alike",
]


def iid(y_N: Tensor, num_clients: int, generator: torch.Generator, min_size: int = 1) -> list[Tensor]:
    """Shuffle and deal out like cards: every client sees the same mixture, and sizes differ by at most one.

    Raises:
        PartitionError: `min_size` examples for each client are more than there are.
    """
    check_sizes(y_N, num_clients, min_size)
    dealt_N = torch.arange(len(y_N)) % num_clients
    return _by_owner(_shuffled(dealt_N, generator), num_clients)


def dirichlet(
    y_N: Tensor, num_clients: int, alpha: float, generator: torch.Generator, min_size: int = 1
) -> list[Tensor]:
    """Label skew: each label's examples are spread by shares p ~ Dirichlet(alpha, ..., alpha) over the clients.

    A small alpha gives each label to few clients, a large one comes close to IID (Yurochkin et al. 2019; Li et al.
    2022). Clients below `min_size` are filled up with random examples of the largest clients. That is our reading: to
    draw again until every client is large enough, as is often done, would never end for small alpha.

    Raises:
        PartitionError: alpha out of range, or `min_size` examples for each client are more than there are.
    """
    check_dirichlet(y_N, num_clients, alpha, min_size)
    owner_N = torch.empty_like(y_N)
    for label in y_N.unique():
        index_N = _shuffled((y_N == label).nonzero().squeeze(1), generator)
        end_K = dirichlet_shares(num_clients, alpha, generator).cumsum(0) * len(index_N)
        # Pieces end at whole numbers; the random start makes that fair to clients whose share is below one example.
        end_K = (end_K + torch.rand(1, generator=generator, dtype=torch.float64)).long()
        end_K[-1] = len(index_N)
        owner_N[index_N] = torch.searchsorted(end_K, torch.arange(len(index_N)), right=True)
    return _by_owner(_filled_up(owner_N, num_clients, min_size, generator), num_clients)


def dirichlet_shares(num_clients: int, alpha: float, generator: torch.Generator) -> Tensor:
    """One draw of K shares that sum to 1, float64: K gamma variates over their sum.

    Computed from logarithms, for at alpha 0.01 most variates are below the smallest number a computer has. With
    G ~ Gamma(alpha + 1) and U uniform, G U^(1/alpha) ~ Gamma(alpha) (Marsaglia and Tsang 2000).
    """
    gamma_K = torch._standard_gamma(torch.full((num_clients,), alpha + 1, dtype=torch.float64), generator=generator)
    uniform_K = 1 - torch.rand(num_clients, generator=generator, dtype=torch.float64)
    return (gamma_K.log() + uniform_K.log() / alpha).softmax(0)


def shards(
    y_N: Tensor, num_clients: int, labels_per_client: int, generator: torch.Generator, min_size: int = 1
) -> list[Tensor]:
    """Every client has examples of exactly `labels_per_client` labels, in pieces of about equal size.

    As in FedSparsify's experiments ("2 classes per client"), but it never reaches a dead end: label after label, in
    random order, goes to the clients that still need most labels (ties at random), which always works out (Gale 1957,
    Ryser 1957).

    Raises:
        PartitionError: no such partition exists.
    """
    check_shards(y_N, num_clients, labels_per_client, min_size)
    labels, size_C = y_N.unique(return_counts=True)
    holders_C = num_holders(size_C.tolist(), num_clients, labels_per_client)
    missing_K = torch.full((num_clients,), labels_per_client)
    owner_N = torch.empty_like(y_N)
    for c in torch.randperm(len(labels), generator=generator).tolist():
        client_K = torch.randperm(num_clients, generator=generator)
        neediest_K = client_K[missing_K[client_K].argsort(descending=True, stable=True)]
        holders = neediest_K[: holders_C[c]]
        missing_K[holders] -= 1
        index_N = _shuffled((y_N == labels[c]).nonzero().squeeze(1), generator)
        owner_N[index_N] = holders[torch.arange(len(index_N)) % len(holders)]
    return _by_owner(owner_N, num_clients)


def quantity(
    y_N: Tensor, num_clients: int, power: float, generator: torch.Generator, min_size: int = 1
) -> list[Tensor]:
    """Size skew: client i = 1, 2, ... gets a share proportional to i^-power; labels are IID.

    Clients below `min_size` are filled up with random examples of the largest clients.

    Raises:
        PartitionError: power out of range, or `min_size` examples for each client are more than there are.
    """
    check_quantity(y_N, num_clients, power, min_size)
    weight_K = torch.arange(1, num_clients + 1, dtype=torch.float64) ** -power
    size_K = apportion(len(y_N), weight_K, generator)
    owner_N = _shuffled(torch.arange(num_clients).repeat_interleave(size_K), generator)
    return _by_owner(_filled_up(owner_N, num_clients, min_size, generator), num_clients)


def ranges(
    y_N: Tensor, num_clients: int, size_ratio: float, overlap: float, generator: torch.Generator, min_size: int = 1
) -> list[Tensor]:
    """Sort by label, or by group of numbers, and cut: every client has a stretch, and fewer than the one before.

    Client i has `size_ratio` times fewer examples than client i - 1; which stretch is whose is drawn. Examples are
    sorted by (1 - overlap) x rank + overlap x chance, ranks from 0 to 1: stretches are apart at 0, all alike at 1.
    Our reading of the environments in FedSparsify's brain age experiments (arXiv 2208.11669): sizes equal or falling by
    1.354, ages alike (overlap 1) or apart; at overlap 0.5, ages within a client spread by 5.5 years, theirs by 5.2.

    Clients below `min_size` are filled up with random examples of the largest clients.

    Raises:
        PartitionError: a setting out of range, or `min_size` examples for each client are more than there are.
    """
    check_ranges(y_N, num_clients, size_ratio, overlap, min_size)
    size_K = apportion(len(y_N), size_ratio ** -torch.arange(num_clients, dtype=torch.float64), generator)
    shuffled_N = torch.randperm(len(y_N), generator=generator)  # equal labels are sorted at random
    order_N = shuffled_N[y_N[shuffled_N].argsort(stable=True)]
    rank_N = torch.arange(len(y_N), dtype=torch.float64) / len(y_N)
    chance_N = torch.rand(len(y_N), generator=generator, dtype=torch.float64)
    sorted_N = order_N[((1 - overlap) * rank_N + overlap * chance_N).argsort(stable=True)]
    client_K = torch.randperm(num_clients, generator=generator)
    owner_N = torch.empty_like(y_N).index_copy_(0, sorted_N, client_K.repeat_interleave(size_K[client_K]))
    return _by_owner(_filled_up(owner_N, num_clients, min_size, generator), num_clients)


def apportion(total: int, weight_K: Tensor, generator: torch.Generator) -> Tensor:
    """Whole numbers [K] that sum to `total`, in proportion to the weights: largest remainders, ties at random."""
    quota_K = total * weight_K.double() / weight_K.sum()
    whole_K = quota_K.floor()
    client_K = torch.randperm(len(weight_K), generator=generator)
    by_remainder_K = client_K[(quota_K - whole_K)[client_K].argsort(descending=True, stable=True)]
    whole_K[by_remainder_K[: total - int(whole_K.sum())]] += 1
    return whole_K.long()


def spread_alike(y_N: Tensor, counts_KC: Tensor, generator: torch.Generator) -> list[Tensor]:
    """A second set (the test set) spread like a first: of each label, client k gets the share it has in `counts_KC`.

    Rounded by largest remainders, label by label. A label that is new to all clients is spread evenly over them.

    Args:
        y_N: labels of the second set.
        counts_KC: examples that each client has of each label in the first set.
        generator: decides which examples, and who gets the odd ones.
    """
    owner_N = torch.empty_like(y_N)
    for label in y_N.unique().tolist():
        index_N = _shuffled((y_N == label).nonzero().squeeze(1), generator)
        weight_K = counts_KC[:, label]
        number_K = apportion(len(index_N), weight_K if weight_K.any() else torch.ones_like(weight_K), generator)
        owner_N[index_N] = torch.arange(len(counts_KC)).repeat_interleave(number_K)
    return _by_owner(owner_N, len(counts_KC))


def _shuffled(values_N: Tensor, generator: torch.Generator) -> Tensor:
    return values_N[torch.randperm(len(values_N), generator=generator)]


def _by_owner(owner_N: Tensor, num_clients: int) -> list[Tensor]:
    """From each example's client to each client's examples: one sort, one cut."""
    sizes = owner_N.bincount(minlength=num_clients).tolist()
    return list(owner_N.argsort(stable=True).split(sizes))


def _filled_up(owner_N: Tensor, num_clients: int, min_size: int, generator: torch.Generator) -> Tensor:
    """The same owners, but random examples of the largest clients go to those with fewer than `min_size`.

    Number each client's examples in random order: those with the highest numbers belong to the largest clients, and
    taking them from the top down levels these off without making anybody else too small.
    """
    size_K = owner_N.bincount(minlength=num_clients)
    lacking_K = (min_size - size_K).clamp(min=0)
    example_N = _shuffled(torch.arange(len(owner_N)), generator)
    example_N = example_N[owner_N[example_N].argsort(stable=True)]
    number_N = torch.arange(len(owner_N)) - (size_K.cumsum(0) - size_K)[owner_N[example_N]]
    moving = example_N[number_N.argsort(descending=True, stable=True)][: int(lacking_K.sum())]
    return owner_N.index_copy(0, moving, torch.arange(num_clients).repeat_interleave(lacking_K))


class Partitioner(NamedTuple):
    """How a kind of partition is checked and drawn, and which settings it needs beside the number of clients."""

    check: Callable[..., None]
    draw: Callable[..., list[Tensor]]
    needs: tuple[str, ...] = ()


PARTITIONS = {
    "iid": Partitioner(check_sizes, iid),
    "dirichlet": Partitioner(check_dirichlet, dirichlet, ("alpha",)),
    "shards": Partitioner(check_shards, shards, ("labels_per_client",)),
    "quantity": Partitioner(check_quantity, quantity, ("power",)),
    "ranges": Partitioner(check_ranges, ranges, ("size_ratio", "overlap")),
    "feature": Partitioner(check_sizes, iid),  # labels alike; the skew is in the images (`FeatureSkew`)
}


def check_feasible(
    y_N: Tensor,
    *,
    partition: str,
    num_clients: int,
    alpha: float = 0.5,
    labels_per_client: int = 2,
    size_power: float = 1.35,
    size_ratio: float = 1.0,
    overlap: float = 0.5,
    min_size: int = 1,
) -> dict[str, float]:
    """Can there be such a partition? Draws nothing, so it is quick enough to be asked while a slider moves.

    Returns:
        The settings that this kind of partition needs, as keywords of its function.

    Raises:
        PartitionError: names the field, its value and the nearest one that is possible.
    """
    if partition not in PARTITIONS:
        raise PartitionError("partition", partition, f"allowed are {', '.join(PARTITIONS)}")
    kind = PARTITIONS[partition]
    settings = {
        "alpha": alpha,
        "labels_per_client": labels_per_client,
        "power": size_power,
        "size_ratio": size_ratio,
        "overlap": overlap,
    }
    needed = {"min_size": min_size, **{name: settings[name] for name in kind.needs}}
    kind.check(y_N, num_clients, **needed)
    return needed
