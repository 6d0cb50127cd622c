"""08 Device-wise pruning, fourth exercise: the server's and the device's masks become the device's network.

C channels of a layer.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fedlab_core.lessons.checks.exercise import Answer, Exercise, law

Layers = Sequence[Tensor]


def merge(server: Layers, device: Layers | None, o: Layers) -> list[Tensor]:
    """By layer, the channels that both keep; the server's where there is no device mask; never none.

    Of a layer in which both agree on no channel, the one with the largest logit among the server's is kept. (To keep
    one is the advice of the authors' code; to choose it among the server's, so that no device has a channel that the
    server has not, is our reading.)

    Args:
        server: bool [C] by layer, at least one true.
        device: the same, or None.
        o: logits of the device, float [C] by layer.
    """
    merged = []
    for place, base in enumerate(server):
        both = base if device is None else base & device[place]
        if not both.any():
            both = torch.zeros_like(base)
            both[o[place].masked_fill(~base, -torch.inf).argmax()] = True
        merged.append(both)
    return merged


def _row(*bits: int) -> Tensor:
    return torch.tensor(bits).bool()


def _logits(channels: int, draw: torch.Generator) -> Tensor:
    """Different whole numbers around 0."""
    return (torch.randperm(channels, generator=draw) - channels // 2).float()


def _layers(draw: torch.Generator, density: float, sizes: Sequence[int] = (3, 5)) -> list[Tensor]:
    """Random masks, of which each keeps one channel at least."""
    rows = [torch.rand(size, generator=draw) < density for size in sizes]
    for row in rows:
        row[int(torch.randint(len(row), (), generator=draw))] = True
    return rows


@law(
    "a channel is kept where both keep it",
    where="One layer, four channels: both, only the server, only the device, none of the two.",
    idea="a = a^0 a^n: 1 only where both are 1. What the server has cut is gone for every device.",
    code="`server[l] & device[l]` for each layer l; the result is a list of true and false",
)
def intersection(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be([_row(1, 0, 0, 0)], [_row(1, 1, 0, 0)], [_row(1, 0, 1, 0)], [torch.tensor([0.0, 1, 2, 3])])
    for sizes in ((2,), (3, 5), (4, 2, 6)):
        server, device = _layers(draw, 0.7, sizes), _layers(draw, 0.7, sizes)
        for a, b in zip(server, device, strict=True):
            a[0] = b[0] = True  # so that no layer is empty
        o = [_logits(size, draw) for size in sizes]
        answer.should_be(merge(server, device, o), server, device, o)


@law(
    "without a device mask it is the server's network",
    where="`device` may be None. What do you return then?",
    idea="The static variant of the method has no masks of devices: all use the server's network.",
    code="`both = base if device is None else base & device[l]`",
)
def server_only(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be([_row(1, 0, 1)], [_row(1, 0, 1)], None, [torch.tensor([2.0, 3.0, 1.0])])
    server = _layers(draw, 0.5)
    answer.should_be(server, server, None, [_logits(len(row), draw) for row in server])


@law(
    "no layer is empty: the channel with the largest logit stays",
    where="Server and device keep different channels of a layer. How many are left?",
    idea=(
        "A layer without a channel passes nothing on, the network is dead. One stays, the one with the largest o, "
        "whatever its sign: -1 before -5."
    ),
    code="`if not both.any():` make a mask of false and set the place of `argmax` to True",
)
def never_empty(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be([_row(0, 1, 0)], [_row(1, 1, 0)], [_row(0, 0, 1)], [torch.tensor([1.0, 2.0, 0.0])])
    answer.should_be([_row(1, 0)], [_row(1, 1)], [_row(0, 0)], [torch.tensor([5.0, -1.0])])
    answer.should_be([_row(0, 1)], [_row(1, 1)], [_row(0, 0)], [torch.tensor([-5.0, -1.0])])


@law(
    "every layer is looked after by itself",
    where="Two layers, of which only one is empty.",
    idea="One full layer does not help an empty one: the signal has to pass through both.",
    code="the `if not both.any():` belongs inside of the loop over layers, and looks at this layer's `both` alone",
)
def each_layer(answer: Answer, draw: torch.Generator) -> None:
    o = [torch.tensor([1.0, 0.0]), torch.tensor([0.0, 4.0, 2.0])]
    for server, device, kept in (
        ([_row(1, 1), _row(1, 1, 1)], [_row(0, 1), _row(0, 0, 0)], [_row(0, 1), _row(0, 1, 0)]),
        ([_row(1, 1), _row(1, 1, 1)], [_row(0, 0), _row(1, 0, 1)], [_row(1, 0), _row(1, 0, 1)]),
    ):
        answer.should_be(kept, server, device, o)


@law(
    "the channel that stays is one of the server's",
    where="The largest logit belongs to a channel that the server has cut. Who is kept then?",
    idea="Only channels that the server keeps exist. Choose the largest logit among THEM.",
    code="`o[l].masked_fill(~server[l], -torch.inf).argmax()`",
)
def of_the_server(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be([_row(0, 1, 0)], [_row(0, 1, 0)], [_row(1, 0, 0)], [torch.tensor([9.0, 1.0, 2.0])])
    answer.should_be([_row(0, 0, 1)], [_row(0, 1, 1)], [_row(1, 0, 0)], [torch.tensor([-1.0, -5.0, -2.0])])


@law(
    "it is the merge for all masks",
    where="Several layers, sparse masks.",
    idea="By layer the intersection, or the server's alone; if it is empty, the server's channel with the largest o.",
    code="the loop over layers with the two cases above, and `merged.append(both)`",
)
def any_masks(answer: Answer, draw: torch.Generator) -> None:
    for density in (0.2, 0.5, 0.8):
        for sizes in ((3, 5), (4, 2, 6)):
            server, device = _layers(draw, density, sizes), _layers(draw, density, sizes)
            o = [_logits(size, draw) for size in sizes]
            answer.should_be(merge(server, device, o), server, device, o)


EXERCISES = (
    Exercise("08.4", "merge", merge, (intersection, server_only, never_empty, each_layer, of_the_server, any_masks)),
)
