"""DWNP's hypernetwork: against PyTorch's own GRU, and by the numbers of the paper's code."""

import math

import pytest
import torch
from torch import nn

from fedlab_core.models import build_model
from fedlab_core.models.hypernetwork import (
    CODE,
    init_codes,
    init_fixed_code,
    init_hypernetwork,
    logits,
    soft,
    straight_through,
)
from fedlab_core.pruning.units import hidden_units
from fedlab_core.types import seeded_generator

SIZES = (5, 3, 8)


def test_it_is_a_gru_in_both_directions_a_norm_and_heads() -> None:
    params = init_hypernetwork(SIZES, 6, seeded_generator("hyper"))
    code_LE = init_codes(2, len(SIZES), seeded_generator("codes"))[1]
    gru = nn.GRU(CODE, 6, bidirectional=True)
    ours = {"weight_ih": "input", "weight_hh": "hidden", "bias_ih": "input_bias", "bias_hh": "hidden_bias"}
    gru.load_state_dict(
        {
            f"{theirs}_l0{end}": params[f"{way}.{part}"]
            for theirs, part in ours.items()
            for way, end in (("forward", ""), ("backward", "_reverse"))
        }
    )
    norm = nn.LayerNorm(12)
    hidden = norm(gru(code_LE)[0]).relu()
    for place, o in enumerate(logits(params, code_LE)):
        assert torch.allclose(o, params[f"head{place}"] @ hidden[place], atol=1e-6)


def test_its_size_for_resnet56() -> None:
    """The code's network for the server has 408,560, with 1,008 lengths; that for 10 devices 424,832 with its codes."""
    sizes = [
        len(dict(build_model("resnet56", (3, 32, 32), 10).named_parameters())[u.weight])
        for u in hidden_units(build_model("resnet56", (3, 32, 32), 10))
    ]
    assert (len(sizes), sum(sizes)) == (27, 1008)
    params = init_hypernetwork(sizes, 128, seeded_generator(0))
    codes = init_codes(10, 27, seeded_generator(0))[1:]
    assert sum(value.numel() for value in params.values()) + codes.numel() == 424_832
    static = init_hypernetwork(sizes, 128, seeded_generator(0), weight_norm=True)
    assert sum(value.numel() for value in static.values()) == 408_560


def test_weight_norm_is_pytorchs() -> None:
    params = init_hypernetwork(SIZES, 6, seeded_generator("hyper"), weight_norm=True)
    code_LE = init_fixed_code(len(SIZES), seeded_generator("code"))
    assert torch.allclose(code_LE @ code_LE.T, torch.eye(len(SIZES)), atol=1e-6)
    plain = {name: value for name, value in params.items() if not name.endswith("length")}
    expected = logits(plain, code_LE)
    assert all(torch.allclose(a, b) for a, b in zip(logits(params, code_LE), expected, strict=True))
    params["head1"] *= 3  # a direction only
    params["head2.length"] *= 2
    for scale, a, b in zip((1, 1, 2), logits(params, code_LE), expected, strict=True):
        assert torch.allclose(a, scale * b, atol=1e-6)


@pytest.mark.parametrize("o", [-1.0, -2.0, -3.0, -4.0])
def test_how_often_a_channel_is_dropped(o: float) -> None:
    """P = exp(-exp(o + 3)): 6e-4, 0.066, 0.368, 0.692."""
    uniform = torch.rand(200_000, generator=seeded_generator("uniform"))
    dropped = (soft(torch.full((200_000,), o), uniform) < 0.5).double().mean()
    assert float(dropped) == pytest.approx(math.exp(-math.exp(o + 3)), abs=0.005)


def test_straight_through_is_hard_ahead_and_soft_back() -> None:
    y = torch.tensor([0.2, 0.7], requires_grad=True)
    hard = straight_through(y)
    assert hard.tolist() == [0, 1]
    hard.sum().backward()
    assert y.grad is not None
    assert y.grad.tolist() == [1, 1]
