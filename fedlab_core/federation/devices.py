"""Where clients are trained and models measured: on the processor, or on an accelerator if this machine has one.

What server and clients send each other, masks, and every random draw stay with the processor, so that a run draws the
same numbers everywhere; sums are rounded differently from device to device.
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

Tree = TypeVar("Tree")


def available_devices() -> list[str]:
    """What `federation.device` may be on this machine."""
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    return [name for name, is_there in there.items() if is_there]


def check_device(name: str) -> None:
    """Raises ValueError if this machine does not have the device."""
    if name not in available_devices():
        raise ValueError(f"federation.device is {name!r}; this machine offers {', '.join(available_devices())}")


def put(tree: Tree, device: torch.device | str) -> Tree:
    """All tensors of a tuple, list or dictionary on another device; what is there already is not copied."""
    device = torch.device(device)

    def moved(leaf: object) -> object:
        if not isinstance(leaf, Tensor):
            return leaf
        if device.type == "mps" and leaf.dtype == torch.float64:  # which has none
            leaf = leaf.float()
        return leaf.to(device)

    return tree_map(moved, tree)
