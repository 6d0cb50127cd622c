"""Whole units go with all that belongs to them, weakest first, and never a whole layer."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fedlab_core.models import build_model, init_params
from fedlab_core.pruning.masks import full_masks, sparsity
from fedlab_core.pruning.units import Units, alive_units, drop_units, hidden_units, purge_units
from fedlab_core.types import Params, seeded_generator
from tests.cases import SMALL_MODELS


def model_of(name: str) -> tuple[Params, list[Units]]:
    model = build_model(name, (1, 8, 8), 10)
    return init_params(model, seeded_generator("units"))[0], hidden_units(model)


def test_the_units_of_a_network_with_norms() -> None:
    _, layers = model_of("cnn6")
    assert [layer.weight for layer in layers] == [
        *(f"conv{block}{conv}.weight" for block in (1, 2, 3) for conv in "ab"),
        "fc1.weight",
    ]
    assert layers[1] == Units("conv1b.weight", ("conv1b.bias", "norm1.weight", "norm1.bias"), "conv2a.weight")
    assert layers[5].reader == "fc1.weight"


def test_in_residual_blocks_only_inner_channels_are_units() -> None:
    params, layers = model_of("resnet20")
    assert len(layers) == 9
    inner = ("block2_1.body.norm_a.weight", "block2_1.body.norm_a.bias")
    assert layers[3] == Units("block2_1.body.conv_a.weight", inner, "block2_1.body.conv_b.weight")
    masks = drop_units(params, full_masks(params, tuple(params)), 0.5, layers)
    untouched = [name for name, mask in masks.items() if mask.all()]
    assert {name.split(".")[-2] for name in untouched} == {"stem", "stem_norm", "norm_b", "fc"}


def test_in_mobilenets_blocks_a_channel_has_a_filter_of_its_own() -> None:
    model = build_model("mobilenet_v2", (1, 8, 8), 10)
    params, layers = init_params(model, seeded_generator("units"))[0], hidden_units(model)
    own = ("expand_norm.weight", "expand_norm.bias", "filter.weight", "filter_norm.weight", "filter_norm.bias")
    ends = ("block2_1.expand.weight", "block2_1.project.weight")
    assert layers[1] == Units(ends[0], tuple(f"block2_1.{name}" for name in own), ends[1])
    assert layers[0].weight == "head.weight"  # the chain itself comes before those inside of it
    assert len(layers) == 17
    masks = drop_units(params, full_masks(params, tuple(params)), 0.5, layers)
    assert masks["block2_1.filter.weight"].flatten(1).all(1).tolist() == masks["block2_1.filter_norm.bias"].tolist()
    assert [masks[f"block2_1.{part}.weight"].double().mean() for part in ("expand", "filter", "project")] == [0.5] * 3
    untouched = {name.split(".")[-2] for name, mask in masks.items() if mask.all() and "block1" not in name}
    assert untouched == {"stem", "stem_norm", "project_norm", "fc"}  # of the last one, the biases


def test_the_smallest_filters_go_with_their_biases_and_readers() -> None:
    """L1 norms 3, 2 and 2.5: half of three units is one, the second. Behind flattening it has two columns."""
    params = {
        "a.weight": torch.tensor([[1.0, -2.0], [-1.0, 1.0], [2.5, 0.0]]),
        "a.bias": torch.ones(3),
        "b.weight": torch.ones(2, 6),
        "b.bias": torch.ones(2),
    }
    masks = drop_units(params, full_masks(params, tuple(params)), 0.5, [Units("a.weight", ("a.bias",), "b.weight")])
    assert masks["a.weight"].tolist() == [[True, True], [False, False], [True, True]]
    assert masks["a.bias"].tolist() == [True, False, True]
    assert masks["b.weight"].tolist() == [[True, True, False, False, True, True]] * 2
    assert masks["b.bias"].all()


@pytest.mark.slow
@given(name=st.sampled_from(SMALL_MODELS), targets=st.lists(st.floats(0, 0.99), min_size=1, max_size=3))
def test_the_target_is_reached_by_the_fewest_units_and_masks_are_nested(name: str, targets: list[float]) -> None:
    params, layers = model_of(name)
    masks = full_masks(params, tuple(params))
    for target in sorted(targets):
        before, masks = masks, purge_units(params, masks, target, layers)
        assert all(not (masks[key] & ~before[key]).any() for key in masks)
        gone = [int((~masks[layer.weight].flatten(1).any(1)).sum()) for layer in layers]
        units = [len(params[layer.weight]) for layer in layers]
        assert all(g < u for g, u in zip(gone, units, strict=True))
        most = sparsity(drop_units(params, full_masks(params, tuple(params)), 1, layers))  # one unit of each is left
        assert sparsity(masks) >= min(target, most) - 1e-12
        # One unit fewer in the largest layers, and the target is missed.
        share = max(g / u for g, u in zip(gone, units, strict=True)) - 1 / max(units)
        if share > 0:
            assert sparsity(drop_units(params, full_masks(params, tuple(params)), share, layers)) < target


def test_what_is_pruned_counts_first_even_where_weights_have_come_back() -> None:
    params = {"a.weight": torch.tensor([[9.0], [1.0], [2.0]]), "b.weight": torch.ones(1, 3)}
    masks = full_masks(params, tuple(params))
    masks["a.weight"][0] = False
    layers = [Units("a.weight", (), "b.weight")]
    assert drop_units(params, masks, 0.34, layers)["a.weight"].flatten().tolist() == [False, True, True]
    assert drop_units(params, masks, 0.99, layers)["a.weight"].flatten().tolist() == [False, False, True]


def test_only_tensors_with_masks_are_masked() -> None:
    params, layers = model_of("mlp")
    names = ("fc1.weight", "fc3.weight")
    masks = purge_units(params, full_masks(params, names), 0.5, layers)
    assert masks.keys() == set(names)
    assert sparsity(masks) == pytest.approx(0.5, abs=0.01)
    assert purge_units(params, {}, 0.5, layers) == {}


def test_refused() -> None:
    params, layers = model_of("mlp")
    with pytest.raises(ValueError, match="target is 1"):
        purge_units(params, full_masks(params, tuple(params)), 1.0, layers)


def test_a_model_that_is_no_chain_has_no_units() -> None:
    assert hidden_units(nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.Linear(2, 2)})) == []


def test_a_unit_is_alive_while_any_weight_that_makes_it_is_kept() -> None:
    masks = {"conv": torch.tensor([[[[True, False]]], [[[False, False]]]]), "norm": torch.tensor([False, True])}
    assert {name: alive_U.tolist() for name, alive_U in alive_units(masks).items()} == {"conv": [True, False]}
