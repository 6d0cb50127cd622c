"""Which updates the server lets in. One that cannot be right is left out by name; the others make the round.

What cannot be seen here: an update that is well formed and false, by mistake or by malice. Robust rules of aggregation
stand a few of those.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from fedlab_core.types import Update


class BadUpdate(ValueError):  # noqa: N818 - a thing, not an event
    """An update that cannot be right; the message says why."""


def check_update(update: Update, pattern: Update, num_examples: int, masks_as_sent: bool = False) -> None:
    """Let an update in, or say why not.

    Args:
        update: as decoded; that its tensors are the server's model has been checked.
        pattern: an update without training, of the same names, types and shapes.
        num_examples: how many examples the client has.
        masks_as_sent: whether the masks have to be those of the pattern, too.

    Raises:
        BadUpdate: it is not as the pattern, holds a value that is not finite, or claims another number of examples.
    """
    if update.masks.keys() != pattern.masks.keys():
        odd = sorted(update.masks.keys() ^ pattern.masks.keys())
        raise BadUpdate(f"masks of other tensors than were sent: {', '.join(odd)}")
    for name, mask in update.masks.items() if masks_as_sent else ():
        if not torch.equal(mask, pattern.masks[name]):
            raise BadUpdate(f"another mask than was sent: {name}")
    if _kinds(update.extras) != _kinds(pattern.extras):
        odd = sorted(dict(_kinds(update.extras).items() ^ _kinds(pattern.extras).items()))
        raise BadUpdate(f"extras are not those of the method: {', '.join(odd)}")
    if update.num_examples != num_examples:
        raise BadUpdate(f"claims {update.num_examples} examples; the client has {num_examples}")
    for group, named in (("", update.params), ("", update.buffers), ("extra ", update.extras)):
        if broken := not_finite(named):
            raise BadUpdate(f"{NOT_FINITE} in {group}{broken}")
    if not math.isfinite(update.train_loss):
        raise BadUpdate(f"{NOT_FINITE} in the training loss")


NOT_FINITE = "values that are not finite"
"""How the refusal of an update begins whose training has run away."""


def not_finite(tensors: Mapping[str, Tensor]) -> str:
    """The name of the first tensor that holds infinities or NaN; empty if none does."""
    for name, tensor in tensors.items():
        # The sum is finite in nearly all cases, and far quicker than looking at every value.
        if not (math.isfinite(tensor.sum().item()) or tensor.isfinite().all()):
            return name
    return ""


def _kinds(tensors: Mapping[str, Tensor]) -> dict[str, tuple[torch.dtype, torch.Size]]:
    return {name: (tensor.dtype, tensor.shape) for name, tensor in tensors.items()}
