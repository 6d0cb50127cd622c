"""Drop and grow: the weakest kept weights make way for the pruned ones that the loss wants most.

Pure functions on single tensors, and how far masks have come in a run. Source: RigL (Evci et al. 2020, arXiv
1911.11134), as FedDST uses it on clients.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from fedlab_core.types import Masks


def cosine_fraction(round: int, last_round: float, largest: float) -> float:
    """f(t) = largest / 2 (1 + cos(pi t / T_end)): much is exchanged early, nothing from T_end on."""
    if round >= last_round:
        return 0.0
    return largest / 2 * (1 + math.cos(math.pi * round / last_round))


def drop_and_grow(weight: Tensor, grad: Tensor, mask: Tensor, fraction: float) -> Tensor:
    """Exchange k = int(fraction x kept) entries: the k smallest |w| go, the k largest |g| of what is then pruned come.

    As many are kept afterwards as before. What has just been dropped may come back.

    Args:
        weight, grad, mask: of one tensor and one client; `mask` is boolean, True = kept.
        fraction: in [0, 1].
    """
    kept = int(mask.sum())
    count = min(int(fraction * kept), mask.numel() - kept)
    if count == 0:
        return mask.clone()
    after = mask.flatten().clone()
    after[weight.abs().flatten().masked_fill(~after, torch.inf).topk(count, largest=False).indices] = False
    after[grad.abs().flatten().masked_fill(after, -1.0).topk(count).indices] = True
    return after.view_as(mask)


def turnover(before: Masks, after: Masks) -> float:
    """Share of the weights kept in `after` that were not kept in `before`; 0 where nothing is kept."""
    kept = sum(int(mask.sum()) for mask in after.values())
    new = sum(int((mask & ~before[name]).sum()) for name, mask in after.items())
    return new / kept if kept else 0.0


def explored(masks_T: Sequence[Masks]) -> float:
    """Share of all prunable weights that were kept in at least one of these masks; 0 without masks."""
    ever = {name: torch.stack([masks[name] for masks in masks_T]).any(0) for name in (masks_T[0] if masks_T else ())}
    places = sum(mask.numel() for mask in ever.values())
    return sum(int(mask.sum()) for mask in ever.values()) / places if places else 0.0
