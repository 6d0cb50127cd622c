"""The networks for volumes: the paper's size, what they take, and where they start."""

import pytest
import torch
from torch.func import functional_call

from fedlab_core.costs.flops import forward_flops
from fedlab_core.models import build_model, init_params
from fedlab_core.models.gates import chains, links
from fedlab_core.types import seeded_generator


def test_brain_cnn_has_the_parameters_of_the_paper() -> None:
    model = build_model("brain_cnn", (1, 91, 109, 91), 1)
    assert sum(parameter.numel() for parameter in model.parameters()) == 2_948_801
    assert next(model.parameters()).is_meta
    assert not list(model.buffers())


def test_a_regression_starts_at_what_is_typical() -> None:
    """62.68, the bias that FedSparsify's head starts with; everything else as without."""
    model = build_model("brain_small", (1, 16, 20, 16), 1)
    params, _ = init_params(model, seeded_generator(0), typical=62.68)
    plain, _ = init_params(model, seeded_generator(0))
    assert params["head.bias"].tolist() == pytest.approx([62.68])
    assert all(torch.equal(params[name], plain[name]) for name in params if name != "head.bias")
    x_BI = torch.randn(6, 1, 16, 20, 16, generator=seeded_generator(1))
    y_B1 = functional_call(model.eval(), params, (x_BI,))
    assert y_B1.shape == (6, 1)
    assert (y_B1 - 62.68).abs().max() < 3


def test_a_model_that_ends_without_a_bias_has_no_place_to_start() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(2, 1, bias=False))
    with pytest.raises(ValueError, match=r"ends with 0\.weight"):
        init_params(model, seeded_generator(0), typical=60.0)


def test_too_small_volumes_images_and_volumes_for_others_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"brain_small needs volumes of at least 8 on each side, 16 on one, not 8 x 8 x 8$"
    ):
        build_model("brain_small", (1, 8, 8, 8), 1)
    with pytest.raises(ValueError, match=r"model\.name is 'brain_cnn'; for images allowed are cnn6, cnn_small, mlp"):
        build_model("brain_cnn", (3, 32, 32), 10)
    with pytest.raises(ValueError, match="'cnn_small'; for volumes allowed are brain_cnn, brain_small, mlp"):
        build_model("cnn_small", (1, 16, 20, 16), 1)
    assert build_model("mlp", (1, 16, 20, 16), 1)


def test_channels_can_be_cut_between_all_convolutions() -> None:
    (chain,) = chains(build_model("brain_small", (1, 16, 20, 16), 1))
    found = [(link.source, link.target, link.units) for link in links(chain) if link]
    assert found == [("conv1", "conv2", 8), ("conv2", "conv3", 16), ("conv3", "top", 32), ("top", "head", 32)]


def test_flops_by_hand() -> None:
    """2 x weights x positions of the output: 16 x 20 x 16, then halved on each side, then the mean."""
    flops = forward_flops(build_model("brain_small", (1, 16, 20, 16), 1), (1, 16, 20, 16))
    assert flops == {
        "conv1.weight": 2 * 27 * 8 * 5120,
        "conv2.weight": 2 * 27 * 8 * 16 * 640,
        "conv3.weight": 2 * 27 * 16 * 32 * 80,
        "top.weight": 2 * 32 * 32 * 8,
        "head.weight": 2 * 32,
    }
