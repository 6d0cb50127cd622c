"""09 Prune and regrow, second exercise: drop and grow with constant density."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fedlab_core.lessons.checks.compare import difference
from fedlab_core.lessons.checks.exercise import Answer, Exercise, law
from fedlab_core.lessons.checks.inputs import integer
from fedlab_core.lessons.checks.show import show
from fedlab_core.pruning.regrow import drop_and_grow

Case = tuple[Tensor, Tensor, Tensor, float]


def _case(draw: torch.Generator, kept: int, gone: int, fraction: float, signed: str = "") -> Case:
    """Weights and gradients that all differ in size; the kept ones have the smallest gradients, so none comes back.

    `signed` names what may be negative: the "weight", or the "grad".
    """
    order = torch.randperm(kept + gone, generator=draw)
    weight = torch.zeros(kept + gone)
    weight[:kept] = torch.randperm(kept, generator=draw) + 1.0
    grad = torch.cat([torch.randperm(kept, generator=draw) + 1.0, torch.randperm(gone, generator=draw) + kept + 1.0])
    flip = torch.randint(2, (kept + gone,), generator=draw) * 2 - 1
    weight = weight * flip + 0.0 if signed == "weight" else weight  # + 0.0, for a student should not meet -0
    grad = grad * flip if signed == "grad" else grad
    return weight[order], grad[order], (torch.arange(kept + gone) < kept)[order], fraction


def _mask(answer: Answer, *args: Any) -> Tensor:
    """A boolean tensor in the shape of the mask."""
    got = answer(*args)
    if why := difference(torch.zeros_like(got) if isinstance(got, Tensor) else got, torch.zeros_like(args[2])):
        answer.broken(args, show(drop_and_grow(*args)), f"{show(got)} ({why})")
    return got


@law(
    "as many weights are kept afterwards as before",
    where="Count the true entries of the mask before and after. What did you drop, and was it alive?",
    idea="k kept weights go and k pruned ones come. Pruned weights are 0: among ALL weights THEY are the smallest.",
    code="drop among `weight.abs().masked_fill(~mask, torch.inf)`, grow among `grad.abs().masked_fill(after, -1)`",
)
def density(answer: Answer, draw: torch.Generator) -> None:
    for kept, gone, fraction in ((2, 2, 0.5), (4, 4, 0.5), (5, 7, 0.4)):
        case = _case(draw, kept, gone, fraction)
        count = int(_mask(answer, *case).sum())
        if count != kept:
            answer.broken(case, f"{kept} weights kept, as before", f"{count} kept")


@law(
    "the mask says what is kept, and nothing else does",
    where="A kept weight may be 0: it has just grown. And the gradient of a pruned one may be 0, too.",
    idea=(
        "What is kept cannot be read from `weight != 0`. And a score of 0 does not keep kept weights out of the choice "
        "of what grows: where gradients are 0, they would be chosen, and the mask would lose a weight."
    ),
    code="`mask` instead of `weight != 0`; `masked_fill(after, -1.0)` instead of a product with `~after`",
)
def from_mask(answer: Answer, draw: torch.Generator) -> None:
    weight, grad = torch.tensor([0.0, 3.0, 0.0, 0.0]), torch.tensor([1.0, 2.0, 5.0, 4.0])
    answer.should_be(torch.tensor([False, True, True, False]), weight, grad, torch.arange(4) < 2, 0.5)
    for _ in range(5):
        weight, grad, mask, fraction = _case(draw, 4, 4, 0.5)
        case = (weight, torch.zeros_like(grad), mask, fraction)
        got = _mask(answer, *case)
        if int(got.sum()) != 4 or not bool(got[weight > 2].all()):
            answer.broken(case, "4 kept afterwards, among them the weights 3 and 4", show(got))


@law(
    "the smallest kept weights go",
    where="w = [5, -1, 3, 4] kept, and one of them is to go: which one?",
    idea=(
        "Small means small in magnitude, whatever the sign, and only what is kept can go. How many is a fraction of "
        "the KEPT weights."
    ),
    code="`weight.abs().masked_fill(~mask, torch.inf).flatten().topk(k, largest=False).indices`",
)
def drops(answer: Answer, draw: torch.Generator) -> None:
    by_hand = (torch.tensor([5.0, -1.0, 3.0, 4.0, 0.0, 0.0]), torch.tensor([0.1, 0.2, 0.3, 0.4, 4.0, 6.0]))
    random = [_case(draw, kept, gone, 0.5, "weight") for kept, gone in ((4, 4), (6, 9), (8, 8))]
    for case in ((*by_hand, torch.arange(6) < 4, 0.25), *random):
        got, expected, mask = _mask(answer, *case), drop_and_grow(*case), case[2]
        going, gone = int((mask & ~expected).sum()), int((mask & ~got).sum())
        if gone != going:
            answer.broken(
                case, f"{going} of the {int(mask.sum())} kept weights go: {show(expected)}", f"{gone} go: {show(got)}"
            )
        if not torch.equal(mask & ~got, mask & ~expected):
            answer.broken(case, show(expected), show(got))


@law(
    "the pruned weights with the largest gradients come",
    where="g = [-7, 2, 3] where the mask is false, and one is to come: which one?",
    idea="Where |g| is large, the loss falls fastest if the weight leaves 0; its sign only says in which direction.",
    code="`grad.abs().masked_fill(after, -1.0).flatten().topk(k).indices`, with `after` the mask without what has gone",
)
def grows(answer: Answer, draw: torch.Generator) -> None:
    by_hand = (torch.tensor([5.0, 1.0, 0.0, 0.0, 0.0]), torch.tensor([1.0, 0.5, -7.0, 2.0, 3.0]))
    random = [_case(draw, kept, gone, 0.5, "grad") for kept, gone in ((4, 4), (6, 9), (8, 8))]
    for case in ((*by_hand, torch.arange(5) < 2, 0.5), *random):
        got, expected, mask = _mask(answer, *case), drop_and_grow(*case), case[2]
        if not torch.equal(got & ~mask, expected & ~mask):
            answer.broken(case, show(expected), show(got))


@law(
    "the fraction of the kept weights, rounded down, and never more than are pruned",
    where="5 kept, fraction 0.5: k = 2. 1 kept: k = 0. 4 kept, 1 pruned, fraction 0.75: only one can come.",
    idea="The fraction is of the KEPT weights and rounded down; what has no place to grow must not be dropped.",
    code="`k = min(int(fraction * int(mask.sum())), int((~mask).sum()))`; nothing to do if it is 0",
)
def how_many(answer: Answer, draw: torch.Generator) -> None:
    for kept, gone, fraction in (
        *((5, 3, 0.5), (3, 3, 0.5), (4, 4, 0.4), (1, 3, 0.5), (4, 1, 0.75)),
        *((3, 9, 0.67), (4, 4, 0.0), (3, 0, 0.5), (2, 4, 1.0)),
    ):
        case = _case(draw, kept, gone, fraction)
        answer.should_be(drop_and_grow(*case), *case)


@law(
    "what has just been dropped may come back",
    where="w = [1, 2, 0], g = [7, 0, 1], two kept, k = 1: which one is dropped, and which has the largest |g|?",
    idea="After the drop it is one of the pruned weights like the others: if the loss wants it most, it stays.",
    code="take what is pruned from the NEW mask: `grad.abs().masked_fill(after, -1.0)`, not `masked_fill(mask, -1.0)`",
)
def back(answer: Answer, draw: torch.Generator) -> None:
    mask = torch.tensor([True, True, False])
    answer.should_be(mask, torch.tensor([1.0, 2.0, 0.0]), torch.tensor([7.0, 0.0, 1.0]), mask, 0.5)
    weight, _, mask, _ = _case(draw, 4, 4, 0.5)
    grad = torch.where(mask, 9.0 / weight, torch.randperm(8, generator=draw) / 8.0)
    answer.should_be(drop_and_grow(weight, grad, mask, 0.5), weight, grad, mask, 0.5)


@law(
    "it holds for any layer",
    where="Try tensors of two and four axes, everything kept, nothing kept, and weights far below 1.",
    idea="The whole tensor is one ranking: flatten it, choose, and bring the mask back into its shape. No rounding.",
    code="`after = mask.flatten().clone()`, then change its entries, then `return after.view_as(mask)`",
)
def any_layer(answer: Answer, draw: torch.Generator) -> None:
    for shape in ((6,), (3, 5), (2, 2, 3, 3)):
        entries = torch.Size(shape).numel()
        for chance in (0.0, 0.3, 0.7, 1.0):
            mask = (torch.rand(shape, generator=draw) < chance).view(shape)
            weight, grad = (torch.randperm(entries, generator=draw).view(shape) + 1.0 for _ in range(2))
            flip = torch.randint(2, shape, generator=draw) * 2 - 1
            fraction = integer(0, 10, draw) / 10
            for scale in (1.0, 0.01):
                args = (scale * weight * mask * flip, scale * grad * flip, mask, fraction)
                answer.should_be(drop_and_grow(*args), *args)


EXERCISES = (
    Exercise(
        "09.2",
        "prune_and_regrow",
        drop_and_grow,
        (density, drops, grows, from_mask, how_many, back, any_layer),
    ),
)
