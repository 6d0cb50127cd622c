"""How a budget of weights is shared among the layers. Pure functions on `Params`, no federation."""

from __future__ import annotations

import torch

from fedlab_core.types import Masks, Params


def uniform(params: Params, names: tuple[str, ...], density: float) -> dict[str, float]:
    """The same density for every tensor."""
    return dict.fromkeys(names, _checked(density))


def erk(params: Params, names: tuple[str, ...], density: float) -> dict[str, float]:
    """Erdos-Renyi-Kernel: p_l proportional to sum(shape) / product(shape), scaled to the budget, at most 1.

    Small layers stay denser than large ones. Layers that would exceed 1 are dense, and the others share what is left.
    Source: Evci et al. 2020, arXiv 1911.11134; the default of FedDST's and FedTiny's code.

    Args:
        params: weights; only `names` are looked at.
        names: the prunable tensors.
        density: kept / all weights of these tensors together, in (0, 1].

    Raises:
        ValueError: density outside (0, 1].
    """
    sizes = {name: params[name].numel() for name in names}
    raw = {name: sum(params[name].shape) / sizes[name] for name in names}
    budget, dense = _checked(density) * sum(sizes.values()), set[str]()
    while True:
        rest = [name for name in names if name not in dense]
        left = budget - sum(sizes[name] for name in dense)
        scale = left / sum(raw[name] * sizes[name] for name in rest) if rest else 0.0
        over = {name for name in rest if scale * raw[name] > 1}
        if not over:
            return {name: 1.0 if name in dense else scale * raw[name] for name in names}
        dense |= over


DENSITIES = {"uniform": uniform, "erk": erk}


def largest(scores: Params, densities: dict[str, float]) -> Masks:
    """In each tensor, the round(density x size) entries with the largest scores, at least one."""
    masks = {}
    for name, density in densities.items():
        count = max(1, round(density * scores[name].numel()))
        masks[name] = torch.zeros(scores[name].numel(), dtype=torch.bool)
        masks[name][scores[name].flatten().topk(count).indices] = True
        masks[name] = masks[name].view_as(scores[name])
    return masks


def largest_overall(scores: Params, count: int) -> Masks:
    """The `count` largest of all scores together, exactly: among equals, those that come first stay.

    Nothing keeps a tensor from losing all its entries. `masks.drop_lowest` keeps ties, and one entry of each tensor.
    """
    flat = torch.cat([score.flatten() for score in scores.values()])
    kept = torch.zeros(len(flat), dtype=torch.bool)
    kept[flat.argsort(descending=True, stable=True)[:count]] = True
    parts = kept.split([score.numel() for score in scores.values()])
    return {name: part.view_as(score) for part, (name, score) in zip(parts, scores.items(), strict=True)}


def _checked(density: float) -> float:
    if not 0 < density <= 1:
        raise ValueError(f"density is {density}; allowed is 0 < density <= 1")
    return density
