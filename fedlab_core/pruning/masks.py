"""Masks: which weights are kept. Pure functions on `Params` and `Masks`, no federation.

A mask is a boolean tensor beside each prunable weight, True = kept. It is never inferred from zeros: a weight may be
zero and kept, as a bias is at the start; taking it for pruned would freeze it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fedlab_core.types import Masks, Params


def prunable_names(params: Params, include_vectors: bool = False) -> tuple[str, ...]:
    """Weights of linear and convolutional layers; with `include_vectors` biases and norms too (the paper's code)."""
    return tuple(name for name, weight in params.items() if include_vectors or weight.dim() >= 2)


def full_masks(params: Params, names: tuple[str, ...]) -> Masks:
    """Everything kept."""
    return {name: torch.ones_like(params[name], dtype=torch.bool) for name in names}


def apply_masks(params: Params, masks: Masks) -> Params:
    """w * m. Names without a mask pass unchanged."""
    return {name: weight.masked_fill(~masks[name], 0) if name in masks else weight for name, weight in params.items()}


def intersect(masks: Masks, others: Masks) -> Masks:
    """Kept in both."""
    return {name: mask & others[name] for name, mask in masks.items()}


def sparsity(masks: Masks) -> float:
    """Pruned / prunable weights; 0 where nothing is prunable."""
    total = sum(mask.numel() for mask in masks.values())
    return 1 - sum(int(mask.sum()) for mask in masks.values()) / total if total else 0.0


def layer_density(masks: Masks) -> dict[str, float]:
    """Kept / all weights, by tensor."""
    return {name: int(mask.sum()) / mask.numel() for name, mask in masks.items()}


def overlap(masks: Masks, others: Masks) -> float:
    """Intersection over union of the kept weights of two clients (or rounds); 1 where both are empty."""
    both = sum(int((mask & others[name]).sum()) for name, mask in masks.items())
    either = sum(int((mask | others[name]).sum()) for name, mask in masks.items())
    return both / either if either else 1.0


def purge(params: Params, masks: Masks, target: float) -> Masks:
    """FedSparsify's purge (arXiv 2204.12430): drop the int(target x P) smallest magnitudes of all tensors together.

    Weights that are pruned already count as zeros, so `target` is the sparsity of the whole, and stay pruned: masks are
    nested. Ties with the smallest kept magnitude are kept, as in the paper's code.

    Args:
        params: weights; only names in `masks` are looked at.
        masks: what is kept so far.
        target: fraction of the prunable weights to be without, in [0, 1).

    Raises:
        ValueError: target outside [0, 1).
    """
    if not 0 <= target < 1:
        raise ValueError(f"sparsity target is {target}; allowed is 0 <= target < 1")
    if not masks:
        return {}
    magnitudes = torch.cat([(params[name] * mask).abs().flatten() for name, mask in masks.items()])
    rank = int(target * len(magnitudes))
    threshold = magnitudes.kthvalue(rank + 1).values
    return {name: mask & (params[name].abs() >= threshold) for name, mask in masks.items()}


def purge_random(order: dict[str, Tensor], masks: Masks, target: float) -> Masks:
    """The ablation beside magnitude: drop the first int(target x P) of a fixed random order.

    Args:
        order: by tensor, the place of each weight in one permutation of all prunable weights, int64.
        masks: what is kept so far; what is pruned stays pruned.
        target: fraction of the prunable weights to be without, in [0, 1).
    """
    kept = torch.cat([order[name][mask] for name, mask in masks.items()])
    total = sum(mask.numel() for mask in masks.values())
    # What is pruned already counts, whoever pruned it: a fork to this method goes on from its parent's masks.
    missing = int(target * total) - (total - len(kept))
    if missing <= 0:
        return masks
    last = kept.kthvalue(missing).values
    return {name: mask & (order[name] > last) for name, mask in masks.items()}


def random_order(masks: Masks, generator: torch.Generator) -> dict[str, Tensor]:
    """One random permutation of all prunable weights, cut into the tensors' shapes."""
    sizes = [mask.numel() for mask in masks.values()]
    places = torch.randperm(sum(sizes), generator=generator).split(sizes)
    return {name: place.reshape(mask.shape) for place, (name, mask) in zip(places, masks.items(), strict=True)}
