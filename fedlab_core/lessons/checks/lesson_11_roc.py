"""11 Brain age and privacy, first two exercises: the ROC curve of an attack, and what is found at few false alarms."""

from __future__ import annotations

import torch
from torch import Tensor

from fedlab_core.lessons.checks.exercise import Answer, Exercise, law
from fedlab_core.lessons.checks.inputs import integer
from fedlab_core.privacy import roc_points

Examples = tuple[Tensor, Tensor]
"""Scores [N] and membership [N]."""


def roc(scores: Tensor, members: Tensor) -> list[tuple[float, float]]:
    """(FPR, TPR) of every threshold, from nobody to everybody accused."""
    return roc_points(members.numpy(), scores.numpy())


def tpr_at(scores: Tensor, members: Tensor, most: float) -> float:
    """The highest TPR of a threshold whose FPR is at most `most`."""
    return max(tpr for fpr, tpr in roc(scores, members) if fpr <= most)


def _shown(*pairs: tuple[float, bool]) -> Examples:
    scores, members = zip(*pairs, strict=True)
    return torch.tensor(scores, dtype=torch.float64), torch.tensor(members)


def _falling(members: int, others: int, draw: torch.Generator) -> Examples:
    """Different scores, the highest first."""
    member_N = (torch.arange(members + others) < members)[torch.randperm(members + others, generator=draw)]
    return torch.arange(members + others, 0, -1).double(), member_N


def _mixed(members: int, others: int, draw: torch.Generator, levels: int = 4) -> Examples:
    """Few different scores, in any order: ties within and between the groups."""
    score_N = torch.randint(-levels, levels + 1, (members + others,), generator=draw).double() / 8
    return score_N, _falling(members, others, draw)[1]


@law(
    "it begins with nobody accused, (0, 0), and ends with everybody accused, (1, 1)",
    where="One member and one non-member: which three points are there?",
    idea=(
        "A point is (false positive rate, true positive rate), in this order. A threshold above all scores accuses "
        "nobody; then one threshold at each score, from the highest to the lowest: accused is who reaches it. Also "
        "where the curve goes straight on there is a point."
    ),
    code="`points = [(0.0, 0.0)]`, then for each threshold `accused = scores >= threshold`, and append",
)
def both_ends(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be([(0.0, 0.0), (0.0, 1.0), (1.0, 1.0)], *_shown((2, True), (1, False)))
    answer.should_be([(0.0, 0.0), (1.0, 0.0), (1.0, 1.0)], *_shown((2, False), (1, True)))
    straight = [(0.0, 0.0), (0.0, 0.5), (0.0, 1.0), (0.5, 1.0), (1.0, 1.0)]
    answer.should_be(straight, *_shown((4, True), (3, True), (2, False), (1, False)))


@law(
    "each rate is a share of its own group",
    where="Give it three members and one non-member: by what do you divide?",
    idea=(
        "The true positive rate is the share of the MEMBERS who are accused, the false positive rate the share of the "
        "NON-members who are. The groups may have different sizes."
    ),
    code="`(accused & ~members).sum() / (~members).sum()` and `(accused & members).sum() / members.sum()`",
)
def own_group(answer: Answer, draw: torch.Generator) -> None:
    points = [(0.0, 0.0), (0.0, 1 / 3), (1.0, 1 / 3), (1.0, 2 / 3), (1.0, 1.0)]
    answer.should_be(points, *_shown((4, True), (3, False), (2, True), (1, True)))
    for members, others in ((4, 2), (2, 5)):
        shown = _falling(members, others, draw)
        answer.should_be(roc(*shown), *shown)


@law(
    "equal scores are accused together: one threshold, one point",
    where="A member and a non-member with the same score: how many points do they make?",
    idea=(
        "A threshold cannot tell equal scores apart. Whoever sorts them and steps through one by one gets a curve that "
        "depends on the order of the list, up to a perfect one for a model that knows nothing."
    ),
    code="`for threshold in scores.unique().flip(0):` visits each different score once, the highest first",
)
def ties(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be([(0.0, 0.0), (1.0, 1.0)], *_shown((1, True), (1, False)))
    answer.should_be([(0.0, 0.0), (0.5, 0.5), (1.0, 1.0)], *_shown((3, True), (3, False), (1, True), (1, False)))
    for _ in range(3):
        score_N, member_N = _mixed(3, 4, draw, levels=1)
        score_N = score_N.sort(descending=True).values
        answer.should_be(roc(score_N, member_N), score_N, member_N)


@law(
    "examples may come in any order",
    where="Exchange the two examples of the smallest case. Does the curve stay?",
    idea="Only the scores say who is accused first, not the places in the list.",
    code="Sort first, `scores.sort(descending=True)`, or compare all scores with each threshold.",
)
def any_order(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be([(0.0, 0.0), (0.0, 1.0), (1.0, 1.0)], *_shown((1, False), (2, True)))
    score_N, member_N = _falling(3, 3, draw)
    order_N = torch.randperm(6, generator=draw)
    answer.should_be(roc(score_N, member_N), score_N[order_N], member_N[order_N])


@law(
    "it works for scores of any size, and any number of examples",
    where="Try scores below zero, above one, and very close to each other.",
    idea="A score is any number, minus the loss for example. Only the order counts: the scores are the thresholds.",
    code="No fixed thresholds such as 0.1, 0.2, ...: use `scores.unique()`.",
)
def any_scores(answer: Answer, draw: torch.Generator) -> None:
    for members, others, size in ((1, 3, 9), (6, 6, 0.01), (20, 9, 9)):
        score_N = size * torch.randn(members + others, dtype=torch.float64, generator=draw)
        shown = score_N, _falling(members, others, draw)[1]
        answer.should_be(roc(*shown), *shown)
        shown = _mixed(members, others, draw)
        answer.should_be(roc(*shown), *shown)


@law(
    "without a false alarm, only members above every non-member are found",
    where="Take `most` = 0: who may be accused?",
    idea="Found is a share of the members. For `most` = 0 every threshold that accuses a single non-member is too low.",
    code="`max(tpr for fpr, tpr in points if fpr <= most)`, with the points of exercise 11.1",
)
def no_false_alarm(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(2 / 3, *_shown((5, True), (4, True), (3, False), (2, True)), 0.0)
    answer.should_be(0.0, *_shown((5, False), (4, True), (3, False), (2, True)), 0.0)


@law(
    "the rate of false alarms may reach the limit, and not exceed it",
    where="Two non-members and `most` = 0.5: may one of them be accused?",
    idea=(
        "AT MOST the limit: a threshold with exactly this false positive rate is allowed, a higher rate is not. What "
        "is returned is its TRUE positive rate, and nothing is taken off."
    ),
    code="`fpr <= most`, not `<`; and no `quantile`, which lies between two scores",
)
def limit(answer: Answer, draw: torch.Generator) -> None:
    shown = _shown((5, False), (4, True), (3, True), (2, False), (1, True))
    answer.should_be(2 / 3, *shown, 0.5)
    answer.should_be(1.0, *shown, 1.0)
    for others in (2, 4, 8):
        score_N, member_N = _falling(3, others, draw)
        for count in range(others + 1):
            answer.should_be(tpr_at(score_N, member_N, count / others), score_N, member_N, count / others)


@law(
    "equal scores are accused together",
    where="A member and a non-member have the same, highest score; `most` = 0.",
    idea="To accuse the member is to accuse the non-member as well: with `most` = 0 neither may be accused.",
    code="`scores >= threshold` for each different score; do not walk through a sorted list one by one",
)
def tied(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(0.0, *_shown((2, True), (2, False), (1, True), (1, False)), 0.0)
    answer.should_be(1.0, *_shown((3, True), (2, True), (2, False), (1, False)), 0.5)


@law(
    "nothing is interpolated: an attacker has to choose one of the thresholds",
    where="Everybody has the same score, `most` = 0.5: which thresholds are there?",
    idea=(
        "Between two points of the curve there is no threshold. A straight line through them promises what nobody can "
        "do, and the nearest point may accuse too many."
    ),
    code="Take the highest TPR among the points that there are and that keep the limit; no `interp`.",
)
def no_interpolation(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(0.0, *_shown((1, True), (1, False)), 0.5)
    answer.should_be(0.5, *_shown((3, True), (2, True), (2, False), (1, False)), 0.375)
    for others in (2, 4):
        score_N, member_N = _falling(4, others, draw)
        most = (integer(0, others - 1, draw) + 0.75) / others
        answer.should_be(tpr_at(score_N, member_N, most), score_N, member_N, most)


@law(
    "it works for any scores, groups of any size, in any order",
    where="Try scores below zero, many examples, and groups of different sizes.",
    idea="Go over every threshold; keep those with few enough false alarms; take the best of these.",
    code="`max(tpr for fpr, tpr in points if fpr <= most)`",
)
def any_examples(answer: Answer, draw: torch.Generator) -> None:
    for members, others in ((1, 1), (5, 8), (30, 16)):
        for shown in (_mixed(members, others, draw), _mixed(members, others, draw, levels=40)):
            most = (integer(0, others - 1, draw) + 0.5) / others
            answer.should_be(tpr_at(*shown, most), *shown, most)


EXERCISES = (
    Exercise("11.1", "roc", roc, (both_ends, own_group, ties, any_order, any_scores)),
    Exercise("11.2", "tpr_at", tpr_at, (no_false_alarm, limit, tied, no_interpolation, any_examples)),
)
