"""05 What does sparsity buy?, third exercise: FLOPs of a chain of convolutions without some of its channels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from fedlab_core.costs.flops import forward_flops
from fedlab_core.lessons.checks.exercise import Answer, Exercise, law
from fedlab_core.lessons.checks.inputs import integer


def chain_flops(channels: Sequence[int], sides: Sequence[int], kernel: int = 3, keep: float = 1.0) -> int:
    """The lab's own count, of layers that are really built that small."""
    hidden = [round(keep * width) for width in channels[1:-1]]
    left = [channels[0], *hidden, channels[-1]]
    total = 0
    for place, side in enumerate(sides):
        layer = nn.Conv2d(left[place], left[place + 1], kernel, padding="same", bias=False)
        total += sum(forward_flops(nn.Sequential(layer), (left[place], side, side)).values())
    return total


@law(
    "a dense layer costs 2 k^2 C_in C_out FLOPs at each position of its output",
    where="One layer, 3 channels in, 4 out, kernel 3 x 3, output 5 x 5: count the multiplications.",
    idea=(
        "Each of the 4 x 5 x 5 outputs is a sum over 3 x 3 x 3 products; a product and its addition are two FLOPs: "
        "2 x 9 x 3 x 4 x 25 = 5400. Biases are left out."
    ),
    code="`2 * kernel**2 * c_in * c_out * side**2`",
)
def dense_layer(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(5400.0, [3, 4], [5], 3, 1.0)
    answer.should_be(180.0, [2, 5], [1], 3, 1.0)


@law(
    "with one hidden layer between them, the layers before and behind it both keep the share r",
    where="Channels 1, 8, 3 with r = 1/2: which of these numbers may change?",
    idea=(
        "Only the 8 hidden channels become 4. The image keeps its channels and the classes stay, so the first layer "
        "loses outputs, the second loses inputs, each once: r, not r^2."
    ),
    code="`left = [channels[0], *(round(keep * c) for c in channels[1:-1]), channels[-1]]`",
)
def ends_stay(answer: Answer, draw: torch.Generator) -> None:
    for _ in range(3):
        channels, sides = [integer(1, 3, draw), 8, integer(2, 4, draw)], [integer(2, 4, draw), integer(1, 2, draw)]
        answer.should_be(float(chain_flops(channels, sides, 3, 0.5)), channels, sides, 3, 0.5)


@law(
    "a layer between two hidden ones keeps r^2: at 50 % a quarter",
    where="Channels 1, 4, 8, 1: the layer in the middle has fewer inputs AND fewer outputs.",
    idea="C_in becomes r C_in and C_out becomes r C_out, and their product r^2 times what it was.",
    code="for each layer the product of `left[l]` and `left[l + 1]`, the channels that are left on both sides",
)
def inner_layers(answer: Answer, draw: torch.Generator) -> None:
    for keep in (0.5, 0.25, 0.75):
        channels, sides = [1, 4, 8, 1], [3, 2, 1]
        answer.should_be(float(chain_flops(channels, sides, 3, keep)), channels, sides, 3, keep)


@law(
    "it is what the lab counts for a network that is really built that small",
    where="Another kernel, other sides, more layers; or a single one, which has no hidden channels to lose.",
    idea="Sum over the layers l: 2 k^2 left[l] left[l + 1] side[l]^2, with the channels that are left on both sides.",
    code="`sum(2 * kernel**2 * a * b * s**2 for a, b, s in zip(left, left[1:], sides))`",
)
def any_chain(answer: Answer, draw: torch.Generator) -> None:
    for kernel in (1, 3, 5):
        for layers in (1, 2, 4):
            hidden = [4 * integer(1, 3, draw) for _ in range(layers - 1)]
            channels = [integer(1, 3, draw), *hidden, integer(2, 10, draw)]
            sides = [integer(1, 6, draw) for _ in range(layers)]
            for keep in (1.0, 0.25, 0.75):
                answer.should_be(float(chain_flops(channels, sides, kernel, keep)), channels, sides, kernel, keep)


EXERCISES = (Exercise("05.3", "chain_flops", chain_flops, (dense_layer, ends_stay, inner_layers, any_chain)),)
