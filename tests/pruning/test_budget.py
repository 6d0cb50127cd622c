"""DWNP's FLOPs: the paper's totals, a hand-made network, and gradients of channels."""

import math

import pytest
import torch
from torch.func import functional_call

from fedlab_core.costs.flops import forward_flops
from fedlab_core.models import build_model, init_params
from fedlab_core.pruning.budget import ChannelCosts, two_sided
from fedlab_core.pruning.masks import apply_masks, full_masks
from fedlab_core.pruning.units import hidden_units
from fedlab_core.types import seeded_generator


def costs_of(name: str, shape: tuple[int, ...]) -> ChannelCosts:
    model = build_model(name, shape, 10)
    return ChannelCosts.of_model(model, forward_flops(model, shape))


def keeping(costs: ChannelCosts, share: float) -> list[torch.Tensor]:
    return [(torch.arange(size) < share * size).float() for size in costs.sizes]


def test_resnet56() -> None:
    """Check values: gated blocks 126.59 M; half of all channels leave 0.503, 80 % leave 0.809."""
    costs = costs_of("resnet56", (3, 32, 32))
    assert costs.total == pytest.approx(126.59e6, rel=1e-4)
    assert float(costs.share(keeping(costs, 1))) == pytest.approx(1)
    assert float(costs.share(keeping(costs, 0.5))) == pytest.approx(0.503, abs=5e-4)
    assert float(costs.share(keeping(costs, 0.8))) == pytest.approx(0.809, abs=5e-3)


def test_a_chain_by_hand() -> None:
    """mlp on 8 x 8: 64 -> 128 -> 128 -> 10. Half of both layers: 64*64 + 64*64 + 64*10, and 3 (64 + 64 + 10)."""
    costs = costs_of("mlp", (1, 8, 8))
    assert costs.total == 64 * 128 + 128 * 128 + 128 * 10 + 3 * (128 + 128 + 10)
    left = 64 * 64 + 64 * 64 + 64 * 10 + 3 * (64 + 64 + 10)
    assert float(costs.share(keeping(costs, 0.5))) == pytest.approx(left / costs.total)


def test_a_mobilenet_block_by_hand() -> None:
    """1 x 1 from 24 to 144, 3 x 3 on each of the 144, 1 x 1 to 24, on 32 x 32; a share of them costs that share."""
    model = build_model("mobilenet_v2", (3, 32, 32), 10)
    units = [one for one in hidden_units(model) if one.weight.startswith("block2_2.")]
    shapes = {name: parameter.shape for name, parameter in model.named_parameters()}
    costs = ChannelCosts.of(units, shapes, forward_flops(model, (3, 32, 32)))

    def by_hand(channels: int) -> int:
        return 32 * 32 * (24 * channels + 9 * channels + channels * 24 + 3 * channels + 3 * channels + 3 * 24)

    assert costs.total == by_hand(144)
    assert float(costs.share(keeping(costs, 0.25))) == pytest.approx(by_hand(36) / by_hand(144))


@pytest.mark.parametrize("name", ["mlp", "cnn_small", "resnet20_gn"])
def test_multiplying_readers_is_multiplying_channels(name: str) -> None:
    """The gradient with respect to a, against finite differences of the loss."""
    shape = (1, 8, 8)
    model, costs = build_model(name, shape, 10), costs_of(name, shape)
    params = {n: w.double() for n, w in init_params(model, seeded_generator("budget"))[0].items()}
    x, y = torch.randn(6, *shape, generator=seeded_generator("x"), dtype=torch.float64), torch.arange(6)
    a = [torch.rand(size, generator=seeded_generator("a", size), dtype=torch.float64) for size in costs.sizes]

    def loss(rows: list[torch.Tensor], leaves: dict[str, torch.Tensor]) -> torch.Tensor:
        shares = costs.read_shares(rows, leaves)
        seen = {n: w * shares[n] if n in shares else w for n, w in leaves.items()}
        return torch.nn.functional.cross_entropy(functional_call(model.eval(), seen, (x,)), y)

    shares = costs.read_shares(a, params)
    seen = {n: (w * shares[n] if n in shares else w).requires_grad_() for n, w in params.items()}
    value = torch.nn.functional.cross_entropy(functional_call(model.eval(), seen, (x,)), y)
    grads = dict(zip(seen, torch.autograd.grad(value, list(seen.values())), strict=True))
    found = costs.gradients(grads, params)
    for layer, channel in ((0, 0), (1, 3), (len(a) - 1, 2)):
        moved = [row.clone() for row in a]
        moved[layer][channel] += 1e-6
        slope = (float(loss(moved, params).detach()) - float(loss(a, params).detach())) / 1e-6
        assert float(found[layer][channel]) == pytest.approx(slope, abs=1e-6)


def test_masks_take_all_that_belongs_to_a_channel() -> None:
    model, costs = build_model("resnet20", (1, 8, 8), 10), costs_of("resnet20", (1, 8, 8))
    params, _ = init_params(model, seeded_generator(1))
    masks = costs.masks(keeping(costs, 0.5), full_masks(params, tuple(params)))
    small = apply_masks(params, masks)
    kept = [name for name, mask in masks.items() if not mask.all()]
    assert {name.split(".")[-2] for name in kept} == {"conv_a", "norm_a", "conv_b"}
    assert small["block1_1.body.conv_a.weight"][8:].abs().sum() == 0
    assert small["block1_1.body.conv_b.weight"][:, 8:].abs().sum() == 0


def test_the_regulariser_has_two_sides_and_a_flat_middle() -> None:
    def at(share: float) -> tuple[float, float]:
        leaf = torch.tensor(share, requires_grad=True)
        value = two_sided(leaf, 0.5)
        (slope,) = torch.autograd.grad(value, leaf, allow_unused=True)
        return float(value.detach()), float(slope)

    assert at(0.8) == pytest.approx((math.log(0.8 / 0.5), 1 / 0.8))
    assert at(0.3) == pytest.approx((math.log(0.5 / 0.3), -1 / 0.3))
    assert at(0.503) == pytest.approx((math.log(0.505 / 0.5), 0), rel=1e-4)
    assert at(0.498) == pytest.approx((math.log(0.5 / 0.495), 0), rel=1e-4)


def test_models_without_channels_are_refused() -> None:
    with pytest.raises(ValueError, match="dwnp needs a model with hidden channels"):
        ChannelCosts.of_model(torch.nn.Sequential(torch.nn.Linear(3, 2)), {})
