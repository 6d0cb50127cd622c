"""04 Pruning one network, first exercise: exactly so many of the largest magnitudes."""

from __future__ import annotations

import torch

from fedlab_core.lessons.checks.compare import OTHER, difference
from fedlab_core.lessons.checks.exercise import Answer, Exercise, law
from fedlab_core.lessons.checks.inputs import integer
from fedlab_core.lessons.checks.show import show
from fedlab_core.pruning.densities import largest_overall
from fedlab_core.types import Masks, Params


def magnitude_masks(weights: Params, kept: int) -> Masks:
    """Exactly the `kept` largest magnitudes of all tensors together."""
    return largest_overall({name: weight.abs() for name, weight in weights.items()}, kept)


def _distinct(draw: torch.Generator, *sizes: int) -> Params:
    """Whole numbers without a tie, with random signs."""
    total = sum(sizes)
    values = (torch.randperm(total, generator=draw) + 1) * (2 * torch.randint(2, (total,), generator=draw) - 1)
    return {f"fc{place}": part.float() for place, part in enumerate(values.split(list(sizes)), start=1)}


def _judge(answer: Answer, weights: Params, kept: int) -> None:
    """Among equal magnitudes any may stay; all else is decided."""
    got = answer(weights, kept)
    ours = magnitude_masks(weights, kept)
    why = difference(got, ours)
    if why is None:
        return
    if OTHER not in why:
        answer.broken((weights, kept), f"masks such as {show(ours)}", f"{show(got)} ({why})")
    count = sum(int(mask.sum()) for mask in got.values())
    if count != kept:
        answer.broken((weights, kept), f"{kept} kept, e.g. {show(ours)}", f"{count} kept: {show(got)}")
    smallest = min((float(weights[name][mask].abs().min()) for name, mask in got.items() if mask.any()), default=0.0)
    largest = max(
        (float(weights[name][~mask].abs().max()) for name, mask in got.items() if not mask.all()), default=0.0
    )
    if largest > smallest:
        answer.broken((weights, kept), show(ours), f"{show(got)}: {largest:g} is gone, {smallest:g} stays")


@law(
    "the smallest magnitudes go, whatever their sign",
    where="Of 3, -5, 1 and -2 two stay. Which ones, and what is their mask?",
    idea="Magnitude is |w|: -5 is the largest of the four. A mask is a tensor of true (kept) and false (pruned).",
    code="`weight.abs()`, and a mask of `dtype=torch.bool` in which the kept ones are True",
)
def magnitude(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be({"w": torch.tensor([True, True, False, False])}, {"w": torch.tensor([3.0, -5, 1, -2])}, 2)
    for _ in range(3):
        weights = _distinct(draw, 6)
        answer.should_be(magnitude_masks(weights, 3), weights, 3)


@law(
    "all tensors are ranked together",
    where="One layer has large weights, the other small ones. Who loses more?",
    idea="Global pruning has one ranking for the whole network: a layer of small weights may lose all of them.",
    code="`torch.cat([weight.abs().flatten() for weight in weights.values()])`, rank that, then cut it apart again",
)
def together(answer: Answer, draw: torch.Generator) -> None:
    weights = {"a": torch.tensor([9.0, -8, 7]), "b": torch.tensor([1.0, -2, 3])}
    answer.should_be({"a": torch.tensor([True] * 3), "b": torch.tensor([False] * 3)}, weights, 3)
    for _ in range(3):
        weights = _distinct(draw, 3, 5, 2)
        kept = integer(2, 8, draw)
        answer.should_be(magnitude_masks(weights, kept), weights, kept)


@law(
    "magnitudes are told apart, however small they are",
    where="Weights of 0.01 and 0.02: does your ranking see which one is larger?",
    idea="Weights of networks are far below 1. Rounding them changes their order, and so does noise against ties.",
    code="Rank `weight.abs()` itself. `topk` copes with ties.",
)
def small(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be({"w": torch.tensor([False, True, True])}, {"w": torch.tensor([0.01, -0.03, 0.02])}, 2)
    for _ in range(3):
        weights = {name: weight / 1000 for name, weight in _distinct(draw, 3, 5, 2).items()}
        kept = integer(2, 8, draw)
        answer.should_be(magnitude_masks(weights, kept), weights, kept)


@law(
    "exactly `kept` weights stay, whatever the ties",
    where="Three weights of magnitude 2, and two may stay. How many are true in your mask?",
    idea=(
        "A threshold cannot tell equals apart: `>=` keeps all of them, `>` none. Choose by position in the ranking "
        "instead; which of the equals stay does not matter."
    ),
    code="`mask = torch.zeros(len(flat), dtype=torch.bool)`, then `mask[flat.topk(kept).indices] = True`",
)
def ties(answer: Answer, draw: torch.Generator) -> None:
    _judge(answer, {"w": torch.tensor([2.0, -2, 2, 1])}, 2)
    for kept in (1, 2, 3):
        _judge(answer, {"a": torch.tensor([1.0, -1]), "b": torch.tensor([1.0, 1, -1])}, kept)


@law(
    "a weight that is zero can be kept like any other",
    where="Of 0, 0, 0 and 5 two stay. How many are true in your mask?",
    idea="A mask is its own thing: it says what is kept, not what is different from zero. Zeros are tied like others.",
    code="return the mask that you filled by position; no `!= 0` anywhere",
)
def zeros(answer: Answer, draw: torch.Generator) -> None:
    _judge(answer, {"w": torch.tensor([0.0, 0, 0, 5])}, 2)
    _judge(answer, {"a": torch.zeros(3), "b": torch.tensor([4.0])}, 3)


@law(
    "it works at both ends: nothing is kept, or everything",
    where="What do you return for kept = 0?",
    idea="With kept = 0 all are false. Beware of slices from the end: `order[-0:]` is all of `order`, not nothing.",
    code="`flat.topk(kept)`, or `order[len(order) - kept:]`",
)
def ends(answer: Answer, draw: torch.Generator) -> None:
    weights = _distinct(draw, 2, 3)
    answer.should_be({name: torch.zeros(len(w), dtype=torch.bool) for name, w in weights.items()}, weights, 0)
    answer.should_be({name: torch.ones(len(w), dtype=torch.bool) for name, w in weights.items()}, weights, 5)


@law(
    "every mask has the shape of its weight, for any network",
    where="Try tensors with two and four axes, and with one: a bias in `weights` is ranked like all else.",
    idea="Flatten for the ranking, and give each tensor back its own part in its own shape.",
    code="`flat_mask.split([weight.numel() for weight in weights.values()])`, then `part.view(weight.shape)`",
)
def anything(answer: Answer, draw: torch.Generator) -> None:
    shapes = {"conv": (2, 1, 2, 2), "fc": (3, 4), "out": (2, 3), "bias": (3,)}
    for _ in range(8):
        weights = {name: torch.randint(-4, 5, shape, generator=draw).float() for name, shape in shapes.items()}
        _judge(answer, weights, integer(0, 29, draw))


EXERCISES = (
    Exercise("04.1", "magnitude_masks", magnitude_masks, (magnitude, together, small, ties, zeros, ends, anything)),
)
