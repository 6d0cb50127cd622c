"""Random inputs for laws, small and made of whole numbers, so that a student can redo them with pencil and paper."""

from __future__ import annotations

import torch
from torch import Tensor

from fedlab_core.types import Masks, Params, Update

SHAPES: dict[str, tuple[int, ...]] = {"fc.weight": (2, 3), "fc.bias": (2,)}
"""A model of one layer; its weight is prunable, its bias is not."""


def integer(low: int, high: int, draw: torch.Generator) -> int:
    """A whole number from `low` to `high`, both included."""
    return int(torch.randint(low, high + 1, (), generator=draw))


def real(low: float, high: float, draw: torch.Generator) -> float:
    """A number between `low` and `high`."""
    return low + (high - low) * float(torch.rand((), generator=draw))


def params(draw: torch.Generator, shapes: dict[str, tuple[int, ...]] | None = None) -> Params:
    """Weights from -9 to 9."""
    return {name: torch.randint(-9, 10, shape, generator=draw).float() for name, shape in (shapes or SHAPES).items()}


def masks(draw: torch.Generator, density: float = 0.5) -> Masks:
    """A mask for each weight (not for the bias) in which each entry is kept with probability `density`."""
    prunable = {name: shape for name, shape in SHAPES.items() if len(shape) > 1}
    return {name: torch.rand(shape, generator=draw) < density for name, shape in prunable.items()}


def update(client: int, num_examples: int, weights: Params, kept: Masks | None = None) -> Update:
    """An upload in which pruned weights are zero, as clients send them."""
    kept = kept or {}
    sent = {name: weight * kept[name] if name in kept else weight for name, weight in weights.items()}
    return Update(client, sent, {}, kept, num_examples, train_loss=0.0)


def single(client: int, num_examples: int, value: float, kept: bool | None = None) -> Update:
    """An upload of one weight, for the smallest example that shows a fault."""
    mask = {} if kept is None else {"w": torch.tensor([kept])}
    return update(client, num_examples, {"w": torch.tensor([float(value)])}, mask)


def mask_uploads(columns: Tensor) -> list[Update]:
    """Client k keeps what is true in row k of `columns`; all weights are 1."""
    return [update(k, 1, {"w": torch.ones(len(row))}, {"w": row}) for k, row in enumerate(columns.bool())]
