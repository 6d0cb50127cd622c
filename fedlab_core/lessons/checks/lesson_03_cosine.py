"""03 Client drift, first exercise: the mean cosine of the clients' updates."""

from __future__ import annotations

import torch

from fedlab_core.drift import mean_cosine
from fedlab_core.lessons.checks.exercise import Answer, Exercise, law
from fedlab_core.lessons.checks.inputs import integer, params, update
from fedlab_core.types import Params, Update

SENT: Params = {"w": torch.tensor([1.0, 1.0])}


def _ways(*steps: tuple[float, float]) -> tuple[Params, list[Update]]:
    """Clients that move by these steps from `SENT`."""
    return SENT, [update(k, 1, {"w": SENT["w"] + torch.tensor(step)}) for k, step in enumerate(steps)]


@law(
    "two clients that go the same way have cosine 1, however far they go",
    where="One client moved from (1, 1) by (2, 0), the other by (1, 0). What are your two vectors?",
    idea=(
        "The update is w_k - w, not w_k itself; and the cosine divides the product u . v by both lengths, so that only "
        "the direction counts. A client is not compared with itself."
    ),
    code="`step = update.params[name] - sent[name]`; `cosine = u @ v / (u.norm() * v.norm())`",
)
def same_way(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(1.0, *_ways((2, 0), (1, 0)))
    for _ in range(3):
        way = (float(integer(1, 4, draw)), float(integer(1, 4, draw)))
        times = integer(2, 5, draw)
        answer.should_be(1.0, *_ways(way, (times * way[0], times * way[1])))


@law(
    "opposite ways have cosine -1, a right angle 0",
    where="Two clients walk in opposite directions. Is your result negative?",
    idea=(
        "Keep the sign: a negative cosine says that what one client does, the other undoes. And only pairs of two "
        "different clients count: the cosine of a client with itself is always 1 and would hide it."
    ),
    code="no `abs`; pairs (k, l) with k < l: `itertools.combinations`, or `torch.triu_indices(K, K, offset=1)`",
)
def opposite(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(-1.0, *_ways((2, 0), (-1, 0)))
    answer.should_be(0.0, *_ways((2, 0), (0, 3)))


@law(
    "it is the mean over every pair of clients",
    where="Three clients: how many pairs are there, and which of them do you count?",
    idea="K clients make K (K - 1) / 2 pairs: with three, 0-1, 0-2 and 1-2. Add up their cosines and divide by 3.",
    code="`for k in range(K): for l in range(k + 1, K): ...`, then divide by the number of pairs",
)
def every_pair(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(-1 / 3, *_ways((1, 0), (0, 2), (-3, 0)))
    answer.should_be(-1 / 6, *_ways((1, 0), (0, 1), (-1, 0), (1, 0)))


@law(
    "all tensors of a client make one vector",
    where="A model has several tensors. Do you take one cosine a client pair, or one a tensor?",
    idea=(
        "An update is a single direction in the space of all weights. The mean of the tensors' own cosines gives a "
        "bias of two numbers as much say as a matrix of thousands; leaving the biases out loses part of the way."
    ),
    code="`torch.cat([(update.params[name] - sent[name]).flatten() for name in sent])`",
)
def one_vector(answer: Answer, draw: torch.Generator) -> None:
    sent = {"a": torch.tensor([[0.0, 1.0]]), "b": torch.tensor([2.0])}
    first = {"a": torch.tensor([[3.0, 1.0]]), "b": torch.tensor([6.0])}  # moved by 3, 0 and 4
    second = {"a": torch.tensor([[3.0, 1.0]]), "b": torch.tensor([-2.0])}  # moved by 3, 0 and -4
    answer.should_be(-7 / 25, sent, [update(0, 1, first), update(1, 1, second)])


@law(
    "it works for any model, any number of clients, in any order",
    where="Try ten clients of different sizes.",
    idea="Neither the order of the clients nor their numbers of examples matter: every pair counts the same.",
    code="the sum of the cosines of all pairs k < l, divided by `K * (K - 1) / 2`",
)
def anything(answer: Answer, draw: torch.Generator) -> None:
    for count in (2, 3, 5, 10):
        sent = params(draw)
        uploads = [update(k, integer(1, 90, draw), params(draw)) for k in range(count)]
        answer.should_be(mean_cosine(sent, uploads), sent, uploads)
        answer.should_be(mean_cosine(sent, uploads), sent, uploads[::-1])


EXERCISES = (Exercise("03.1", "mean_cosine", mean_cosine, (same_way, opposite, every_pair, one_vector, anything)),)
