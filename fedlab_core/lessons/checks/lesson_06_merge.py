"""06 FedSparsify, third exercise, find the bug: averaging models with different masks."""

from __future__ import annotations

import torch

from fedlab_core.federation.aggregation import holders_mean
from fedlab_core.lessons.checks.exercise import Answer, Exercise, law
from fedlab_core.lessons.checks.inputs import integer, masks, params, single, update
from fedlab_core.types import Update


def _sparse_uploads(draw: torch.Generator, clients: int, density: float = 0.5) -> list[Update]:
    return [update(k, integer(1, 9, draw), params(draw), masks(draw, density)) for k in range(clients)]


@law(
    "where all clients kept a weight, it is the weighted mean",
    where="Start with full masks: is your result FedAvg's?",
    idea="If everybody holds a weight, the mean over its holders is the mean over all, weighted by n_k.",
    code="numerator `sum(n_k * m_k * w_k)`, denominator `sum(n_k * m_k)`",
)
def full_masks(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be({"w": torch.tensor([2.0])}, [single(0, 3, 1.0, kept=True), single(1, 1, 5.0, kept=True)])
    for clients in (2, 3, 5):
        uploads = [single(k, integer(1, 9, draw), integer(1, 9, draw), kept=True) for k in range(clients)]
        answer.should_be(holders_mean(uploads), uploads)


@law(
    "clients that pruned a weight do not pull it towards zero",
    where="Which clients are in the denominator of your mean?",
    idea="Only holders may count: divide by the examples of the clients that KEPT weight i, a number for each weight.",
    code="`share = sum(update.num_examples * update.masks[name] for update in updates)`, then total / share",
)
def holders_only(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be({"w": torch.tensor([6.0])}, [single(0, 1, 6.0, kept=True), single(1, 1, 0.0, kept=False)])
    answer.should_be(
        {"w": torch.tensor([3.0])},
        [single(0, 3, 2.0, kept=True), single(1, 1, 6.0, kept=True), single(2, 5, 0.0, kept=False)],
    )


@law(
    "a weight that nobody kept is 0",
    where="What is 0 / 0 in torch?",
    idea="Without a holder numerator and denominator are both 0; the result would be nan and spoil the whole model.",
    code="`torch.where(share > 0, total / share, 0.0)`, or divide by `share.clamp(min=1)`",
)
def no_holder(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be({"w": torch.tensor([0.0])}, [single(0, 2, 0.0, kept=False), single(1, 1, 0.0, kept=False)])


@law(
    "a kept weight that happens to be 0 counts as kept",
    where="How do you find out who kept a weight?",
    idea="A mask is never inferred from zeros: a holder may have learned the value 0, and it has a say.",
    code="Use `update.masks[name]`, not `update.params[name] != 0`.",
)
def zero_is_a_value(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be({"w": torch.tensor([2.0])}, [single(0, 1, 4.0, kept=True), single(1, 1, 0.0, kept=True)])


@law(
    "tensors without a mask are averaged over all clients",
    where="Biases are not in `masks`. Are they in your result, and right?",
    idea="Nobody may prune a bias, so everybody holds it: its mean is FedAvg's weighted mean.",
    code="`kept = update.masks.get(name, torch.ones_like(update.params[name]))`",
)
def biases(answer: Answer, draw: torch.Generator) -> None:
    for clients in (1, 2, 3):
        uploads = _sparse_uploads(draw, clients, density=1.1)
        answer.should_be(holders_mean(uploads), uploads)
    uploads = _sparse_uploads(draw, 2, density=-1.0)
    answer.should_be(holders_mean(uploads), uploads)


@law(
    "it is the mean over the holders for every mixture of masks",
    where="Many clients, random masks.",
    idea="w_i = sum_k n_k m_k,i w_k,i / sum_k n_k m_k,i, and 0 where nobody kept weight i.",
    code=(
        "For each name: total and share as two sums over the updates, then `torch.where(share > 0, total / share, "
        "0.0)`."
    ),
)
def any_masks(answer: Answer, draw: torch.Generator) -> None:
    for clients in (2, 3, 5, 12):
        for density in (0.2, 0.5, 0.8):
            uploads = _sparse_uploads(draw, clients, density)
            answer.should_be(holders_mean(uploads), uploads)
            answer.should_be(holders_mean(uploads), uploads[::-1])


EXERCISES = (
    Exercise("06.3", "merge", holders_mean, (full_masks, holders_only, no_holder, zero_is_a_value, biases, any_masks)),
)
