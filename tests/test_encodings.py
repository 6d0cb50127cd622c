"""Encodings beside each other: every number is the length of a message that can be read, and the laws between them."""

import math

import pytest
import torch

from fedlab_core.costs.codec import MaskMemory, decode, encode
from fedlab_core.encodings import BOUND, CODED, DENSE, NOMINAL, SHORTEST, message_bytes, sweep
from fedlab_core.models import build_model, init_params
from fedlab_core.types import seeded_generator

MLP = build_model("mlp", (1, 8, 8), 10)
PARAMS, BUFFERS = init_params(MLP, seeded_generator("test"))


def test_bytes_of_a_small_message_by_hand() -> None:
    """Twelve weights, three kept: 11 bytes of the message, 6 of the tensor's header ("w", kind, axes 1, 12)."""
    mask = torch.arange(12) % 4 == 0
    sizes = message_bytes({"w": torch.ones(12)}, {}, {"w": mask}).by_encoding
    head, values = 11 + 5, 3 * 4
    assert sizes[DENSE] == head + 12 * 4
    assert sizes["bitmap"] == head + 2 + 2 + values
    assert sizes["indices"] == head + 2 + 3 + values
    assert sizes[NOMINAL] == values
    entropy = -(0.25 * math.log2(0.25) + 0.75 * math.log2(0.75))
    assert sizes[BOUND] == pytest.approx((12 * entropy + 3 * 32) / 8)
    assert sizes[SHORTEST] == min(sizes[name] for name in CODED)


@pytest.mark.parametrize("form", CODED)
def test_every_form_alone_can_be_read(form: str) -> None:
    mask = torch.rand(40, 5, generator=seeded_generator("mask")) < 0.2
    sent = encode({"w": torch.ones(40, 5)}, {"w": mask}, MaskMemory(only=form))
    assert torch.equal(decode(sent).masks["w"], mask)


@pytest.mark.parametrize("structure", ["single weights", "whole units"])
def test_laws_along_the_sparsities(structure) -> None:
    points = list(sweep(MLP, PARAMS, BUFFERS, structure, (0.0, 0.5, 0.9)))
    assert [round(point.sparsity, 1) for point in points] == [0.0, 0.5, 0.9]
    for point in points:
        sizes = point.by_encoding
        assert sizes[DENSE] == points[0].by_encoding[DENSE]
        assert sizes[NOMINAL] < sizes[SHORTEST] <= min(sizes[name] for name in CODED)
    assert points[0].by_encoding[SHORTEST] == points[0].by_encoding[DENSE]
    random_is_never_below_the_bound = points[2].by_encoding[SHORTEST] > points[2].by_encoding[BOUND]
    assert random_is_never_below_the_bound == (structure == "single weights")


def test_whole_units_need_units() -> None:
    with pytest.raises(ValueError, match="no hidden units"):
        next(sweep(torch.nn.Sequential(torch.nn.Linear(2, 2)), {"0.weight": torch.ones(2, 2)}, {}, "whole units"))
