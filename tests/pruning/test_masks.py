"""Masks: exact counts, ties, nesting."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedlab_core.pruning.masks import (
    apply_masks,
    drop_lowest,
    full_masks,
    layer_density,
    overlap,
    overlaps,
    prunable_names,
    purge,
    purge_random,
    random_order,
    sparsity,
)
from fedlab_core.types import seeded_generator


def some_params(seed: int = 0) -> dict[str, torch.Tensor]:
    generator = seeded_generator("masks", seed)
    shapes = {"conv.weight": (3, 2, 3, 3), "conv.bias": (3,), "fc.weight": (5, 7)}
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def test_biases_are_prunable_only_when_asked() -> None:
    params = some_params()
    assert prunable_names(params) == ("conv.weight", "fc.weight")
    assert prunable_names(params, include_vectors=True) == tuple(params)


def test_purge_by_hand() -> None:
    params = {"a": torch.tensor([[0.1, -0.5], [0.3, -0.2]]), "b": torch.tensor([[0.05, 0.4]])}
    masks = purge(params, full_masks(params, ("a", "b")), 0.5)
    assert masks["a"].tolist() == [[False, True], [True, False]]
    assert masks["b"].tolist() == [[False, True]]


def test_purge_keeps_ties_with_the_smallest_kept() -> None:
    params = {"a": torch.tensor([[1.0, -1.0, 1.0, 2.0]])}
    masks = purge(params, full_masks(params, ("a",)), 0.5)
    assert masks["a"].tolist() == [[True, True, True, True]]


@given(target=st.floats(0, 0.999), seed=st.integers(0, 50))
def test_purge_drops_exactly_int_target_times_p(target: float, seed: int) -> None:
    params = some_params(seed)
    names = prunable_names(params)
    masks = purge(params, full_masks(params, names), target)
    total = sum(params[name].numel() for name in names)
    pruned = sum(int((~mask).sum()) for mask in masks.values())
    spared = sum(int(mask.sum()) == 1 for mask in masks.values())  # the last weight of a layer is never dropped
    assert int(target * total) - spared <= pruned <= int(target * total)
    assert sparsity(masks) == pytest.approx(pruned / total)


@given(first=st.floats(0, 0.99), second=st.floats(0, 0.99))
def test_purged_weights_never_come_back(first: float, second: float) -> None:
    params = some_params()
    before = purge(params, full_masks(params, prunable_names(params)), first)
    after = purge(apply_masks(some_params(1), before), before, second)
    assert all(not (after[name] & ~before[name]).any() for name in before)
    assert sparsity(after) >= sparsity(before)


def test_a_kept_zero_is_not_a_pruned_weight() -> None:
    params = {"a": torch.tensor([[0.0, 1.0, 2.0, 3.0]])}
    masks = purge(params, full_masks(params, ("a",)), 0.0)
    assert masks["a"].all()


@pytest.mark.parametrize("target", [-0.1, 1.0, math.nan])
def test_purge_refuses_impossible_targets(target: float) -> None:
    params = some_params()
    with pytest.raises(ValueError, match="allowed is 0 <= target < 1"):
        purge(params, full_masks(params, prunable_names(params)), target)


@given(target=st.floats(0, 0.999))
def test_random_purge_drops_exactly_int_target_times_p_and_nests(target: float) -> None:
    params = some_params()
    full = full_masks(params, prunable_names(params))
    order = random_order(full, seeded_generator("order"))
    masks = purge_random(order, full, target)
    total = sum(mask.numel() for mask in full.values())
    assert sum(int((~mask).sum()) for mask in masks.values()) == int(target * total)
    more = purge_random(order, masks, (1 + target) / 2)
    assert all(not (more[name] & ~masks[name]).any() for name in masks)


def test_random_order_is_one_permutation() -> None:
    full = full_masks(some_params(), ("conv.weight", "fc.weight"))
    order = random_order(full, seeded_generator("order"))
    places = torch.cat([place.flatten() for place in order.values()])
    assert torch.equal(places.sort().values, torch.arange(len(places)))


def test_density_and_overlap() -> None:
    left = {"a": torch.tensor([True, True, False, False])}
    right = {"a": torch.tensor([True, False, True, False])}
    assert layer_density(left) == {"a": 0.5}
    assert overlap(left, right) == pytest.approx(1 / 3)
    assert overlap(left, left) == 1
    empty = {"a": torch.zeros(4, dtype=torch.bool)}
    assert overlap(empty, empty) == 1
    assert sparsity({}) == 0
    assert purge({}, {}, 0.5) == {}


def test_overlaps_are_those_of_every_pair() -> None:
    generator = seeded_generator("overlaps")
    masks = [
        {"a": torch.rand(3, 4, generator=generator) < share, "b": torch.rand(5, generator=generator) < share}
        for share in (0.9, 0.4, 0.1, 0)
    ]
    pairs = [[overlap(left, right) for right in masks] for left in masks]
    assert torch.allclose(overlaps(masks), torch.tensor(pairs, dtype=torch.float64))
    assert overlaps([]).shape == (0, 0)


def test_pruned_is_positive_zero_whatever_it_was() -> None:
    """-1 x 0 is -0 and NaN x 0 is NaN; a pruned weight is plain 0."""
    pruned = apply_masks({"a": torch.tensor([-1.0, float("nan"), 2.0])}, {"a": torch.tensor([False, False, True])})
    assert pruned["a"].tolist() == [0.0, 0.0, 2.0]
    assert not pruned["a"].signbit().any()


def test_random_purge_goes_on_from_masks_that_something_else_made() -> None:
    full = full_masks(some_params(), ("conv.weight", "fc.weight"))
    order = random_order(full, seeded_generator("order"))
    by_magnitude = purge(some_params(), full, 0.5)
    total = sum(mask.numel() for mask in full.values())
    after = purge_random(order, by_magnitude, 0.6)
    assert sparsity(after) == pytest.approx(int(0.6 * total) / total)
    assert purge_random(order, by_magnitude, 0.3) is by_magnitude


def test_a_layer_is_never_emptied() -> None:
    params = {"small": torch.tensor([[0.01, -0.02]]), "large": torch.arange(1.0, 9.0).view(2, 4)}
    masks = purge(params, full_masks(params, ("small", "large")), 0.7)
    assert masks["small"].tolist() == [[False, True]]
    assert int(masks["large"].sum()) == 3  # int(0.7 x 10) = 7 would go, one of them is spared


def test_scope_layer_takes_the_same_share_of_each() -> None:
    params = {"small": 0.01 * torch.arange(1.0, 9.0), "large": torch.arange(1.0, 9.0)}
    everything = full_masks(params, ("small", "large"))
    assert layer_density(purge(params, everything, 0.5)) == {"small": 0.125, "large": 1.0}
    assert layer_density(purge(params, everything, 0.5, "layer")) == {"small": 0.5, "large": 0.5}


def test_drop_lowest_counts_what_is_pruned_already() -> None:
    scores = {"a": torch.tensor([-3.0, -1.0, 2.0, 5.0])}
    masks = {"a": torch.tensor([True, True, True, False])}  # the best score is pruned: it stays pruned
    assert drop_lowest(scores, masks, 1)["a"].tolist() == [True, True, True, False]
    assert drop_lowest(scores, masks, 2)["a"].tolist() == [False, True, True, False]
