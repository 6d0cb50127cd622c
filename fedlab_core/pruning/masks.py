"""Masks: which weights are kept. Pure functions on `Params` and `Masks`, no federation.

A mask is a boolean tensor beside each prunable weight, True = kept. It is never inferred from zeros: a weight may be
zero and kept, as a bias is at the start; taking it for pruned would freeze it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from fedlab_core.types import Masks, Params

Scope = Literal["global", "layer"]
"""Whether weights are ranked among all tensors, or each tensor's own."""


def prunable_names(params: Params, include_vectors: bool = False) -> tuple[str, ...]:
    """Weights of linear and convolutional layers; with `include_vectors` biases and norms too (the paper's code)."""
    return tuple(name for name, weight in params.items() if include_vectors or weight.dim() >= 2)


def full_masks(params: Params, names: tuple[str, ...]) -> Masks:
    """Everything kept."""
    return {name: torch.ones_like(params[name], dtype=torch.bool) for name in names}


def apply_masks(params: Params, masks: Masks) -> Params:
    """w * m. Names without a mask pass unchanged."""
    return {name: weight.masked_fill(~masks[name], 0) if name in masks else weight for name, weight in params.items()}


def sparsity(masks: Masks) -> float:
    """Pruned / prunable weights; 0 where nothing is prunable."""
    prunable = total(masks)
    return 1 - sum(int(mask.sum()) for mask in masks.values()) / prunable if prunable else 0.0


def layer_density(masks: Masks) -> dict[str, float]:
    """Kept / all weights, by tensor."""
    return {name: int(mask.sum()) / mask.numel() for name, mask in masks.items()}


def overlap(masks: Masks, others: Masks) -> float:
    """Intersection over union of the kept weights of two clients (or rounds); 1 where both are empty."""
    both = sum(int((mask & others[name]).sum()) for name, mask in masks.items())
    either = sum(int((mask | others[name]).sum()) for name, mask in masks.items())
    return both / either if either else 1.0


def overlaps(masks: Sequence[Masks]) -> Tensor:
    """`overlap` of every two of K clients, float64 [K, K]; counted tensor by tensor, as products of zeros and ones."""
    both_KK = torch.zeros(len(masks), len(masks), dtype=torch.float64)
    for name in masks[0] if masks else ():
        kept_KP = torch.stack([own[name].flatten() for own in masks]).float()  # exact up to 2^24 weights a tensor
        both_KK += (kept_KP @ kept_KP.T).double()
    kept_K = both_KK.diagonal()
    either_KK = kept_K[:, None] + kept_K - both_KK
    return torch.where(either_KK > 0, both_KK / either_KK.clamp(min=1), 1.0)


def purge(params: Params, masks: Masks, target: float, scope: Scope = "global") -> Masks:
    """FedSparsify's purge (arXiv 2204.12430): drop the int(target x P) smallest magnitudes.

    Weights that are pruned already count as zeros, so `target` is the sparsity of the whole, and stay pruned: masks are
    nested. Ties with the smallest kept magnitude are kept, as in the paper's code.

    Args:
        params: weights; only names in `masks` are looked at.
        masks: what is kept so far.
        target: fraction of the prunable weights to be without, in [0, 1).
        scope: "global" compares all tensors, "layer" each with itself (the code's `purge_per_layer`).

    Raises:
        ValueError: target outside [0, 1).
    """
    magnitudes = {name: params[name].abs() for name in masks}
    if scope == "global":
        return drop_lowest(magnitudes, masks, int(checked_target(target) * total(masks)))
    layers = [{name: mask} for name, mask in masks.items()]
    kept = [drop_lowest(magnitudes, layer, int(checked_target(target) * total(layer))) for layer in layers]
    return {name: mask for layer in kept for name, mask in layer.items()}


def drop_lowest(scores: Params, masks: Masks, count: int) -> Masks:
    """Of all tensors together, the `count` lowest scores are gone, those that are pruned already first.

    Ties with the lowest score that stays are kept. So is the best entry of each tensor, whatever the others are worth:
    an empty layer would cut the network in two.

    Args:
        scores: by name; only names in `masks` are looked at.
        masks: what may be kept; what is pruned stays pruned.
        count: fewer than there are entries.
    """
    if not masks:
        return {}
    ranked = {name: scores[name].masked_fill(~mask, -torch.inf) for name, mask in masks.items()}
    threshold = torch.cat([score.flatten() for score in ranked.values()]).kthvalue(count + 1).values
    return {
        name: mask & ((score >= threshold) | best_entry(score))
        for (name, score), mask in zip(ranked.items(), masks.values(), strict=True)
    }


def best_entry(score: Tensor) -> Tensor:
    """True at the largest entry, the first of several, and nowhere else."""
    best = torch.zeros(score.numel(), dtype=torch.bool)
    best[score.argmax()] = True
    return best.view_as(score)


def total(masks: Masks) -> int:
    """P, all prunable entries."""
    return sum(mask.numel() for mask in masks.values())


def checked_target(target: float) -> float:
    """`target`, if it is a sparsity that can be asked for.

    Raises:
        ValueError: outside [0, 1).
    """
    if not 0 <= target < 1:
        raise ValueError(f"sparsity target is {target}; allowed is 0 <= target < 1")
    return target


def purge_random(order: dict[str, Tensor], masks: Masks, target: float) -> Masks:
    """The ablation beside magnitude: drop the first int(target x P) of a fixed random order.

    Args:
        order: by tensor, the place of each weight in one permutation of all prunable weights, int64.
        masks: what is kept so far; what is pruned stays pruned.
        target: fraction of the prunable weights to be without, in [0, 1).
    """
    kept = torch.cat([order[name][mask] for name, mask in masks.items()])
    # What is pruned already counts, whoever pruned it: a fork to this method goes on from its parent's masks.
    missing = int(target * total(masks)) - (total(masks) - len(kept))
    if missing <= 0:
        return masks
    last = kept.kthvalue(missing).values
    return {name: mask & (order[name] > last) for name, mask in masks.items()}


def random_order(masks: Masks, generator: torch.Generator) -> dict[str, Tensor]:
    """One random permutation of all prunable weights, cut into the tensors' shapes."""
    sizes = [mask.numel() for mask in masks.values()]
    places = torch.randperm(sum(sizes), generator=generator).split(sizes)
    return {name: place.reshape(mask.shape) for place, (name, mask) in zip(places, masks.items(), strict=True)}
