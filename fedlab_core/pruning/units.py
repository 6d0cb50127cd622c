"""Prune whole units: output channels of convolutions, outputs of linear layers. Pure functions on `Params` and `Masks`.

U units of a hidden layer, O outputs of the layer that reads them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fedlab_core.models.gates import Link, chains, links
from fedlab_core.pruning.masks import checked_target
from fedlab_core.types import Masks, Params


class Units(NamedTuple):
    """The units of one hidden layer, by names of tensors.

    Attributes:
        weight: row u makes unit u, [U, ...].
        more: what else has a row for each unit, [U, ...]: bias of the layer, weights and biases of norms and of
            depthwise convolutions behind it.
        reader: weight of the next layer, [O, U x positions, ...]: several columns a unit behind flattened maps.
    """

    weight: str
    more: tuple[str, ...]
    reader: str


def hidden_units(model: nn.Module) -> list[Units]:
    """The hidden layers of a model whose units can be cut, in its own order."""
    found = [link for chain in chains(model) for link in links(chain) if link is not None]
    return [_units(link) for link in found]


def _units(link: Link) -> Units:
    more = [f"{link.source}.bias"] if link.bias else []
    for name, layer in link.between:
        more += [f"{name}.{part}" for part, _ in layer.named_parameters()]
    return Units(f"{link.source}.weight", tuple(more), f"{link.target}.weight")


def alive_units(masks: Masks) -> dict[str, Tensor]:
    """Which units of each layer are left, bool [O] by weight: a unit is gone if all weights that make it are pruned.

    Layers are the masked tensors with more than one axis; a unit is an output of theirs.
    """
    return {name: mask.flatten(1).any(1) for name, mask in masks.items() if mask.dim() > 1}


def purge_units(params: Params, masks: Masks, target: float, layers: Sequence[Units]) -> Masks:
    """Drop the units whose incoming weights have the smallest L1 norms (Li et al. 2017, arXiv 1608.08710).

    A unit goes with all that belongs to it: the weights that make it, its bias, its norm, the filter of its own that a
    depthwise convolution has, and the weights that read it.
    Our reading: every hidden layer loses the same share of its units, the smallest share at which at least
    `target` x P of the P maskable weights are gone. A layer keeps one unit, the output layer keeps all. What is pruned
    stays pruned, and is the first to be counted.

    Args:
        params: weights of the model.
        masks: what is kept so far. Only tensors in `masks` are masked.
        target: fraction of the maskable weights to be without, in [0, 1).
        layers: the model's hidden units.

    Raises:
        ValueError: target outside [0, 1).
    """
    checked_target(target)
    sizes = {len(params[layer.weight]) for layer in layers}
    shares = sorted({gone / size for size in sizes for gone in range(size)}) or [0.0]
    place = bisect_left(shares, target, key=lambda share: _sparsity(params, masks, layers, share))
    return drop_units(params, masks, shares[min(place, len(shares) - 1)], layers)


def drop_units(params: Params, masks: Masks, share: float, layers: Sequence[Units]) -> Masks:
    """`masks` without the int(share x U) weakest units of each hidden layer; one always stays."""
    pruned = dict(masks)
    for weight, more, reader in layers:
        kept_U = torch.ones(len(params[weight]), dtype=torch.bool)
        kept_U[_weakest_first(params[weight], masks.get(weight))[: _gone(len(kept_U), share)]] = False
        for name in (weight, *more):
            if name in masks:
                pruned[name] = pruned[name] & kept_U.view(-1, *[1] * (params[name].dim() - 1))
        if reader in masks:
            by_unit = pruned[reader].view(len(params[reader]), len(kept_U), -1)
            pruned[reader] = (by_unit & kept_U.unsqueeze(1)).view_as(masks[reader])
    return pruned


def _weakest_first(weight: Tensor, mask: Tensor | None) -> Tensor:
    """Units by the L1 norm of what makes them; those that are gone already come first."""
    if mask is None:
        return weight.abs().flatten(1).sum(1).argsort(stable=True)
    norm_U = (weight * mask).abs().flatten(1).sum(1)
    return norm_U.masked_fill(~mask.flatten(1).any(1), -1.0).argsort(stable=True)


def _gone(units: int, share: float) -> int:
    """How many of the units go; a share that was made by a division must not lose a unit to rounding."""
    return min(int(share * units + 1e-9), units - 1)


def _sparsity(params: Params, masks: Masks, layers: Sequence[Units], share: float) -> float:
    """Masked / maskable weights if every hidden layer loses `share` of its units, without making the masks."""
    kept = {name: float(params[name].numel()) for name in masks}
    total = sum(kept.values())
    for weight, more, reader in layers:
        units = len(params[weight])
        for name in {weight, *more, reader} & masks.keys():
            kept[name] *= 1 - _gone(units, share) / units  # once for its own units, once for those that it reads
    return 1 - sum(kept.values()) / max(total, 1)
