"""What one model message would take in other encodings, beside the entropy bound; each is really encoded.

`sweep` does it over sparsities, for masks without structure (the dearest) and for whole units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

from torch import nn

from fedlab_core.costs.codec import MaskMemory, describe, encode, nominal_bytes
from fedlab_core.costs.forms import FORMS, Dense
from fedlab_core.pruning.masks import full_masks, purge_random, random_order, sparsity
from fedlab_core.pruning.units import hidden_units, purge_units
from fedlab_core.types import Buffers, Masks, Params, seeded_generator

DENSE, SHORTEST, NOMINAL, BOUND = "dense", "shortest form", "values alone (nominal)", "entropy bound"
CODED = tuple(form.name for form in FORMS if form.name != Dense.name)
"""Ways to say which weights are kept, where some are not."""

SPARSITIES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)

Structure = Literal["single weights", "whole units"]
"""What is pruned: weights one by one, or units with everything that belongs to them."""


class MessageBytes(NamedTuple):
    """One message with the same tensors and masks in several encodings, in bytes.

    `by_encoding` has, beside the forms of the codec (`CODED`; every mask written in that one form):

    - "dense": every value, no mask, as if nothing were pruned;
    - "shortest form": what is sent, each mask in its own shortest form;
    - "values alone (nominal)": FedSparsify's count, as if masks travelled for free; no message;
    - "entropy bound": what no code beats on average for random masks; no message. A structured mask may.
    """

    sparsity: float
    by_encoding: dict[str, float]


def message_bytes(params: Params, buffers: Buffers, masks: Masks) -> MessageBytes:
    """The model as a server sends it, encoded in every way."""
    tensors = {**params, **buffers}
    sent = encode(tensors, masks)
    return MessageBytes(
        sparsity(masks),
        {
            DENSE: len(encode(tensors)),
            **{name: len(encode(tensors, masks, MaskMemory(only=name))) for name in CODED},
            SHORTEST: len(sent),
            NOMINAL: nominal_bytes(tensors, masks),
            BOUND: sum(cost.bound_bytes for cost in describe(sent)),
        },
    )


def sweep(
    model: nn.Module,
    params: Params,
    buffers: Buffers,
    structure: Structure,
    sparsities: Sequence[float] = SPARSITIES,
) -> Iterator[MessageBytes]:
    """`message_bytes` of the same model at several sparsities, one after the other.

    Args:
        model: the architecture, which says what its units are.
        params, buffers: their values change no number.
        structure: random single weights, whatever their layer; or the weakest units of each hidden layer.

    Raises:
        ValueError: whole units of a model that has none which could be pruned.
    """
    prune = _single_weights(params) if structure == "single weights" else _whole_units(model, params)
    for target in sparsities:
        yield message_bytes(params, buffers, prune(target))


def _single_weights(params: Params) -> Callable[[float], Masks]:
    everything = full_masks(params, tuple(name for name, weight in params.items() if weight.dim() > 1))
    order = random_order(everything, seeded_generator("encodings"))
    return lambda target: purge_random(order, everything, target)


def _whole_units(model: nn.Module, params: Params) -> Callable[[float], Masks]:
    everything, layers = full_masks(params, tuple(params)), hidden_units(model)
    if not layers:
        raise ValueError("this model has no hidden units that could be pruned as a whole")
    return lambda target: purge_units(params, everything, target, layers)
