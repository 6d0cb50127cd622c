"""Models: parameter counts of the papers, what is a buffer, and that nobody touches the global generator."""

import pytest
import torch
from torch.func import functional_call
from torchvision.models import mobilenet_v2, resnet18, resnet34

from fedlab_core.costs.flops import forward_flops
from fedlab_core.models import build_model, init_params, model_names, noise_shapes
from fedlab_core.models.blocks import PadShortcut
from fedlab_core.types import seeded_generator
from tests.cases import MODEL_INPUT, VOLUME_MODELS


@pytest.mark.parametrize(
    ("name", "shape", "parameters", "statistics"),
    [
        ("mlp", (1, 28, 28), 118_282, 0),
        ("cnn6", (3, 32, 32), 1_609_930, 384),
        ("cnn_small", (1, 8, 8), 38_506, 0),
        ("vgg11", (3, 32, 32), 9_750_922, 0),
        ("vgg16", (3, 32, 32), 14_774_436, 8_448),
        ("resnet32", (3, 32, 32), 464_154, 2_272),
        ("resnet56", (3, 32, 32), 853_018, 4_064),
        ("resnet56_gn", (3, 32, 32), 853_018, 0),
    ],
)
def test_parameter_counts(name: str, shape: tuple[int, ...], parameters: int, statistics: int) -> None:
    classes = 100 if name == "vgg16" else 10  # FedSparsify's is for CIFAR-100
    params, buffers = init_params(build_model(name, shape, classes), seeded_generator(0))
    assert sum(weight.numel() for weight in params.values()) == parameters
    assert sum(buffer.numel() for buffer in buffers.values()) == statistics


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "mobilenet_v2"])
def test_parameter_counts_against_torchvision(name: str) -> None:
    """Theirs are for 224 pixels: the stem of the residual networks is 7 x 7 there, 3 x 3 here."""
    theirs = {"resnet18": resnet18, "resnet34": resnet34, "mobilenet_v2": mobilenet_v2}[name](num_classes=10)
    expected = sum(p.numel() for p in theirs.parameters()) - (name != "mobilenet_v2") * 64 * 3 * (49 - 9)
    assert sum(p.numel() for p in build_model(name, (3, 32, 32), 10).parameters()) == expected
    assert sum(p.numel() for p in build_model(name, (3, 64, 64), 10).parameters()) == expected


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "mobilenet_v2"])
def test_large_stems_halve_large_images(name: str) -> None:
    small, large = (forward_flops(build_model(name, (3, s, s), 10), (3, s, s))["stem.weight"] for s in (32, 64))
    assert small == large


def test_option_a_pads_new_channels_on_both_sides() -> None:
    x = torch.arange(2 * 4 * 4.0).view(1, 2, 4, 4) + 1
    y = PadShortcut(stride=2, extra=3)(x)
    assert torch.equal(y[:, 1:3], x[:, :, ::2, ::2])
    assert y.shape == (1, 5, 2, 2)
    assert not y[:, [0, 3, 4]].any()


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(model_names()) - set(VOLUME_MODELS)))
@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32)])
def test_every_model_takes_every_built_in_image(name: str, shape: tuple[int, ...]) -> None:
    if name in MODEL_INPUT and shape[1] < 32:
        with pytest.raises(ValueError, match="they need 32 x 32 at least"):
            build_model(name, shape, 7)
        return
    model = build_model(name, shape, 7)
    params, buffers = init_params(model, seeded_generator(1))
    noise = {key: torch.rand(4, width, generator=seeded_generator(2)) for key, width in noise_shapes(model).items()}
    x_BI = torch.rand(4, *shape, generator=seeded_generator(3))
    assert functional_call(model.train(), {**params, **buffers, **noise}, (x_BI,)).shape == (4, 7)
    logits_BC = functional_call(model.eval(), {**params, **buffers}, (x_BI,))
    assert logits_BC.shape == (4, 7)
    assert logits_BC.std(1).min() > 1e-3  # initial weights carry a signal


def test_initial_weights_depend_on_the_generator_only() -> None:
    before = torch.random.get_rng_state()
    model = build_model("cnn6", (3, 32, 32), 10)
    first, _ = init_params(model, seeded_generator(5))
    second, _ = init_params(model, seeded_generator(5))
    other, _ = init_params(model, seeded_generator(6))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["fc1.weight"], other["fc1.weight"])
    assert torch.equal(before, torch.random.get_rng_state())


def test_glorot_bound_and_neutral_norms() -> None:
    params, _ = init_params(build_model("cnn_small", (1, 8, 8), 10), seeded_generator(5))
    bound = (6 / ((16 + 32) * 9)) ** 0.5
    assert 0.9 * bound < params["conv2.weight"].abs().max() <= bound
    assert (params["norm1.weight"] == 1).all()
    assert (params["norm1.bias"] == 0).all()
    assert (params["conv2.bias"] == 0).all()


def test_dropout_scales_what_it_keeps() -> None:
    model = build_model("cnn6", (3, 32, 32), 10)
    drop = model.get_submodule("drop")
    drop.uniform = torch.tensor([[0.1, 0.2, 0.9]])
    assert drop.train()(torch.ones(1, 3)).tolist() == [[0.0, 1.25, 1.25]]
    assert drop.eval()(torch.ones(1, 3)).tolist() == [[1.0, 1.0, 1.0]]


def test_unknown_model_and_too_small_images_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"'lenet'; allowed are brain_cnn, brain_small, cnn6, cnn_small, mlp, mobilenet_v2, resnet18"
    ):
        build_model("lenet", (1, 8, 8), 10)
    with pytest.raises(ValueError, match="at least 8 x 8"):
        build_model("cnn6", (1, 4, 4), 10)
    with pytest.raises(ValueError, match="at least 4 x 4"):
        build_model("cnn_small", (1, 2, 2), 10)
