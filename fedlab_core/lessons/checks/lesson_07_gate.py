"""07 Adaptive dynamic pruning, first exercise: the gate that lets each image open its own k channels."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fedlab_core.lessons.checks.compare import difference
from fedlab_core.lessons.checks.exercise import Answer, Exercise, law
from fedlab_core.lessons.checks.inputs import integer
from fedlab_core.lessons.checks.show import show
from fedlab_core.models.blocks import open_channels


def top_k_gate(g_BC: Tensor, k: int) -> Tensor:
    """The lab's own: of equal gates the first ones stay open."""
    return g_BC * open_channels(g_BC, k)


def _gates(draw: torch.Generator, images: int, channels: int) -> Tensor:
    """Different numbers from 1 up in every row."""
    rows = [torch.randperm(channels, generator=draw) + 1 for _ in range(images)]
    return torch.stack(rows).float()


def _result(answer: Answer, *args: Any) -> Tensor:
    """A tensor of numbers in the shape of the gates."""
    got = answer(*args)
    if why := difference(torch.zeros_like(got) if isinstance(got, Tensor) else got, torch.zeros_like(args[0])):
        answer.broken(args, show(top_k_gate(*args)), f"{show(got)} ({why})")
    return got


def _opens(answer: Answer, *args: Any) -> None:
    """The right channels are open, whatever their values."""
    got, expected = _result(answer, *args), top_k_gate(*args)
    if not torch.equal(got != 0, expected != 0):
        answer.broken(args, show(expected), show(got))


def _fits(answer: Answer, *args: Any) -> None:
    """The k largest values of each row and nothing else, whichever of several equal gates they come from."""
    g_BC, k = args
    got = _result(answer, *args)
    wanted = g_BC.sort(dim=1, descending=True).values
    wanted[:, k:] = 0
    own = ((got == g_BC) | (got == 0)).all()
    if not own or not torch.equal(got.detach().sort(dim=1, descending=True).values, wanted):
        answer.broken(args, f"{show(top_k_gate(*args))}, or another of the equal gates", show(got))


@law(
    "each image keeps its own k largest gates",
    where="Two images, three channels, k = 1: [[3, 1, 2], [1, 5, 4]]. Which one is open in each ROW?",
    idea="Rank the channels of one image against each other, along dim=1; k of the C channels stay, C - k are closed.",
    code="`index = g_BC.topk(k, dim=1).indices`, then `mask = torch.zeros_like(g_BC).scatter(1, index, 1.0)`",
)
def own_largest(answer: Answer, draw: torch.Generator) -> None:
    _opens(answer, torch.tensor([[3.0, 1.0, 2.0], [1.0, 5.0, 4.0]]), 1)
    _opens(answer, torch.tensor([[6.0, 5.0, 4.0], [1.0, 2.0, 3.0]]), 2)
    for images, channels in ((2, 4), (5, 6)):
        _opens(answer, _gates(draw, images, channels), integer(1, channels - 1, draw))


@law(
    "with k = C nothing is closed",
    where="Three channels and k = 3: is one of them 0 in your result?",
    idea="C - k = 0 channels are to be closed. A slice or an index that is counted from the end may mean another one.",
    code="Choose what stays OPEN, `g_BC.topk(k, dim=1).indices`, not what is closed: that works for k = C, too.",
)
def all_open(answer: Answer, draw: torch.Generator) -> None:
    for channels in (3, 5):
        _opens(answer, _gates(draw, 2, channels), channels)


@law(
    "an open gate keeps its value",
    where="A gate of 3 that stays open: what is it in your result?",
    idea="The gate does not only choose, it weighs: `y = conv(x) * g`. The mask of 0 and 1 is multiplied with g.",
    code="`return g_BC * mask`",
)
def values(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(torch.tensor([[3.0, 0.0, 2.0]]), torch.tensor([[3.0, 1.0, 2.0]]), 2)
    g_BC = _gates(draw, 3, 5)
    answer.should_be(top_k_gate(g_BC, 2), g_BC, 2)


@law(
    "gates are told apart, however close they are",
    where="Gates of 0.1 and 0.2: does your ranking see which one is larger?",
    idea="Gates are real numbers, mostly below 1. Rounding changes their order, and so does noise against ties.",
    code="`g_BC.topk(k, dim=1)` of the gates themselves: it copes with ties.",
)
def close(answer: Answer, draw: torch.Generator) -> None:
    _opens(answer, torch.tensor([[0.1, 0.3, 0.2]]), 2)
    for images, channels in ((2, 4), (5, 6)):
        _opens(answer, _gates(draw, images, channels) / 100, integer(1, channels - 1, draw))


@law(
    "of equal gates only as many are open as there is room for",
    where="Gates [2, 2, 2, 1] and k = 2: how many channels does your result have open?",
    idea="`g >= smallest kept gate` opens ALL equal ones, and the layer costs more than k channels. Choose by place.",
    code="`topk` gives exactly k indices, whatever is equal: put 1 at these places with `scatter`.",
)
def ties(answer: Answer, draw: torch.Generator) -> None:
    _fits(answer, torch.tensor([[2.0, 2.0, 2.0, 1.0]]), 2)
    _fits(answer, torch.full((2, 5), 3.0), integer(1, 4, draw))
    for _ in range(5):
        _fits(answer, torch.randint(1, 4, (3, 6), generator=draw).float(), integer(1, 5, draw))


@law(
    "gradients reach open gates and no others",
    where="Does your result still know that it comes from g_BC? Look for `detach`, `.data`, `numpy`, `torch.tensor`.",
    idea="The choice has no gradient, but the product has: d(g * mask) / dg = mask, so open gates learn.",
    code="Compute only the indices apart from the graph, and return `g_BC * mask` with the original `g_BC`.",
)
def gradients(answer: Answer, draw: torch.Generator) -> None:
    for g_BC in (torch.tensor([[3.0, 1.0, 2.0]]), _gates(draw, 3, 5)):
        args = (g_BC, 2)
        answer(*args)  # with every care; the call below, on a tensor that records, then runs through
        watched = g_BC.clone().requires_grad_()
        got = answer.function(watched, 2)  # type: ignore[operator]
        slopes = torch.zeros_like(g_BC)
        if got.requires_grad:
            got.sum().backward()
            slopes = slopes if watched.grad is None else watched.grad
        wanted = (top_k_gate(*args) != 0).float()
        if not torch.equal(slopes, wanted):
            answer.broken(args, f"d sum / dg = {show(wanted)}", f"d sum / dg = {show(slopes)}")


@law(
    "it is the gate for any gates: also with zeros, which ReLU leaves, and for one image or many",
    where="Try gates that are 0 already, one image, one channel.",
    idea="Fewer than k channels are open where fewer than k gates are positive: 0 stays 0.",
    code="`mask = torch.zeros_like(g_BC).scatter(1, g_BC.topk(k, dim=1).indices, 1.0)`; `return g_BC * mask`",
)
def anything(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(torch.tensor([[0.0, 0.0, 5.0]]), torch.tensor([[0.0, 0.0, 5.0]]), 2)
    for _ in range(20):
        images, channels = integer(1, 6, draw), integer(1, 9, draw)
        g_BC = torch.randint(-6, 7, (images, channels), generator=draw).float().relu()
        _fits(answer, g_BC, integer(1, channels, draw))


EXERCISES = (
    Exercise("07.1", "top_k_gate", top_k_gate, (own_largest, all_open, values, close, ties, gradients, anything)),
)
