"""FLOPs against PyTorch's own counter, and against the number that FedSparsify's authors report."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from fedlab_core.costs.flops import effective_flops, forward_flops
from fedlab_core.models import build_model


def mlp() -> nn.Sequential:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10)
    )


def cnn_with_norm() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.GroupNorm(4, 16), nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1), nn.GroupNorm(4, 32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(512, 64), nn.ReLU(), nn.Linear(64, 10),
    )  # fmt: skip


def strided_and_grouped() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(8, 16, (3, 5), stride=(2, 3), padding=(1, 0), groups=4, bias=False),
        nn.Conv2d(16, 16, 3, dilation=2, groups=16),
        nn.Flatten(),
        nn.LazyLinear(3),
    )


def fedsparsify_cnn() -> nn.Sequential:
    """The 6-conv CNN of METHODS 2.6."""
    layers: list[nn.Module] = []
    channels = 3
    for block, out in enumerate((64, 128, 128)):
        layers += [nn.Conv2d(channels, out, 3, padding=1), nn.ReLU(), nn.Conv2d(out, out, 3, padding=1), nn.ReLU()]
        layers += [nn.MaxPool2d(2), nn.BatchNorm2d(out) if block < 2 else nn.Flatten()]
        channels = out
    return nn.Sequential(*layers, nn.Linear(2048, 512), nn.ReLU(), nn.Dropout(0.2), nn.Linear(512, 10))


def volumes() -> nn.Sequential:
    return nn.Sequential(nn.Conv3d(1, 4, 3, stride=2), nn.ReLU(), nn.Conv3d(4, 2, 1))


def signals() -> nn.Sequential:
    return nn.Sequential(nn.Conv1d(2, 6, 5, padding="same", groups=2), nn.Linear(11, 4))


CASES = {
    "mlp": (mlp, (1, 28, 28)),
    "cnn with GroupNorm": (cnn_with_norm, (1, 8, 8)),
    "strided, dilated, grouped": (strided_and_grouped, (8, 17, 23)),
    "FedSparsify's 6-conv CNN": (fedsparsify_cnn, (3, 32, 32)),
    "3-D": (volumes, (1, 9, 10, 11)),
    "1-D, linear on the last axis": (signals, (2, 11)),
}


def built(case: str) -> tuple[nn.Sequential, tuple[int, ...]]:
    build, shape = CASES[case]
    model = build().eval()
    model(torch.zeros(1, *shape))
    return model, shape


@pytest.mark.parametrize("case", CASES)
def test_every_layer_agrees_with_pytorchs_counter(case: str) -> None:
    model, shape = built(case)
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, *shape))
    theirs = {name.partition(".")[2]: sum(ops.values()) for name, ops in counter.get_flop_counts().items()}
    ours = forward_flops(model, shape)
    assert ours == {f"{name}.weight": theirs[name] for name in (key.removesuffix(".weight") for key in ours)}
    assert sum(ours.values()) == counter.get_total_flops()
    assert list(ours) == [name for name, p in model.named_parameters() if p.dim() > 1]


def test_the_authors_number_for_the_mlp() -> None:
    # tf.profiler says 236,348 (METHODS 2.7): it adds one FLOP a bias, and five a class for the softmax
    biases = 128 + 128 + 10
    assert sum(forward_flops(mlp(), (1, 28, 28)).values()) + biases + 5 * 10 == 236_348


@pytest.mark.parametrize(("name", "shape"), [("mlp", (1, 8, 8)), ("cnn_small", (3, 32, 32)), ("cnn6", (3, 32, 32))])
def test_architectures_without_weights(name: str, shape: tuple[int, ...]) -> None:
    model = build_model(name, shape, 10)
    assert next(model.parameters()).is_meta
    assert set(forward_flops(model, shape)) == {name for name, p in model.named_parameters() if p.dim() > 1}


def test_cnn6_is_fedsparsifys() -> None:
    assert list(forward_flops(build_model("cnn6", (3, 32, 32), 10), (3, 32, 32)).values()) == list(
        forward_flops(fedsparsify_cnn(), (3, 32, 32)).values()
    )


def test_the_model_is_left_as_it_was() -> None:
    model = fedsparsify_cnn().train()
    model[1].eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    forward_flops(model, (3, 32, 32))
    assert [module.training for module in model.modules()] == modes
    assert not any(module._forward_hooks for module in model.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_layer_used_twice_counts_twice() -> None:
    shared = nn.Linear(5, 5)
    assert forward_flops(nn.Sequential(shared, nn.ReLU(), shared), (5,)) == {"0.weight": 2 * 2 * 25}


def test_any_floating_type_will_do() -> None:
    assert forward_flops(nn.Conv2d(1, 2, 3, dtype=torch.float64), (1, 5, 5)) == {"weight": 2 * 18 * 9}


def test_a_layer_that_cannot_be_counted_is_named() -> None:
    with pytest.raises(ValueError, match=r"layer '1' \(ConvTranspose2d\)"):
        forward_flops(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ConvTranspose2d(2, 1, 3)), (1, 8, 8))
    assert forward_flops(nn.Sequential(nn.LayerNorm([3, 4]), nn.Linear(4, 2)), (3, 4)) == {"1.weight": 3 * 16}


def masks_of(model: nn.Module, density: float) -> dict[str, Tensor]:
    """The first `density` of each weight's entries are kept."""
    return {
        name: (torch.arange(p.numel()) < density * p.numel()).reshape(p.shape)
        for name, p in model.named_parameters()
        if p.dim() > 1
    }


def test_effective_flops_are_linear_in_density() -> None:
    model = cnn_with_norm()
    flops = forward_flops(model, (1, 8, 8))
    dense = sum(flops.values())
    assert effective_flops(flops, {}) == effective_flops(flops, masks_of(model, 1.0)) == dense
    assert effective_flops(flops, masks_of(model, 0.5)) == dense / 2
    assert effective_flops(flops, masks_of(model, 0.25)) == dense / 4
    assert effective_flops(flops, masks_of(model, 0.0)) == 0


def test_effective_flops_weigh_each_layer_by_its_own_mask() -> None:
    mask = torch.zeros(2, 10, dtype=torch.bool)
    mask[0, :3] = True
    masks = {"a.weight": mask, "a.bias": torch.zeros(4, dtype=torch.bool), "empty": torch.ones(0, dtype=torch.bool)}
    assert effective_flops({"a.weight": 400, "b.weight": 7, "empty": 0}, masks) == 400 * 3 / 20 + 7
