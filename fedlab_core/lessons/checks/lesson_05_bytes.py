"""05 What does sparsity buy?, first two exercises: bytes of a bitmap message, and where COO breaks even."""

from __future__ import annotations

import numpy as np
import torch

from fedlab_core.costs.codec import MaskMemory, encode, label_bytes
from fedlab_core.lessons.checks.exercise import Answer, Exercise, law
from fedlab_core.lessons.checks.inputs import integer
from fedlab_core.types import Masks, Params

LARGE = 100_000
"""Entries of a layer whose positions take 4 bytes."""


def bitmap_bytes(tensors: Params, masks: Masks) -> int:
    """What the lab really sends, without its labels."""
    payload = encode(tensors, masks, MaskMemory(only="bitmap"))
    return len(payload) - label_bytes(payload)


def coo_break_even(elements: int, value_bits: int, against: str) -> float:
    """b / (b + i) or 1 / i; positions are the smallest unsigned integers that can name every place, as in the codec."""
    index_bits = 8 * np.min_scalar_type(elements - 1).itemsize
    return value_bits / (value_bits + index_bits) if against == "dense" else 1 / index_bits


def _message(elements: int, kept: int, draw: torch.Generator) -> tuple[Params, Masks]:
    """One tensor of whole numbers from 1 to 9, and a mask that keeps `kept` of them."""
    mask = torch.randperm(elements, generator=draw) < kept
    return {"w": torch.randint(1, 10, (elements,), generator=draw).float() * mask}, {"w": mask}


def _really(answer: Answer, tensors: Params, masks: Masks) -> None:
    answer.should_be(float(bitmap_bytes(tensors, masks)), tensors, masks)


@law(
    "a tensor without a mask travels whole",
    where="A bias of 3 values, and no mask at all: how many bytes is that?",
    idea="What is not in `masks` is not pruned: all its values travel, 4 bytes each as float32. Do not skip it.",
    code="`for name, tensor in tensors.items()`; without a mask it costs `tensor.numel() * tensor.element_size()`",
)
def unmasked(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(12.0, {"b": torch.zeros(3)}, {})
    for size in (1, integer(2, 9, draw)):
        answer.should_be(4.0 * size, {"b": torch.ones(size)}, {})


@law(
    "of a masked tensor the bitmap travels, one bit an entry, and the kept values",
    where="8 entries, 3 of them kept: which bytes does the receiver need to put the 3 values back in their places?",
    idea=(
        "The bitmap has a bit for EVERY entry, kept or not: 8 bits are 1 byte. Then come the 3 kept values, 4 bytes "
        "each: 13 bytes in all."
    ),
    code="`mask.numel() / 8` bytes of bitmap (a whole number of them), and `int(mask.sum())` values of 4 bytes",
)
def one_mask(answer: Answer, draw: torch.Generator) -> None:
    values = torch.tensor([5.0, 0, 0, 2, 0, 0, 0, 7])
    answer.should_be(13.0, {"w": values}, {"w": values > 0})
    for eighths in (1, 2, 3):
        _really(answer, *_message(8 * eighths, integer(1, 8 * eighths - 1, draw), draw))


@law(
    "each bitmap fills whole bytes, tensor by tensor",
    where="How many bytes do 9 bits take? And two tensors of 4 bits each?",
    idea=(
        "Round UP, and for each tensor by itself: 9 bits are 2 bytes, and twice 4 bits are twice 1 byte. All entries "
        "of a tensor are one row of bits: 3 x 5 are 15."
    ),
    code="`(mask.numel() + 7) // 8`, or `math.ceil(mask.numel() / 8)`, inside the loop over the tensors",
)
def whole_bytes(answer: Answer, draw: torch.Generator) -> None:
    for elements in (9, 12, integer(17, 23, draw)):
        _really(answer, *_message(elements, 2, draw))
    first, second = _message(4, 1, draw), _message(4, 2, draw)
    _really(answer, {"u": first[0]["w"], "v": second[0]["w"]}, {"u": first[1]["w"], "v": second[1]["w"]})
    tensors, masks = _message(15, 2, draw)
    _really(answer, {"w": tensors["w"].view(3, 5)}, {"w": masks["w"].view(3, 5)})


@law(
    "where a mask keeps everything there is no bitmap, and only there",
    where="A mask that is true everywhere: what is there to say about it? And what if another tensor is pruned?",
    idea=(
        "The lab marks such a tensor as dense, in its label: its values travel, and no bitmap. Each mask is looked at "
        "by itself. Wherever something is pruned the bitmap travels, here even where dense would be shorter."
    ),
    code="Add the bitmap only `if not mask.all()`.",
)
def all_kept(answer: Answer, draw: torch.Generator) -> None:
    _really(answer, *_message(4, 4, draw))
    full, half = _message(4, 4, draw), _message(8, 4, draw)
    _really(answer, {"u": full[0]["w"], "v": half[0]["w"]}, {"u": full[1]["w"], "v": half[1]["w"]})
    _really(answer, *_message(40, 39, draw))


@law(
    "the mask decides, not the values",
    where="A kept weight may happen to be 0. And a pruned one need not be 0 yet.",
    idea="A mask is never inferred from zeros: count what is true in `masks[name]`, whatever the tensor holds.",
    code="`int(masks[name].sum())`, and not `tensor.count_nonzero()`",
)
def not_from_zeros(answer: Answer, draw: torch.Generator) -> None:
    mask = torch.tensor([True, True, False, False, False, False, False, False])
    _really(answer, {"w": torch.tensor([0.0, 3.0, 0, 0, 0, 0, 0, 0])}, {"w": mask})
    _really(answer, {"w": torch.ones(8)}, {"w": mask})


@law(
    "a value takes as many bytes as its type says",
    where="How many bytes is a float16?",
    idea="4 bytes is float32. In half precision a value takes 2 bytes; the bitmap stays as it is.",
    code="`tensor.element_size()` instead of 4",
)
def types(answer: Answer, draw: torch.Generator) -> None:
    tensors, masks = _message(8, 3, draw)
    _really(answer, {"w": tensors["w"].half()}, masks)


@law(
    "it is what the lab sends, for any message",
    where="Several layers of several axes, with biases; many kept or few.",
    idea="A sum over the tensors: bitmap in whole bytes where something is pruned, and the values that are kept.",
    code="for each tensor: `(numel + 7) // 8` if something is pruned, `+ kept * tensor.element_size()`",
)
def any_message(answer: Answer, draw: torch.Generator) -> None:
    shapes = {"conv.weight": (3, 2, 3, 3), "conv.bias": (3,), "fc.weight": (4, 5), "fc.bias": (4,), "scale": ()}
    for density in (0.0, 0.1, 0.5, 0.9, 1.1):
        tensors = {name: torch.randint(-9, 10, shape, generator=draw).float() for name, shape in shapes.items()}
        masks = {name: torch.rand(shapes[name], generator=draw) < density for name in ("conv.weight", "fc.weight")}
        _really(answer, tensors, masks)
        _really(answer, tensors, {})


@law(
    "against a bitmap it is 1 / i, whatever the values take",
    where="Write down both costs for each entry of the layer: d (b + i) bits, and 1 + d b. Where are they equal?",
    idea=(
        "d b stands on both sides: what is left is d i = 1. Among 100,000 entries a position takes 4 whole bytes (the "
        "widths are 1, 2, 4 and 8): i = 32."
    ),
    code="`1 / i` if against == 'bitmap', with i = 32 here; bits, not bytes",
)
def against_bitmap(answer: Answer, draw: torch.Generator) -> None:
    for value_bits in (32, 16, 8):
        answer.should_be(1 / 32, LARGE, value_bits, "bitmap")


@law(
    "against dense it is b / (b + i)",
    where="Write down both costs for each entry of the layer: d (b + i), and b. Where are they equal?",
    idea="Solve d (b + i) = b for the density d. With i = 32 and values of 16 bits it is a third.",
    code="`value_bits / (value_bits + i)` if against == 'dense'",
)
def against_dense(answer: Answer, draw: torch.Generator) -> None:
    for value_bits in (16, 32, 8):
        answer.should_be(value_bits / (value_bits + 32), LARGE, value_bits, "dense")


@law(
    "a position takes the fewest bytes, 1, 2, 4 or 8, that can name every place",
    where="Places are counted from 0. Which is the last one among 256 entries, and does it fit into one byte?",
    idea="A byte holds 0 to 255, so it can name 256 places. Two bytes name 65,536 places, four 2^32.",
    code="8 if elements <= 256, else 16 if elements <= 65_536, else 32 if elements <= 2**32, else 64",
)
def widths(answer: Answer, draw: torch.Generator) -> None:
    for elements in (100, 1000, 256, 257, 65_536, 65_537):
        answer.should_be(coo_break_even(elements, 32, "bitmap"), elements, 32, "bitmap")


@law(
    "it is the break-even density for every layer, value and rival",
    where="Try a small layer with values of 8 bits, and a huge one.",
    idea="First i from the number of entries, then b / (b + i) against dense, 1 / i against a bitmap.",
    code="`value_bits / (value_bits + i) if against == 'dense' else 1 / i`",
)
def any_layer(answer: Answer, draw: torch.Generator) -> None:
    for against in ("dense", "bitmap"):
        for value_bits in (8, 16, 32, 64):
            for elements in (2, integer(3, 255, draw), integer(300, 60_000, draw), 2**32, 2**32 + 1):
                answer.should_be(coo_break_even(elements, value_bits, against), elements, value_bits, against)


EXERCISES = (
    Exercise(
        "05.1",
        "bitmap_bytes",
        bitmap_bytes,
        (unmasked, one_mask, whole_bytes, all_kept, not_from_zeros, types, any_message),
    ),
    Exercise("05.2", "coo_break_even", coo_break_even, (against_bitmap, against_dense, widths, any_layer)),
)
