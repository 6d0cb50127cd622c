"""The one entry of all aggregation rules: what they merge is sound, or is refused in a sentence. Never a wrong mean.

In a round, what a single client has sent wrongly is left out before (`admission.py`). What comes here and is not sound
is nobody's to leave out: the rule does not fit what it is given, and the run ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from fedlab_core.federation.admission import not_finite
from fedlab_core.types import Masks, Update


class AggregationError(ValueError):
    """Updates that a rule cannot merge; the message names the rule, the client, the value and what is allowed."""


class Rule(NamedTuple):
    """What a rule takes for granted.

    Attributes:
        name: for people.
        per_faulty, beside: with f faulty clients it needs n >= per_faulty f + beside updates.
        one_mask: whether all updates have to be under the same masks. A pruned weight is sent as 0: where masks differ,
            an order or a distance of such zeros and of real weights would say nothing.
    """

    name: str
    per_faulty: int = 0
    beside: int = 1
    one_mask: bool = False

    def needed(self, faulty: int) -> int:
        """The fewest updates among which f may be faulty."""
        return self.per_faulty * faulty + self.beside


WEIGHTED_MEAN = Rule("weighted mean")
MASK_AWARE_MEAN = Rule("mask-aware mean")
MAJORITY_VOTE = Rule("majority vote")
MEDIAN = Rule("median", 2, 1, one_mask=True)
TRIMMED_MEAN = Rule("trimmed mean", 2, 1, one_mask=True)
KRUM = Rule("Krum", 2, 3, one_mask=True)


def checked(updates: Sequence[Update], rule: Rule, faulty: int = 0) -> list[Update]:
    """The updates in the order of client ids, so that a rule gives the same bytes in whatever order they arrive.

    Masks have to belong to the tensors of `params`, also for a rule that does not look at them: who puts other tensors
    there (`dataclasses.replace`) replaces the masks, too.

    Args:
        updates: of different clients, with finite tensors of the same names, shapes and types.
        rule: whose assumptions have to hold.
        faulty: f, how many of the updates may be arbitrarily wrong.

    Raises:
        AggregationError: anything that the rule cannot merge, in one sentence.
    """
    if not _whole(faulty, least=0):
        raise AggregationError(f"{rule.name}: f, the number of faulty clients, is {faulty!r}; allowed are 0, 1, 2, ...")
    if not updates:
        raise AggregationError(f"{rule.name}: there is no update to merge; it needs at least one")
    if len(updates) < rule.needed(faulty):
        raise AggregationError(
            f"{rule.name}: {len(updates)} updates with f = {faulty} faulty; "
            f"it needs n >= {rule.per_faulty}f + {rule.beside} = {rule.needed(faulty)}"
        )
    ordered = sorted(updates, key=lambda update: update.client_id)
    for before, update in zip([None, *ordered], ordered, strict=False):
        if wrong := _wrong(update, before, rule.one_mask):
            raise AggregationError(f"{rule.name}: client {update.client_id} {wrong}")
    return ordered


def _wrong(update: Update, before: Update | None, one_mask: bool) -> str | None:
    """What is wrong with one update, seen beside the one with the next lower id."""
    if not _whole(update.num_examples, least=1):
        return f"has {update.num_examples!r} examples; allowed are whole numbers from 1"
    if before and update.client_id == before.client_id:
        return "is there twice; one update of each client is allowed"
    if wrong := _wrong_masks(update):
        return wrong
    if before and (unlike := _unlike(update.params, before.params) or _unlike_names(update.masks, before.masks)):
        return f"{unlike} client {before.client_id}; all have to be alike"
    if before and one_mask and (name := _other_mask(update.masks, before.masks)):
        return f"has pruned other weights of {name!r} than client {before.client_id}; this rule needs the same masks"
    if name := not_finite(update.params):
        value = float(update.params[name][~update.params[name].isfinite()][0])
        return f"sent {name!r} with the value {value}; allowed are finite numbers"
    return None


def _whole(number: object, least: int) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number >= least


def _wrong_masks(update: Update) -> str | None:
    for name, mask in update.masks.items():
        if name not in update.params:
            return f"masks {name!r}, a tensor that it did not send; allowed are {', '.join(update.params) or 'none'}"
        if mask.dtype != torch.bool or mask.shape != update.params[name].shape:
            return f"masks {name!r} by {_kind(mask)}; allowed is torch.bool {tuple(update.params[name].shape)}"
    return None


def _unlike(tensors: Mapping[str, Tensor], others: Mapping[str, Tensor]) -> str | None:
    if unlike := _unlike_names(tensors, others):
        return unlike
    for name, tensor in tensors.items():
        if (tensor.dtype, tensor.shape) != (others[name].dtype, others[name].shape):
            return f"sent {name!r} as {_kind(tensor)}, and as {_kind(others[name])}"
    return None


def _unlike_names(tensors: Mapping[str, Tensor], others: Mapping[str, Tensor]) -> str | None:
    differing = sorted(tensors.keys() ^ others.keys())
    return f"has other tensors or masks ({differing[0]!r} is not in both) than" if differing else None


def _other_mask(masks: Masks, others: Masks) -> str | None:
    return next((name for name, mask in masks.items() if not torch.equal(mask, others[name])), None)


def _kind(tensor: Tensor) -> str:
    return f"{tensor.dtype} {tuple(tensor.shape)}"
