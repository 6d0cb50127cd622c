"""11 Brain age and privacy, third exercise: the threshold attack of Yeom et al. 2018 (arXiv 1709.01604)."""

from __future__ import annotations

import torch
from torch import Tensor

from fedlab_core.lessons.checks.exercise import Answer, Exercise, law


def advantage(losses: Tensor, members: Tensor) -> float:
    """TPR - FPR of the attacker who says "member" where the loss is at most the members' mean loss."""
    accused = losses <= losses[members].mean()
    return float(accused[members].double().mean() - accused[~members].double().mean())


def _losses(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def _members(count: int, others: int) -> Tensor:
    return torch.arange(count + others) < count


def _quarters(count: int, most: int, draw: torch.Generator) -> Tensor:
    """Losses that are multiples of a quarter: their means of 2, 4, 8 or 16 are exact."""
    return torch.randint(most + 1, (count,), generator=draw).double() / 4


@law(
    "it is 1 where losses tell the two apart, and 0 where all losses are the same",
    where="Members with loss 0, the others with loss 4. And then: everybody with loss 1.",
    idea=(
        "Accused is whose loss is AT MOST the threshold, so that members with exactly this loss are accused. The "
        "advantage is the true positive rate minus the false positive rate: if everybody is accused, 1 - 1 = 0."
    ),
    code="`accused = losses <= threshold`, then `tpr - fpr`",
)
def extremes(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(1.0, _losses(0, 0, 4, 4), _members(2, 2))
    answer.should_be(0.0, _losses(1, 1, 1, 1), _members(2, 2))
    answer.should_be(0.5, _losses(1, 1, 1, 2), _members(2, 2))


@law(
    "the threshold is the mean loss of the members",
    where="Members with losses 0, 0 and 6; the others with 1, 9 and 9: what is your threshold?",
    idea="It is what is published with a model, its mean training loss: not the median, not the mean over everybody.",
    code="`threshold = losses[members].mean()`",
)
def threshold(answer: Answer, draw: torch.Generator) -> None:
    # The members' mean is 2 both times, their median 0, the mean of all 4.2 and 6.
    answer.should_be(1 / 3, _losses(0, 0, 6, 1, 9, 9), _members(3, 3))
    answer.should_be(3 / 4, _losses(0, 0, 0, 8, 3, 3, 4, 30), _members(4, 4))


@law(
    "each rate is a share of its own group",
    where="Three members and one non-member: by what do you divide?",
    idea="TPR is a share of the members, FPR a share of the others: two means over two groups, whatever their sizes.",
    code="`accused[members].float().mean() - accused[~members].float().mean()`",
)
def own_group(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(1.0, _losses(1, 1, 1, 5), _members(3, 1))
    answer.should_be(1 / 3, _losses(1, 0, 1, 5), _members(1, 3))


@law(
    "it may be negative: losses that point the wrong way",
    where="Members with the LARGER losses: what comes out?",
    idea="Then more non-members than members are accused, and the attacker does worse than guessing. Leave the sign.",
    code="Return `tpr - fpr` as it is, without `abs` and without `max(0, ...)`.",
)
def negative(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(-0.5, _losses(5, 1, 1, 1), _members(2, 2))
    answer.should_be(-0.25, _losses(2, 2, 2, 6, 1, 1, 1, 1), _members(4, 4))


@law(
    "it works for any losses, in any order",
    where="Try many examples of both kinds, mixed.",
    idea="`members` says which entries are members: they need not come first.",
    code="`threshold = losses[members].mean()`; `accused = losses <= threshold`; the difference of the two means",
)
def anything(answer: Answer, draw: torch.Generator) -> None:
    for members, others in ((2, 3), (8, 8), (16, 5)):
        order_N = torch.randperm(members + others, generator=draw)
        loss_N, member_N = _quarters(members + others, 12, draw), _members(members, others)[order_N]
        answer.should_be(advantage(loss_N, member_N), loss_N, member_N)
        right_N = (loss_N < 2).double()
        answer.should_be(advantage(right_N, member_N), right_N, member_N)


EXERCISES = (Exercise("11.3", "advantage", advantage, (extremes, threshold, own_group, negative, anything)),)
