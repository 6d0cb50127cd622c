"""Tensors survive the store bit by bit, and damage is noticed."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedlab_core.runs.blobs import (
    MAX_ELEMENTS,
    RunError,
    _write,
    pack,
    pack_masks,
    pack_memory,
    pack_model,
    unpack,
    unpack_masks,
    unpack_memory,
    unpack_model,
)
from fedlab_core.types import ServerState

SHAPES = st.lists(st.integers(0, 9), min_size=1, max_size=4).map(tuple)


@given(SHAPES, st.integers(0, 100))
def test_states_survive_bit_by_bit_and_in_order(make_state, shape, seed):
    state = make_state(seed, shape, {"order": torch.arange(5), "step": torch.tensor(3), "on": torch.tensor([True])})
    again = unpack(pack(state))
    assert again.sha256() == state.sha256()
    for group in ("params", "buffers", "masks", "state"):
        assert list(getattr(again, group)) == list(getattr(state, group))


def test_only_kept_values_are_stored():
    mask = torch.zeros(1000, 100, dtype=torch.bool)
    mask[::50] = True
    weight = torch.where(mask, torch.ones(1000, 100), torch.zeros(()))
    payload = pack_model({"w": weight}, {}, {"w": mask})
    assert len(payload) < 4 * int(mask.sum()) + 500
    assert len(pack_masks({"w": mask})) < mask.numel() / 8 + 500


@pytest.mark.parametrize("odd", [-0.0, math.nan, math.inf, 1e-45])
def test_odd_values_where_pruned_are_not_lost(odd):
    mask = torch.tensor([[True, False], [False, True]])
    weight = torch.tensor([[1.0, odd], [0.0, math.nan]])
    state = ServerState({"w": weight}, {}, {"w": mask})
    assert unpack(pack(state)).sha256() == state.sha256()


def test_views_of_one_storage_can_be_stored():
    flat = torch.arange(6.0)
    state = ServerState({"a": flat[:3], "b": flat[3:], "t": flat.reshape(2, 3).T}, {}, {})
    assert unpack(pack(state)).sha256() == state.sha256()


def test_a_state_without_masks_or_memory(make_state):
    state = ServerState({"w": torch.ones(2)}, {}, {})
    assert pack(state).keys() == {"masks", "model"}
    assert unpack(pack(state)).sha256() == state.sha256()
    with pytest.raises(RunError, match="not complete"):
        unpack({"masks": pack_masks({})})


def test_every_cut_and_every_flipped_header_byte_is_a_run_error_or_harmless(make_state):
    blobs = pack(make_state())
    for kind, payload in blobs.items():
        for cut in range(0, len(payload), 7):
            with pytest.raises(RunError):
                unpack({**blobs, kind: payload[:cut]})
        for place in range(len(payload)):
            broken = payload[:place] + bytes([payload[place] ^ 0x41]) + payload[place + 1 :]
            try:
                unpack({**blobs, kind: broken})
            except RunError:
                continue


def test_lies_about_shapes_are_found():
    bits = torch.zeros(2, dtype=torch.uint8)
    for shapes in ({"w": [17]}, {"w": [-16]}, {"w": [2.0, 8]}, {"v": [16]}, {"w": [16], "v": [1]}, {"w": None}, [1]):
        with pytest.raises(RunError):
            unpack_masks(_write({"w": bits}, shapes))
    with pytest.raises(RunError):
        unpack_masks(_write({"w": torch.zeros(16)}, {"w": [16]}))
    with pytest.raises(RunError, match="memory"):
        unpack_memory(_write({"w": bits}, {"w": [3]}))
    with pytest.raises(RunError, match="no place"):
        unpack_model(_write({"elsewhere/w": bits}, {"elsewhere/w": [2]}), {})
    with pytest.raises(RunError, match="params/w"):
        unpack_model(_write({"params/w": torch.ones(2)}, {"params/w": [3]}), {"w": torch.ones(3, dtype=torch.bool)})
    assert unpack_memory(pack_memory({"w": bits}))["w"].equal(bits)


def test_nothing_huge_is_allocated():
    """A mask of a few bytes that claims to be larger than any model."""
    with pytest.raises(RunError):
        unpack_masks(_write({"w": torch.zeros(1, dtype=torch.uint8)}, {"w": [MAX_ELEMENTS + 1]}))
    with pytest.raises(RunError):
        unpack_masks(_write({"w": torch.zeros(0, dtype=torch.uint8)}, {"w": [10**3000, 0]}))
    with pytest.raises(RunError):
        unpack_masks(_write({"w": torch.zeros(1, dtype=torch.uint8)}, {"w": [1] * 1000}))


@given(st.binary(max_size=300))
def test_noise_is_a_run_error(noise):
    with pytest.raises(RunError):
        unpack_masks(noise)
