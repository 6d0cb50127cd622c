"""02 Non-IID data, second exercise: the Jensen-Shannon divergence of two label distributions."""

from __future__ import annotations

import torch
from torch import Tensor

from fedlab_core.lessons.checks.exercise import Answer, Exercise, law


def jensen_shannon(p_C: Tensor, q_C: Tensor) -> float:
    """(KL(p, m) + KL(q, m)) / 2 with m = (p + q) / 2, in bits: 0 for equal distributions, 1 for disjoint ones."""
    m_C = (p_C + q_C) / 2
    return float(_kl(p_C, m_C) + _kl(q_C, m_C)) / 2


def _kl(p_C: Tensor, m_C: Tensor) -> Tensor:
    """In bits; where p is 0 nothing is added."""
    held_C = p_C > 0
    return (p_C[held_C] * (p_C[held_C] / m_C[held_C]).log2()).sum()


def _distribution(classes: int, draw: torch.Generator) -> Tensor:
    """Shares in tenths, each above 0."""
    parts_C = torch.randint(1, 9, (classes,), generator=draw).double()
    return parts_C / parts_C.sum()


@law(
    "equal distributions have divergence 0",
    where="What does your function give for p = q?",
    idea="m = (p + q) / 2 is then p itself, every quotient p / m is 1, and log 1 = 0.",
    code="`m_C = (p_C + q_C) / 2`, then sums of `p_C * log2(p_C / m_C)`",
)
def zero_for_equal(answer: Answer, draw: torch.Generator) -> None:
    for classes in (2, 3, 10):
        p_C = _distribution(classes, draw)
        answer.should_be(0.0, p_C, p_C)


@law(
    "it is symmetric",
    where="Exchange p and q. Is the result the same?",
    idea="KL(p, q) is not symmetric. Jensen-Shannon compares BOTH with their mean m and takes the mean of the two.",
    code="`(kl(p_C, m_C) + kl(q_C, m_C)) / 2`",
)
def symmetric(answer: Answer, draw: torch.Generator) -> None:
    for classes in (2, 3, 10):
        p_C, q_C = _distribution(classes, draw), _distribution(classes, draw)
        one, other = answer.number(p_C, q_C), answer.number(q_C, p_C)
        if not abs(one - other) < 1e-6:
            answer.broken((q_C, p_C), f"{one:.5g}, as with p and q exchanged", f"{other:.5g}")


@law(
    "a label that a client does not have adds nothing",
    where="Put a 0 into p. Is the result nan?",
    idea="0 log 0 counts as 0 (its limit), but the computer says 0 * -inf = nan.",
    code="`torch.xlogy(p_C, p_C / m_C)`, or sum only over `p_C > 0`",
)
def empty_labels(answer: Answer, draw: torch.Generator) -> None:
    for classes in (1, 3, 6):
        p_C, q_C, nobody_C = _distribution(classes, draw), _distribution(classes, draw), torch.zeros(1).double()
        value = answer.number(p_C, q_C)
        longer = torch.cat([p_C, nobody_C]), torch.cat([q_C, nobody_C])
        if not abs(answer.number(*longer) - value) < 1e-6:
            answer.broken(longer, f"{value:.5g}, as without the last label", f"{answer.number(*longer):.5g}")


@law(
    "distributions without a common label have divergence 1 (bit)",
    where="Two clients without a common label: do you get 1?",
    idea=(
        "The unit is bits, so the logarithm has base 2, and the mean of the two KL terms is taken once. No square "
        "root: that is the distance."
    ),
    code="`log2`, or divide the natural logarithm's result by `math.log(2)`",
)
def one_for_disjoint(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(1.0, torch.eye(2).double()[0], torch.eye(2).double()[1])
    p_C, q_C, none_C = _distribution(3, draw), _distribution(3, draw), torch.zeros(3).double()
    answer.should_be(1.0, torch.cat([p_C, none_C]), torch.cat([none_C, q_C]))


@law(
    "it is the mean of KL(p, m) and KL(q, m)",
    where="Try two overlapping distributions by hand, e.g. (1/2, 1/2) and (1, 0).",
    idea=(
        "KL(p, m) = sum_c p_c log2(p_c / m_c): weighted by p, the quotient inside the logarithm, compared with m and "
        "not with q."
    ),
    code="`(torch.xlogy(p, p / m).sum() + torch.xlogy(q, q / m).sum()) / 2 / math.log(2)`",
)
def formula(answer: Answer, draw: torch.Generator) -> None:
    for classes in (2, 3, 5, 10, 10):
        p_C, q_C = _distribution(classes, draw), _distribution(classes, draw)
        answer.should_be(jensen_shannon(p_C, q_C), p_C, q_C)


EXERCISES = (
    Exercise(
        "02.2", "jensen_shannon", jensen_shannon, (zero_for_equal, symmetric, empty_labels, one_for_disjoint, formula)
    ),
)
