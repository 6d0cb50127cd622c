"""02 Non-IID data, second exercise: the Jensen-Shannon divergence of two label distributions."""

from __future__ import annotations

import math

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


def _partly_common(classes: int, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """Two distributions: a third of the labels only the first has, a third only the second, the others both."""
    order_C, third = torch.randperm(classes, generator=draw), classes // 3
    p_C, q_C = _distribution(classes, draw), _distribution(classes, draw)
    p_C[order_C[:third]] = 0
    q_C[order_C[third : 2 * third]] = 0
    return p_C / p_C.sum(), q_C / q_C.sum()


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
    one_sided = torch.tensor([1.0, 0.0]).double(), torch.tensor([0.5, 0.5]).double()
    for pair in (one_sided, one_sided[::-1], _partly_common(6, draw)):
        if math.isnan(answer.number(*pair)):
            answer.broken(pair, "a number", "nan")
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
        "root: that is the distance. A label that only one of the two has counts, too. And nothing is added to p and q "
        "against log 0: it would move the result."
    ),
    code="`p * log2(p / m)`, m below; for bits `log2`, or divide the natural logarithm's result by `math.log(2)`",
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


@law(
    "labels that only one of the two has count, too",
    where="Try p = (1/2, 1/2, 0) and q = (0, 1/2, 1/2) by hand. What do the first and the last label add?",
    idea=(
        "Where p is 0 and q is not, only the term of p is 0: m = q / 2, so q adds q log2(2) = q. Leave a label out of "
        "KL(p, m) where p is 0, and out of KL(q, m) where q is 0; not out of both where either is."
    ),
    code="one choice of labels for each term: `p > 0` for KL(p, m), `q > 0` for KL(q, m), never `(p > 0) & (q > 0)`",
)
def one_sided_labels(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(0.5, torch.tensor([0.5, 0.5, 0.0]).double(), torch.tensor([0.0, 0.5, 0.5]).double())
    for classes in (3, 4, 6, 10, 10):
        p_C, q_C = _partly_common(classes, draw)
        answer.should_be(jensen_shannon(p_C, q_C), p_C, q_C)


EXERCISES = (
    Exercise(
        "02.2",
        "jensen_shannon",
        jensen_shannon,
        # The last two in this order: who passes `formula` fails the last only through labels with a share of 0.
        (zero_for_equal, symmetric, empty_labels, one_for_disjoint, formula, one_sided_labels),
    ),
)
