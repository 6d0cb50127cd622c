"""07 Adaptive dynamic pruning, third exercise: the FLOPs of a gated network."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from fedlab_core.lessons.checks.exercise import Answer, Exercise, law
from fedlab_core.lessons.checks.inputs import integer


def gated_flops(flops: Sequence[float], kept: Sequence[float]) -> float:
    """In-share x out-share of every layer, as `open_shares` has it for a model (a test compares the two)."""
    reads, makes = [1.0, *kept], [*kept, 1.0]
    return sum(dense * read * made for dense, read, made in zip(flops, reads, makes, strict=True))


@law(
    "with all channels open it is the sum of all layers",
    where="flops = [10, 100, 5], kept = [1, 1]: is the last layer, which has no gate, in your sum?",
    idea="There is one layer more than there are gates. Open channels change nothing: every share is 1.",
    code="`reads = [1.0, *kept]` and `makes = [*kept, 1.0]` are both as long as `flops`.",
)
def all_open(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(115.0, [10.0, 100.0, 5.0], [1.0, 1.0])
    flops = [float(integer(1, 99, draw)) for _ in range(4)]
    answer.should_be(sum(flops), flops, [1.0, 1.0, 1.0])


@law(
    "the first layer reads the whole image",
    where="Only the first layer costs something, flops = [100, 0, 0], and half of its channels are open.",
    idea="Its input is the image, of which nothing is closed: only the outputs shrink, the share is r and not r^2.",
    code="the in-share of layer 0 is 1: `reads = [1.0, *kept]`",
)
def first(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(50.0, [100.0, 0.0, 0.0], [0.5, 0.5])
    answer.should_be(30.0, [100.0, 0.0, 0.0], [0.3, integer(1, 9, draw) / 10])


@law(
    "an inner layer pays for what it reads times what it makes",
    where="flops = [0, 100, 0], kept = [0.5, 0.2]: how many inputs are open, and how many outputs?",
    idea="A multiplication needs an open input AND an open output: the shares multiply. With r twice, r^2.",
    code="layer l: `flops[l] * kept[l - 1] * kept[l]`",
)
def inner(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(25.0, [0.0, 100.0, 0.0], [0.5, 0.5])
    answer.should_be(10.0, [0.0, 100.0, 0.0], [0.5, 0.2])
    read, made = integer(1, 9, draw) / 10, integer(1, 9, draw) / 10
    answer.should_be(100 * read * made, [0.0, 100.0, 0.0], [read, made])


@law(
    "the last layer has no gate: it makes everything of what is open",
    where="flops = [0, 0, 100], kept = [0.5, 0.2]: which share does the classifier read?",
    idea="Its outputs are the classes, all of them; its inputs are what the gate before it has left open.",
    code="the out-share of the last layer is 1: `makes = [*kept, 1.0]`",
)
def last(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(20.0, [0.0, 0.0, 100.0], [0.5, 0.2])
    share = integer(1, 9, draw) / 10
    answer.should_be(100 * share, [0.0, 0.0, 100.0], [integer(1, 9, draw) / 10, share])


@law(
    "it holds for any number of layers",
    where="Try two layers, one layer without any gate, and many.",
    idea="The sum over the layers of dense FLOPs x in-share x out-share.",
    code="`sum(f * a * b for f, a, b in zip(flops, [1.0, *kept], [*kept, 1.0]))`",
)
def any_depth(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(7.0, [7.0], [])
    answer.should_be(15.0, [10.0, 20.0], [0.5])
    for layers in (2, 3, 6, 14):
        flops = [float(integer(1, 500, draw)) for _ in range(layers)]
        kept = [integer(1, 10, draw) / 10 for _ in range(layers - 1)]
        answer.should_be(gated_flops(flops, kept), flops, kept)


EXERCISES = (Exercise("07.3", "gated_flops", gated_flops, (all_open, first, inner, last, any_depth)),)
