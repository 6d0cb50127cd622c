"""13 From simulation to deployment, second and third exercise: merging when a few clients may send anything."""

from __future__ import annotations

import torch
from torch import Tensor

from fedlab_core.federation import robust
from fedlab_core.federation.validation import AggregationError
from fedlab_core.lessons.checks.exercise import Answer, Exercise, law
from fedlab_core.lessons.checks.inputs import integer, update
from fedlab_core.types import Update


def trimmed_mean(values: Tensor, faulty: int) -> Tensor:
    """[K, P] -> [P]: of each weight the mean without the f largest and the f smallest values."""
    return robust.trimmed_mean(_updates(values), faulty)["w"]


def krum(values: Tensor, faulty: int) -> int | None:
    """[K, P] -> the row that is closest to the others; None with fewer than 2f + 3 rows."""
    try:
        return robust.most_central(_updates(values), faulty).client_id
    except AggregationError:
        return None


def _updates(values: Tensor) -> list[Update]:
    return [update(k, 1, {"w": row}) for k, row in enumerate(values)]


def _column(*numbers: float) -> Tensor:
    """Clients with one weight each."""
    return torch.tensor(numbers)[:, None]


def _rows(clients: int, weights: int, draw: torch.Generator) -> Tensor:
    return torch.randint(-20, 21, (clients, weights), generator=draw).float()


@law(
    "with f = 0 it is the plain mean over the clients",
    where="Two clients, two weights, f = 0: what comes out, and of which shape?",
    idea="Row k is client k: the mean is taken over rows, dimension 0, and has one number for each weight.",
    code="`kept.mean(0)`",
)
def plain_mean(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(torch.tensor([2.0, 5.0]), torch.tensor([[1.0, 4.0], [3.0, 6.0]]), 0)
    values = _rows(4, 3, draw)
    answer.should_be(values.mean(0), values, 0)


@law(
    "f values go at each end",
    where="Five clients with 1, 2, 4, 5 and 100, f = 1. Which three are left?",
    idea=(
        "Nobody knows on which side the false values lie, so f of the largest AND f of the smallest go: 2f in all. "
        "The largest by value, not the last in the list: sort first. Divide by n - 2f, for so many are left."
    ),
    code="`values.sort(0).values[faulty : len(values) - faulty]`",
)
def both_ends(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(torch.tensor([11 / 3]), _column(1.0, 2.0, 4.0, 5.0, 100.0), 1)
    answer.should_be(torch.tensor([11 / 3]), _column(4.0, 100.0, 1.0, 5.0, 2.0), 1)
    answer.should_be(torch.tensor([-1.0]), _column(-100.0, 0.0, -90.0, -1.0, -2.0, 3.0, 9.0), 2)


@law(
    "each weight is trimmed by itself",
    where="The client with the largest first weight may have the smallest second one.",
    idea=(
        "Coordinate-wise: sort every column for itself. Whole clients are not dropped, so the values that are left may "
        "come from other clients in every column."
    ),
    code="`values.sort(0)`, which sorts each column alone; no `argsort` of norms or of one column",
)
def by_coordinate(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(torch.tensor([2.0, 5.0]), torch.tensor([[1.0, 9.0], [2.0, 5.0], [9.0, 1.0]]), 1)
    values = torch.tensor([[1.0, 40.0, 3.0], [50.0, 1.0, 4.0], [2.0, 2.0, 60.0], [3.0, 5.0, 1.0], [4.0, 7.0, 8.0]])
    answer.should_be(trimmed_mean(values, 1), values, 1)


@law(
    "it is the trimmed mean for any n and f with n > 2f",
    where="Try values that occur twice, and n = 2f + 1, where one value is left: the median.",
    idea="Equal values count as often as they occur: exactly f places go at each end, whatever stands there.",
    code="Sort, cut f rows at each end, mean of the rest over dimension 0.",
)
def any_trimmed(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(torch.tensor([3.0]), _column(3.0, 3.0, 3.0, 1.0, 3.0), 1)
    for faulty in (0, 1, 2, 3):
        for more in (1, 2, 4):
            values = _rows(2 * faulty + more, integer(1, 4, draw), draw)
            answer.should_be(trimmed_mean(values, faulty), values, faulty)


@law(
    "the client closest to the others is chosen",
    where="Five clients with one weight each: 0, 4, 5, 7 and 100; f = 1. Work the five scores out by hand.",
    idea=(
        "For each client the squared distances to the OTHERS, without itself; the n - f - 2 = 2 smallest of them are "
        "added up: 41, 10, 5, 13 and far more. The lowest score wins: 5, which is row 2. No mean is involved: the mean "
        "follows the liar."
    ),
    code="`d = [((values[i] - values[k]) ** 2).sum() for k in range(n) if k != i]`; `sorted(d)[: n - faulty - 2]`",
)
def closest(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(2, _column(0.0, 4.0, 5.0, 7.0, 100.0), 1)
    answer.should_be(0, _column(5.0, 100.0, 4.0, 7.0, 0.0), 1)


@law(
    "with n < 2f + 3 the answer is None",
    where="Four clients, f = 1. Then ten clients, f = 4: 2 * 4 + 3 = 11.",
    idea=(
        "With fewer, f faulty clients that agree with each other may have the lowest score. A rule whose condition "
        "fails is not used: no result is better than a false one. 2f + 3 itself is enough."
    ),
    code="`if len(values) < 2 * faulty + 3: return None`",
)
def refused(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(None, _column(0.0, 1.0, 3.0, 100.0), 1)
    answer.should_be(None, _rows(10, 2, draw), 4)
    answer.should_be(None, _column(0.0, 1.0), 0)


@law(
    "distances are squared and taken over all weights together",
    where="Seven clients with two weights each: a sum of squares, its root, or a sum of absolute values?",
    idea=(
        "The score adds SQUARED Euclidean distances, over all weights of the client. Roots or absolute values weigh a "
        "far neighbour less, and a score for each weight by itself is none for the client."
    ),
    code="`((values[i] - values[k]) ** 2).sum()`",
)
def squared(answer: Answer, draw: torch.Generator) -> None:
    pairs = [[11, 1], [3, 0], [11, 6], [12, 7], [0, 0], [6, 5], [40, 0]]
    answer.should_be(5, torch.tensor(pairs).float(), 1)


@law(
    "it is Krum's choice for any n >= 2f + 3",
    where="More clients, more faulty ones, more weights; also f = 0.",
    idea=(
        "Of the n clients, one is the client itself, f may be faulty, and one more is left out by the rule: n - f - 2 "
        "neighbours count, neither more nor fewer."
    ),
    code="`sum(sorted(distances)[: n - faulty - 2])`",
)
def any_choice(answer: Answer, draw: torch.Generator) -> None:
    for clients, faulty in ((5, 1), (7, 2), (8, 1), (9, 3), (6, 0)):
        for _ in range(4):
            values = _clear(clients, integer(1, 3, draw), faulty, draw)
            answer.should_be(krum(values, faulty), values, faulty)


def _clear(clients: int, weights: int, faulty: int, draw: torch.Generator) -> Tensor:
    """Values of which one client is the closest by far enough that rounding cannot decide."""
    while True:
        values = _rows(clients, weights, draw)
        distances = (values[:, None] - values[None]).square().sum(-1).sort(1).values
        best, second = distances[:, 1 : clients - faulty - 1].sum(1).sort().values[:2]
        if second > best:
            return values


EXERCISES = (
    Exercise("13.2", "trimmed_mean", trimmed_mean, (plain_mean, both_ends, by_coordinate, any_trimmed)),
    Exercise("13.3", "krum", krum, (closest, refused, squared, any_choice)),
)
