"""Whole units go with all that belongs to them, weakest first, and never a whole layer."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedlab_core.models import build_model, init_params, model_names
from fedlab_core.pruning.masks import full_masks, sparsity
from fedlab_core.pruning.units import Units, drop_units, hidden_units, purge_units
from fedlab_core.types import Params, seeded_generator


def params_of(name: str) -> Params:
    return init_params(build_model(name, (1, 8, 8), 10), seeded_generator("units"))[0]


def test_the_units_of_a_network_with_norms() -> None:
    layers = hidden_units(params_of("cnn6"))
    assert [layer.weight for layer in layers] == [
        *(f"conv{block}{conv}.weight" for block in (1, 2, 3) for conv in "ab"),
        "fc1.weight",
    ]
    assert layers[1] == Units("conv1b.weight", ("conv1b.bias", "norm1.weight", "norm1.bias"), "conv2a.weight")
    assert layers[5].reader == "fc1.weight"


def test_the_smallest_filters_go_with_their_biases_and_readers() -> None:
    """L1 norms 3, 2 and 2.5: half of three units is one, the second. Behind flattening it has two columns."""
    params = {
        "a.weight": torch.tensor([[1.0, -2.0], [-1.0, 1.0], [2.5, 0.0]]),
        "a.bias": torch.ones(3),
        "b.weight": torch.ones(2, 6),
        "b.bias": torch.ones(2),
    }
    masks = drop_units(params, full_masks(params, tuple(params)), 0.5)
    assert masks["a.weight"].tolist() == [[True, True], [False, False], [True, True]]
    assert masks["a.bias"].tolist() == [True, False, True]
    assert masks["b.weight"].tolist() == [[True, True, False, False, True, True]] * 2
    assert masks["b.bias"].all()


@given(name=st.sampled_from(model_names()), targets=st.lists(st.floats(0, 0.99), min_size=1, max_size=3))
def test_the_target_is_reached_by_the_fewest_units_and_masks_are_nested(name: str, targets: list[float]) -> None:
    params = params_of(name)
    masks = full_masks(params, tuple(params))
    for target in sorted(targets):
        before, masks = masks, purge_units(params, masks, target)
        assert all(not (masks[key] & ~before[key]).any() for key in masks)
        gone = [int((~masks[layer.weight].flatten(1).any(1)).sum()) for layer in hidden_units(params)]
        units = [len(params[layer.weight]) for layer in hidden_units(params)]
        assert all(g < u for g, u in zip(gone, units, strict=True))
        assert sparsity(masks) >= target - 1e-12
        # One unit fewer in the largest layers, and the target is missed.
        share = max(g / u for g, u in zip(gone, units, strict=True)) - 1 / max(units)
        if share > 0:
            assert sparsity(drop_units(params, full_masks(params, tuple(params)), share)) < target


def test_what_is_pruned_counts_first_even_where_weights_have_come_back() -> None:
    params = {"a.weight": torch.tensor([[9.0], [1.0], [2.0]]), "b.weight": torch.ones(1, 3)}
    masks = full_masks(params, tuple(params))
    masks["a.weight"][0] = False
    assert drop_units(params, masks, 0.34)["a.weight"].flatten().tolist() == [False, True, True]
    assert drop_units(params, masks, 0.99)["a.weight"].flatten().tolist() == [False, False, True]


def test_only_tensors_with_masks_are_masked() -> None:
    params = params_of("mlp")
    names = ("fc1.weight", "fc3.weight")
    masks = purge_units(params, full_masks(params, names), 0.5)
    assert masks.keys() == set(names)
    assert sparsity(masks) == pytest.approx(0.5, abs=0.01)
    assert purge_units(params, {}, 0.5) == {}


def test_refused() -> None:
    params = params_of("mlp")
    with pytest.raises(ValueError, match="target is 1"):
        purge_units(params, full_masks(params, tuple(params)), 1.0)
    branched = {"a.weight": torch.ones(3, 2), "b.weight": torch.ones(3, 2)}
    with pytest.raises(ValueError, match=r"b.weight does not read what a.weight makes"):
        purge_units(branched, full_masks(branched, tuple(branched)), 0.5)
