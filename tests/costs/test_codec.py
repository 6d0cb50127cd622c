"""The codec by its laws: what is sent arrives bit for bit, equal input gives equal bytes, the sizes add up."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fedlab_core.costs import wire
from fedlab_core.costs.codec import (
    MESSAGE_BYTES,
    MaskMemory,
    decode,
    describe,
    encode,
    entropy_bound_bytes,
    label_bytes,
    nominal_bytes,
)
from fedlab_core.costs.forms import FORMS

LAWS = settings(max_examples=150)
DTYPES = [
    torch.float32,
    torch.float64,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.uint8,
    torch.bool,
]


def random_bits(shape: tuple[int, ...], dtype: torch.dtype, rng: np.random.Generator) -> Tensor:
    """Any bit pattern at all: NaN payloads, denormals, infinities, -0.0."""
    flat = torch.empty(math.prod(shape), dtype=dtype)
    raw = rng.integers(0, 2 if dtype == torch.bool else 256, flat.nbytes, dtype=np.uint8)
    flat.view(torch.uint8).copy_(torch.from_numpy(raw))
    return flat.reshape(shape)


def raw_bytes(tensor: Tensor) -> bytes:
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def assert_same(got: Tensor, want: Tensor) -> None:
    assert (got.dtype, got.shape) == (want.dtype, want.shape)
    assert raw_bytes(got) == raw_bytes(want)


@LAWS
@given(
    kinds=st.lists(st.sampled_from([None, 0.1, 0.5, 1.0]), min_size=1, max_size=8),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_memory_of_masks_changes_no_byte(kinds: list[float | None], seed: int) -> None:
    """Messages in a row, some with the mask of the one before, some with another or none."""
    rng, writing, reading = np.random.default_rng(seed), MaskMemory(), MaskMemory()
    masks = {kind: torch.from_numpy(rng.random((5, 40)) < kind) for kind in (0.1, 0.5, 1.0)}
    for kind in kinds:
        tensors = {"w": random_bits((5, 40), torch.float32, rng)}
        own = {} if kind is None else {"w": masks[kind].clone()}
        payload = encode(tensors, own, writing)
        assert payload == encode(tensors, own)
        got, alone = decode(payload, memory=reading), decode(payload)
        assert_same(got.tensors["w"], alone.tensors["w"])
        assert got.masks.keys() == alone.masks.keys() == own.keys()
        assert all(torch.equal(got.masks[name], mask) for name, mask in own.items())


@pytest.mark.parametrize("kept", [3, 8])
def test_equal_masks_of_several_messages_are_held_once(kept: int) -> None:
    payload, memory = encode({"w": torch.ones(8)}, {"w": torch.arange(8) < kept}), MaskMemory()
    first, second = (decode(payload, memory=memory) for _ in range(2))
    assert first.masks["w"].data_ptr() == second.masks["w"].data_ptr()
    assert first.masks["w"].sum() == kept


def test_a_mask_that_was_changed_in_place_is_a_new_one() -> None:
    tensors, mask, memory = {"w": torch.ones(8)}, torch.arange(8) < 3, MaskMemory()
    encode(tensors, {"w": mask}, memory)
    mask[5] = True
    assert encode(tensors, {"w": mask}, memory) == encode(tensors, {"w": mask})


tensor_plans = st.lists(
    st.tuples(
        st.lists(st.integers(0, 7), max_size=4).map(tuple),
        st.sampled_from(DTYPES),
        st.sampled_from([None, 0.0, 0.02, 0.3, 0.5, 0.8, 0.98, 1.0]),
    ),
    max_size=4,
)


@LAWS
@given(plans=tensor_plans, seed=st.integers(0, 2**32 - 1))
def test_round_trip_is_bit_exact(plans: list, seed: int) -> None:
    rng = np.random.default_rng(seed)
    tensors = {f"layer{i}.wéight": random_bits(shape, dtype, rng) for i, (shape, dtype, _) in enumerate(plans)}
    masks = {
        name: torch.from_numpy(np.asarray(rng.random(shape) < density))
        for name, (shape, _, density) in zip(tensors, plans, strict=True)
        if density is not None
    }
    payload = encode(tensors, masks)
    message = decode(payload)
    assert list(message.tensors) == list(tensors)
    assert message.masks.keys() == masks.keys()
    for name, tensor in tensors.items():
        mask = masks.get(name, torch.ones(tensor.shape, dtype=torch.bool))
        assert_same(message.tensors[name], torch.where(mask, tensor, torch.zeros_like(tensor)))
        assert_same(message.masks.get(name, mask), mask)
    assert encode(message.tensors, message.masks) == payload
    costs = describe(payload)
    assert sum(cost.num_bytes for cost in costs) + MESSAGE_BYTES == len(payload)
    assert [cost.kept for cost in costs] == [int(masks[n].sum()) if n in masks else tensors[n].numel() for n in tensors]


def test_special_floats_keep_their_bits() -> None:
    bits = torch.tensor([0x7FC00001, -0x3FFFFF, -(2**31), 0x7F800000, 1], dtype=torch.int32)
    special = bits.view(torch.float32)  # NaN with a payload, negative NaN, -0.0, infinity, the least denormal
    mask = torch.tensor([True, True, True, False, True])
    got = decode(encode({"w": special, "v": special}, {"w": mask})).tensors
    assert got["v"].view(torch.int32).tolist() == bits.tolist()
    assert got["w"].view(torch.int32).tolist() == [*bits[:3].tolist(), 0, 1]


def test_the_wire_byte_by_byte() -> None:
    payload = encode({"w": torch.tensor([[1.0, 2.0, 3.0]])}, {"w": torch.tensor([[True, False, True]])})
    head = b"FLAB" + b"\x01" + b"\x01\x00"
    tensor = b"\x01w" + bytes([0 | 1 << 4 | 1 << 7]) + b"\x02\x01\x03"  # float32, bitmap, masked; two axes: 1, 3
    mask = b"\x02" + b"\x01" + bytes([0b101])
    values = np.array([1.0, 3.0], "<f4").tobytes()
    assert payload[:-4] == head + tensor + mask + values


def test_numbers_on_the_wire_never_change() -> None:
    assert list(wire.DTYPES) == DTYPES
    assert [form.name for form in FORMS] == ["dense", "bitmap", "indices", "gaps", "runs"]


def test_views_gradients_and_layouts_do_not_matter() -> None:
    x = torch.arange(120.0).reshape(2, 3, 4, 5)
    mask = x % 3 == 0
    plain = encode({"w": x}, {"w": mask})
    last = x.clone(memory_format=torch.channels_last).requires_grad_()
    assert encode({"w": last}, {"w": mask.clone(memory_format=torch.channels_last)}) == plain
    assert encode({"w": x.permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0)}, {"w": mask}) == plain
    assert_same(decode(encode({"w": torch.ones(1).expand(5)})).tensors["w"], torch.ones(5))


def test_decoded_tensors_can_be_written_to() -> None:
    message = decode(encode({"w": torch.ones(4), "v": torch.ones(4)}, {"w": torch.ones(4, dtype=torch.bool)}))
    for tensor in (*message.tensors.values(), message.masks["w"].float()):
        tensor += 1
    assert message.tensors["w"].tolist() == [2.0] * 4


def test_what_is_outside_the_mask_is_not_sent() -> None:
    mask = torch.arange(1000) < 100
    dirty, clean = torch.full((1000,), 7.0), torch.where(mask, 7.0, 0.0)
    assert encode({"w": dirty}, {"w": mask}) == encode({"w": clean}, {"w": mask})


@pytest.mark.parametrize(
    ("tensors", "masks", "words"),
    [
        ({"w": torch.ones(2)}, {"v": torch.ones(2, dtype=torch.bool)}, "'v' belongs to no tensor"),
        ({"w": torch.ones(2)}, {"w": torch.ones(3, dtype=torch.bool)}, r"shape \(2,\)"),
        ({"w": torch.ones(2)}, {"w": torch.ones(2)}, "torch.bool"),
        ({"w": torch.ones(2, dtype=torch.complex64)}, {}, "allowed are torch.float32"),
        ({"w": torch.ones([1] * 33)}, {}, "33 axes"),
        (dict.fromkeys(map(str, range(2**16)), torch.ones(())), {}, "65536 tensors"),
    ],
)
def test_what_cannot_be_sent_is_a_value_error(tensors: dict, masks: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        encode(tensors, masks)


def test_labels_are_all_that_is_neither_mask_nor_value() -> None:
    """A byte of bitmap and 12 of values; 11 of the message, 5 of name, kind and shape, and 2 counts."""
    payload = encode({"w": torch.ones(8)}, {"w": torch.arange(8) < 3}, MaskMemory(only="bitmap"))
    assert label_bytes(payload) == len(payload) - 1 - 12 == 11 + 5 + 2
    dense = encode({"w": torch.ones(8)})
    assert label_bytes(dense) == len(dense) - 32 == 11 + 5
    assert label_bytes(encode({})) == MESSAGE_BYTES == 11


def test_nominal_bytes_count_kept_values_only() -> None:
    tensors = {"w": torch.zeros(10, 10), "b": torch.zeros(10), "h": torch.zeros(8, dtype=torch.float16)}
    masks = {"w": torch.arange(100).reshape(10, 10) < 5}
    assert nominal_bytes(tensors, masks) == 4 * 5 + 4 * 10 + 2 * 8
    with pytest.raises(ValueError, match="belongs to no tensor"):
        nominal_bytes(tensors, {"x": masks["w"]})


@pytest.mark.parametrize(("elements", "kept"), [(1000, 50), (7, 3), (5, 5), (5, 0), (0, 0)])
def test_entropy_bound_against_torch(elements: int, kept: int) -> None:
    density = torch.tensor(kept / max(elements, 1), dtype=torch.float64)
    entropy = torch.distributions.Bernoulli(density).entropy().item() / math.log(2)
    assert entropy_bound_bytes(elements, kept) == pytest.approx((elements * entropy + 32 * kept) / 8, abs=1e-9)
    assert entropy_bound_bytes(elements, kept, 16) == pytest.approx((elements * entropy + 16 * kept) / 8, abs=1e-9)
