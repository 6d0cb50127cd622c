"""A payload from an enemy is a CodecError: no other exception, no memory beyond what it may ask for."""

from __future__ import annotations

import struct
import tracemalloc
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedlab_core.costs.bits import varint
from fedlab_core.costs.codec import CodecError, decode, describe, encode
from fedlab_core.costs.forms import FORMS
from fedlab_core.costs.wire import DTYPES

LAWS = settings(max_examples=400)
FORM_CODES = {form.name: code for code, form in enumerate(FORMS)}


def sealed(body: bytes) -> bytes:
    """A body with a right checksum: a forger computes one, too."""
    return body + struct.pack("<I", zlib.crc32(body))


def forged(*tensors: bytes, count: int | None = None) -> bytes:
    return sealed(struct.pack("<4sBH", b"FLAB", 1, len(tensors) if count is None else count) + b"".join(tensors))


def raw_tensor(
    shape: tuple[int, ...],
    form: str = "dense",
    kept: int = 0,
    block: bytes = b"",
    values: bytes = b"",
    name: bytes = b"w",
    dtype: torch.dtype = torch.float32,
    masked: bool = True,
) -> bytes:
    kind = bytes([DTYPES.index(dtype) | FORM_CODES[form] << 4 | masked << 7])
    head = varint(len(name)) + name + kind + varint(len(shape)) + b"".join(map(varint, shape))
    mask = b"" if form == "dense" else varint(kept) + varint(len(block)) + block
    return head + mask + values


def samples() -> list[bytes]:
    """One honest payload for each form."""
    rng = np.random.default_rng(0)
    masks = {
        "dense": np.ones(6, bool),
        "bitmap": rng.random(30) < 0.5,
        "indices": np.arange(200) == 150,
        "gaps": rng.random(400) < 0.05,
        "runs": np.repeat(rng.random(12) < 0.6, 25),
    }
    payloads = []
    for form, mask in masks.items():
        tensors = {"w": torch.from_numpy(rng.random(mask.shape)), "b": torch.tensor([True, False])}
        payloads.append(encode(tensors, {"w": torch.from_numpy(mask)}))
        assert describe(payloads[-1])[0].form == form
    return payloads


SAMPLES = samples()
FOUR = bytes(4)


def test_the_forger_of_these_tests_writes_what_the_codec_writes() -> None:
    mask = torch.tensor([True, False, True])
    honest = encode({"w": torch.tensor([1.0, 2.0, 3.0])}, {"w": mask})
    values = np.array([1, 3], "<f4").tobytes()
    assert forged(raw_tensor((3,), "bitmap", 2, b"\x05", values)) == honest


@LAWS
@given(
    sample=st.sampled_from(SAMPLES),
    edits=st.lists(st.tuples(st.integers(0, 999), st.integers(1, 255)), min_size=1, max_size=3),
)
def test_damage_is_noticed(sample: bytes, edits: list[tuple[int, int]]) -> None:
    damaged = bytearray(sample)
    for place, change in edits:
        damaged[place % len(sample)] ^= change
    if bytes(damaged) != sample:
        with pytest.raises(CodecError):
            decode(bytes(damaged))
        with pytest.raises(CodecError):
            describe(bytes(damaged))


@pytest.mark.parametrize("sample", SAMPLES, ids=FORM_CODES)
def test_truncation_and_trailing_bytes_are_noticed_even_with_a_right_checksum(sample: bytes) -> None:
    for length in range(len(sample) - 4):
        with pytest.raises(CodecError):
            decode(sample[:length])
        with pytest.raises(CodecError):
            decode(sealed(sample[:length]))
    with pytest.raises(CodecError, match="1 bytes after its last tensor"):
        decode(sealed(sample[:-4] + b"\0"))


@LAWS
@given(
    sample=st.sampled_from(SAMPLES),
    edits=st.lists(st.tuples(st.integers(0, 999), st.integers(0, 255)), min_size=1, max_size=6),
    cut=st.integers(0, 3),
)
def test_forged_bytes_are_a_message_or_a_codec_error(sample: bytes, edits: list[tuple[int, int]], cut: int) -> None:
    body = bytearray(sample[: -4 - cut])
    for place, value in edits:
        body[7 + place % (len(body) - 7)] = value
    try:
        message = decode(sealed(bytes(body)), max_elements=10_000)
    except CodecError:
        return
    again = decode(encode(message.tensors, message.masks))
    assert [t.shape for t in again.tensors.values()] == [t.shape for t in message.tensors.values()]
    assert all(torch.equal(again.masks[name], mask) for name, mask in message.masks.items())


@LAWS
@given(data=st.binary(max_size=80), count=st.integers(0, 3))
def test_random_bytes_are_a_message_or_a_codec_error(data: bytes, count: int) -> None:
    with pytest.raises(CodecError):
        decode(data)
    try:
        decode(forged(data, count=count), max_elements=10_000)
    except CodecError:
        return


HUGE = {
    "dense": raw_tensor((2**40,)),
    "unmasked": raw_tensor((2**20, 2**20), masked=False),
    "dense of axes beyond any integer": raw_tensor((2**62,) * 32),
    "no kept value": raw_tensor((2**40,), "indices"),
    "no element, and yet huge axes": raw_tensor((2**40, 2**40, 0), masked=False),
    "bitmap": raw_tensor((2**28,), "bitmap", 1, b"\1", FOUR),
    "indices": raw_tensor((2**28,), "indices", 2**27, FOUR, FOUR),
    "gaps": raw_tensor((2**28,), "gaps", 1, b"\1", FOUR),
    "gaps that are too many": raw_tensor((2**28,), "gaps", 2**28, b"\0\1", FOUR),
    "gaps with a unary part far too long": raw_tensor((9,), "gaps", 1, b"\0" + b"\xff" * 10**6, FOUR),
    "runs that are too many": raw_tensor((2**28,), "runs", 1, b"\1" + varint(2**28) + b"\2\0\1\0", FOUR),
    "a huge name": varint(2**40) + b"w",
    "a block longer than the payload": raw_tensor((9,), "gaps", 1)[:-1] + varint(2**50),
    "tensors that together are too many": b"".join(
        raw_tensor((2**27,), "indices", name=bytes([65 + i])) for i in range(3)
    ),
}


@pytest.mark.parametrize("name", HUGE)
def test_huge_declarations_are_refused_before_anything_is_allocated(name: str) -> None:
    payload = forged(HUGE[name], count=3 if "together" in name else 1)
    tracemalloc.start()
    try:
        with pytest.raises(CodecError):
            decode(payload)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_max_elements_is_for_the_whole_message_and_counts_pruned_entries() -> None:
    nothing = {name: torch.zeros(60, dtype=torch.bool) for name in "ab"}
    payload = encode({name: torch.ones(60) for name in "ab"}, nothing)
    assert decode(payload, max_elements=120).masks.keys() == {"a", "b"}
    with pytest.raises(CodecError, match="120 elements; allowed are 119"):
        decode(payload, max_elements=119)


ONE = np.array([1.0], "<f4").tobytes()
RISING = "rising order"
WRONG = {
    "twice the same name": (forged(raw_tensor((1,), values=ONE), raw_tensor((1,), values=ONE)), "twice"),
    "a name that is no text": (forged(raw_tensor((1,), values=ONE, name=b"\xff")), "UTF-8"),
    "an unknown type": (forged(b"\1w\x0f\0" + ONE), "unknown kind 15"),
    "an unknown form": (forged(b"\1w\xf0\0" + ONE), "unknown kind 240"),
    "a form without a mask": (forged(raw_tensor((8,), "bitmap", 1, b"\1", ONE, masked=False)), "unknown kind"),
    "too many axes": (forged(raw_tensor((1,) * 33, values=ONE)), r"too many axes \(33\)"),
    "a long-winded integer": (forged(b"\x81\x00w\0\0" + ONE), "superfluous"),
    "an endless integer": (forged(b"\xff" * 9), r"2\*\*63"),
    "more kept than there are": (forged(raw_tensor((2,), "indices", 3, b"\0\1\2", 3 * ONE)), "keeps 3 entries of 2"),
    "bitmap: another count": (forged(raw_tensor((8,), "bitmap", 1, b"\3", ONE)), "does not keep 1"),
    "bitmap: padding": (forged(raw_tensor((3,), "bitmap", 1, b"\x09", ONE)), "padding"),
    "bitmap: length": (forged(raw_tensor((3,), "bitmap", 1, b"\1\0", ONE)), "need 1 bytes, not 2"),
    "indices: outside": (forged(raw_tensor((3,), "indices", 1, b"\3", ONE)), "position 3 is outside"),
    "indices: falling": (forged(raw_tensor((9,), "indices", 2, b"\3\2", 2 * ONE)), RISING),
    "indices: repeated": (forged(raw_tensor((9,), "indices", 2, b"\3\3", 2 * ONE)), RISING),
    "indices: length": (forged(raw_tensor((9,), "indices", 2, b"\3", 2 * ONE)), "need 2 bytes, not 1"),
    "gaps: parameter": (forged(raw_tensor((9,), "gaps", 1, b"\x40" + bytes(9), ONE)), "parameter 64"),
    "gaps: no low bits": (forged(raw_tensor((9,), "gaps", 1, b"\x20", ONE)), "does not fit 1 numbers in 1 bytes"),
    "gaps: outside": (forged(raw_tensor((3,), "gaps", 2, b"\0\x0a", 2 * ONE)), "position 3 is outside"),
    "gaps: sum": (forged(raw_tensor((3,), "gaps", 1, b"\0\x10", ONE)), "add up to more than 3"),
    "gaps: superfluous byte": (forged(raw_tensor((9,), "gaps", 1, b"\0\1\0", ONE)), "longer than"),
    "gaps: padding": (forged(raw_tensor((9,), "gaps", 1, b"\1\1\2", ONE)), "padding"),
    "gaps: another count": (forged(raw_tensor((9,), "gaps", 1, b"\0\3", ONE)), "2 Golomb-Rice codes, 1 are"),
    "runs: kind of the first": (forged(raw_tensor((3,), "runs", 1, b"\2\1\2\0\4\0", ONE)), "first of kind 2"),
    "runs: none": (forged(raw_tensor((3,), "runs", 1, b"\1\0\2\0\4\0", ONE)), "cannot have 0 runs"),
    "runs: do not fill": (forged(raw_tensor((3,), "runs", 1, b"\1\1\2\0\2\0", ONE)), "cover 2 entries of 3"),
    "a truth value of 2": (forged(raw_tensor((1,), values=b"\2", dtype=torch.bool)), "neither 0 nor 1"),
    "another version": (sealed(b"FLAB\2\0\0"), "version 2"),
    "another format": (sealed(b"FLIP\1\0\0"), "FLIP"),
    "nothing": (b"", "0 bytes; the shortest message has 11"),
}


@pytest.mark.parametrize("name", WRONG)
def test_each_rule_of_the_format_is_enforced(name: str) -> None:
    payload, words = WRONG[name]
    with pytest.raises(CodecError, match=words):
        decode(payload)
