"""07 Adaptive dynamic pruning, second exercise: the gradients of salient weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fedlab_core.lessons.checks.compare import difference
from fedlab_core.lessons.checks.exercise import Answer, Exercise, law
from fedlab_core.lessons.checks.inputs import integer
from fedlab_core.lessons.checks.show import show
from fedlab_core.strategies.dynamic_salient import SALIENCE, most_salient


def salient_gradient(weight: Tensor, grad: Tensor, keep: float) -> Tensor:
    """The lab's own salience and choice, of one layer."""
    return grad * most_salient(SALIENCE["taylor"](weight, grad), keep, 0)


def _pattern(answer: Answer, *args: Any) -> None:
    """The right entries are left, whatever their values."""
    got, expected = answer(*args), salient_gradient(*args)
    if why := difference(torch.zeros_like(got) if isinstance(got, Tensor) else got, torch.zeros_like(expected)):
        answer.broken(args, show(expected), f"{show(got)} ({why})")
    if not torch.equal(got != 0, expected != 0):
        answer.broken(args, show(expected), show(got))


def _different(draw: torch.Generator, *shape: int) -> tuple[Tensor, Tensor]:
    """Weights and gradients, all positive and whole, whose products all differ."""
    entries = torch.Size(shape).numel()
    weight = torch.randint(1, 4, (entries,), generator=draw)
    grad = torch.randperm(entries, generator=draw) + 1
    while len((weight * grad).unique()) < entries:
        weight = torch.randint(1, 4, (entries,), generator=draw)
        grad = torch.randperm(3 * entries, generator=draw)[:entries] + 1
    return weight.view(shape).float(), grad.view(shape).float()


@law(
    "the weights with the largest w g are salient",
    where="w = [9, 4, 3, 1], g = [1, 5, 6, 8], keep half: the products are 9, 20, 18 and 8; which gradients are left?",
    idea="To first order, removing w changes the loss by w g: neither |w| nor |g| alone decides, their product does.",
    code="`salience = (weight * grad).abs()`, and keep the gradient where it is among the largest",
)
def product(answer: Answer, draw: torch.Generator) -> None:
    _pattern(answer, torch.tensor([9.0, 4.0, 3.0, 1.0]), torch.tensor([1.0, 5.0, 6.0, 8.0]), 0.5)
    for entries in (4, 8):
        _pattern(answer, *_different(draw, entries), 0.5)


@law(
    "the sign of w g does not matter",
    where="w = -1 and g = 9: is that weight salient?",
    idea="A loss that falls by 9 is as large a change as one that rises by 9: take the absolute value of the product.",
    code="`(weight * grad).abs()`",
)
def sign(answer: Answer, draw: torch.Generator) -> None:
    _pattern(answer, torch.tensor([-1.0, 2.0, -3.0, 1.0]), torch.tensor([9.0, 1.0, -2.0, 1.0]), 0.5)
    for entries in (4, 8):
        weight, grad = _different(draw, entries)
        flips = torch.randint(2, (2, entries), generator=draw) * 2.0 - 1
        _pattern(answer, weight * flips[0], grad * flips[1], 0.5)


@law(
    "what is left is the gradient itself",
    where="The gradient of a salient weight is 5: what is it in your result?",
    idea="The mask M of 0 and 1 is multiplied with the gradient, and the step is lr M g. Salience only chooses.",
    code="`return grad * mask`",
)
def gradient_itself(answer: Answer, draw: torch.Generator) -> None:
    args = (torch.tensor([2.0, 1.0]), torch.tensor([5.0, 3.0]), 0.5)
    answer.should_be(torch.tensor([5.0, 0.0]), *args)
    args = (*_different(draw, 6), 0.5)
    answer.should_be(salient_gradient(*args), *args)


@law(
    "round(keep x n) entries of the n are left, but at least one",
    where="n = 8 and keep = 0.2: how many are left? And for keep = 0.15, and 0.01?",
    idea="Count first: round to the nearest whole number, not down. `torch.quantile` interpolates: other counts.",
    code="`count = max(1, round(keep * weight.numel()))`",
)
def how_many(answer: Answer, draw: torch.Generator) -> None:
    for entries, keep in ((8, 0.2), (8, 0.15), (8, 0.01), (5, 1.0)):
        _pattern(answer, *_different(draw, entries), keep)


@law(
    "the entries of a layer compete with each other, in one ranking",
    where="A weight of two rows, where all that is salient is in the first row: what is left of the second?",
    idea="The ranking goes over all entries of the tensor. Along one axis, every row would keep its own share.",
    code="`salience.flatten()` before `topk`, `kthvalue` or `sort`",
)
def one_ranking(answer: Answer, draw: torch.Generator) -> None:
    _pattern(answer, torch.tensor([[9.0, 8.0], [2.0, 1.0]]), torch.ones(2, 2), 0.5)
    _pattern(answer, *_different(draw, 3, 4), 0.25)


@law(
    "what is as salient as the last one kept is kept, too",
    where="Products [3, 2, 2, 1], keep half: the second and the third are equal. What does your result do?",
    idea="M = 1 where S is at least the threshold: unlike a gate, a gradient costs no more if one more is kept.",
    code="`threshold = salience.flatten().topk(count).values[-1]`, then `grad * (salience >= threshold)`",
)
def ties(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(torch.tensor([3.0, 2.0, 2.0, 0.0]), torch.ones(4), torch.tensor([3.0, 2.0, 2.0, 1.0]), 0.5)
    weight, grad = torch.ones(6), torch.randint(1, 4, (6,), generator=draw).float()
    answer.should_be(salient_gradient(weight, grad, 0.5), weight, grad, 0.5)


@law(
    "it is the salient gradient for any layer",
    where="Convolutions have four axes; products may be equal or 0.",
    idea="M = 1 where |w g| is at least the round(keep x n)-th largest |w g| of the layer, else 0.",
    code="`salience = (weight * grad).abs()`, `threshold` as the count-th largest, `grad * (salience >= threshold)`",
)
def any_layer(answer: Answer, draw: torch.Generator) -> None:
    for shape in ((7,), (3, 5), (2, 3, 3, 3), (4, 1)):
        for keep in (0.1, 0.37, 0.8):
            weight, grad = (torch.randint(-9, 10, shape, generator=draw).float() for _ in range(2))
            answer.should_be(salient_gradient(weight, grad, keep), weight, grad, keep)
    wide = (torch.randn(20, 30, generator=draw), torch.randn(20, 30, generator=draw), integer(1, 9, draw) / 10)
    answer.should_be(salient_gradient(*wide), *wide)


EXERCISES = (
    Exercise(
        "07.2",
        "salient_gradient",
        salient_gradient,
        (product, sign, gradient_itself, how_many, one_ranking, ties, any_layer),
    ),
)
