"""Drop and grow: the weakest kept weights make way for the pruned ones that the loss wants most.

Pure functions on single tensors. Source: RigL (Evci et al. 2020, arXiv 1911.11134), as FedDST uses it on clients.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


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
