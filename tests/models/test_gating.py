"""Gates: what is open, what it saves, and how gradients pass."""

import pytest
import torch
from torch import nn
from torch.func import functional_call

from fedlab_core.costs.flops import forward_flops
from fedlab_core.experiment import Experiment
from fedlab_core.models import build_model, init_params
from fedlab_core.models.blocks import Gated, open_channels
from fedlab_core.models.gating import Signal, gated, open_frequency, open_shares
from fedlab_core.simulation import simulate
from fedlab_core.types import seeded_generator


def conv_fraction(name: str, ratio: float) -> tuple[float, float]:
    """Share of the convolutions' multiplications that is left, and all of them in millions."""
    model = gated(build_model(name, (3, 32, 32), 10), ratio)
    flops = forward_flops(model, (3, 32, 32))
    gates = {f"{n}.gate.weight" for n, layer in model.named_modules() if isinstance(layer, Gated)}
    convs = {n: count for n, count in flops.items() if n not in gates and not n.startswith("fc")}
    shares = open_shares(model)
    return sum(count * shares.get(n, 1) for n, count in convs.items()) / sum(convs.values()), sum(convs.values()) / 2e6


@pytest.mark.parametrize(("name", "fraction", "millions"), [("vgg16", 0.492, 313.2), ("resnet32", 0.585, 68.86)])
def test_a_ratio_of_70_percent_leaves_about_half(name: str, fraction: float, millions: float) -> None:
    """Check values of the published code: r between two gated layers is r^2, the first of a chain is r."""
    found, macs = conv_fraction(name, 0.7)
    assert found == pytest.approx(fraction, abs=0.001)
    assert macs == pytest.approx(millions, rel=0.001)


def test_shares_by_hand() -> None:
    model = gated(build_model("cnn_small", (1, 8, 8), 10), 0.5)
    assert open_shares(model) == {
        "conv1.body.conv.weight": 0.5,
        "conv2.body.conv.weight": 0.25,
        "fc1.weight": 0.5,
        "fc2.weight": 1.0,
    }


def layer(kept: int, squash: bool = True) -> tuple[Gated, dict[str, torch.Tensor]]:
    body = nn.Sequential()
    body.add_module("conv", nn.Conv2d(1, 3, 1, bias=False))
    params = {
        "body.conv.weight": torch.tensor([1.0, 2.0, 3.0]).view(3, 1, 1, 1),
        "gate.weight": torch.tensor([[1.0], [4.0], [-4.0]]),
        "gate.bias": torch.tensor([0.0, 0.0, 1.0]),
    }
    return Gated(body, 1, 3, kept, squash, 1.0), params


def test_forward_by_hand() -> None:
    """An image of zeros: s = 1/2, g = (1/2, 2, 0): with two open, the second and the first."""
    module, params = layer(2)
    image = torch.tensor([[1.0, -1.0], [2.0, -2.0]]).view(1, 1, 2, 2)  # its mean is 0
    y = functional_call(module, params, (image,))
    assert torch.allclose(y[0, 0], 0.5 * image[0, 0])
    assert torch.allclose(y[0, 1], 4 * image[0, 0])
    assert not y[0, 2].any()
    alone = functional_call(layer(1)[0], params, (image,))
    assert not alone[0, 0].any()
    assert torch.equal(alone[0, 1], y[0, 1])


def test_without_sigmoid_gates_see_the_means() -> None:
    """An image of ones: s = 1, g = (1, 4, 0)."""
    module, params = layer(2, squash=False)
    y = functional_call(module, params, (torch.ones(1, 1, 2, 2),))
    assert y[0, :, 0, 0].tolist() == [1, 8, 0]


def test_every_image_opens_its_own() -> None:
    module, params = layer(1)
    bright, dark = torch.full((1, 1, 2, 2), 9.0), torch.full((1, 1, 2, 2), -9.0)  # s near 1 and near 0
    y = functional_call(module, params, (torch.cat([bright, dark]),))
    assert y.abs().sum((2, 3)).bool().tolist() == [[False, True, False], [False, False, True]]


def test_a_closed_channel_learns_nothing() -> None:
    module, params = layer(1)
    leaves = {name: value.clone().requires_grad_() for name, value in params.items()}
    functional_call(module, leaves, (torch.full((1, 1, 2, 2), 9.0),)).sum().backward()
    for value in leaves.values():
        assert value.grad is not None
        assert value.grad.flatten(1).abs().sum(1).bool().tolist() == [False, True, False] if value.dim() > 1 else True
    assert leaves["gate.bias"].grad.bool().tolist() == [False, True, False]  # type: ignore[union-attr]


def test_ties_leave_no_more_than_k_open() -> None:
    assert open_channels(torch.zeros(4, 6), 2).sum(1).tolist() == [2] * 4
    assert open_channels(torch.zeros(4, 6), 6).all()


def test_how_often_a_channel_is_open() -> None:
    model = gated(build_model("cnn_small", (1, 8, 8), 10), 0.25)
    params, buffers = init_params(model, seeded_generator("gates"))
    x_NI = torch.randn(50, 1, 8, 8, generator=seeded_generator("images"))
    found = open_frequency(model, params, buffers, x_NI)
    assert {name: len(share) for name, share in found.items()} == {"conv1": 16, "conv2": 32}
    assert float(found["conv2"].sum()) == pytest.approx(8)  # 8 of 32 are open for each image
    assert not any(layer._forward_hooks for layer in model.modules())


@pytest.mark.parametrize(("name", "gates", "bias"), [("resnet20", 18, 0), ("cnn6", 6, 1)])
def test_where_gates_start(name: str, gates: int, bias: float) -> None:
    params, _ = init_params(gated(build_model(name, (3, 32, 32), 10), 0.5), seeded_generator("start"))
    biases = [value for key, value in params.items() if key.endswith("gate.bias")]
    assert len(biases) == gates
    assert all((values == bias).all() for values in biases)
    if name == "cnn6":
        return
    weight = params["block3_2.body.conv_a.gate.weight"]
    assert float(weight.std()) == pytest.approx((2 / 64) ** 0.5, rel=0.05)


def test_gates_of_residual_networks_see_a_sigmoid_unless_told_otherwise() -> None:
    cases: list[tuple[str, Signal, bool]] = [
        ("resnet20", "auto", True),
        ("resnet20", "mean", False),
        ("cnn_small", "auto", False),
        ("cnn_small", "sigmoid", True),
    ]
    for name, signal, squashed in cases:
        model = gated(build_model(name, (1, 8, 8), 10), 0.5, signal)
        assert {layer.squash for layer in model.modules() if isinstance(layer, Gated)} == {squashed}


@pytest.mark.slow
def test_a_residual_network_with_gates_learns() -> None:
    """With bare means, steps of the same size end in numbers that are not finite."""
    settings = {
        "data.num_clients": 2,
        "data.partition": "iid",
        "model.name": "resnet20",
        "federation.rounds": 2,
        "federation.local_epochs": 1,
        "strategy.name": "dynamic-gate",
    }
    *_, last = simulate(Experiment().replace(settings))
    assert last.test_accuracy > 0.5
    with pytest.raises(ValueError, match="training diverged in round 1"):
        list(simulate(Experiment().replace(settings | {"strategy.signal": "mean"})))


@pytest.mark.parametrize(
    ("name", "why"), [("mlp", "with 2-D convolutions: cnn_small"), ("mobilenet_v2", "no convolutions in groups")]
)
def test_models_that_cannot_have_gates(name: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        gated(build_model(name, (3, 32, 32), 10), 0.5)
