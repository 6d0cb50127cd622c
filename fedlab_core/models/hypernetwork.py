"""DWNP's hypernetwork: a code per device in, a number per channel out, and from it the channels that a device keeps.

Gao et al., Device-Wise Federated Network Pruning, CVPR 2024, and its code. L layers with U_l channels each, E size of
a layer's code, H width. Parameters are a plain dictionary, so that they can travel, be averaged and be differentiated.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from fedlab_core.types import Params

CODE, WIDTH = 64, 128
TEMPERATURE, OFFSET = 0.4, 3.0


def init_hypernetwork(
    units: Sequence[int], width: int, generator: torch.Generator, weight_norm: bool = False
) -> Params:
    """A GRU in both directions (E to H), LayerNorm over 2 H, one linear layer without bias for each of the L layers.

    PyTorch's usual bounds: uniform up to 1 / sqrt(H) in the GRU, up to 1 / sqrt(2 H) in the heads. With `weight_norm`
    the rows of the heads have a direction and a length, which are learned apart.
    """
    shapes = {
        f"{way}.{part}": shape
        for way in ("forward", "backward")
        for part, shape in {
            "input": (3 * width, CODE),
            "hidden": (3 * width, width),
            "input_bias": (3 * width,),
            "hidden_bias": (3 * width,),
        }.items()
    }
    params = {name: _uniform(shape, width**-0.5, generator) for name, shape in shapes.items()}
    params |= {"norm.weight": torch.ones(2 * width), "norm.bias": torch.zeros(2 * width)}
    heads = {
        f"head{place}": _uniform((size, 2 * width), (2 * width) ** -0.5, generator) for place, size in enumerate(units)
    }
    lengths = {f"{name}.length": head.norm(dim=1, keepdim=True) for name, head in heads.items() if weight_norm}
    return params | heads | lengths


def init_codes(devices: int, layers: int, generator: torch.Generator) -> Tensor:
    """Codes [1 + devices, L, E], normal; row 0 is the server's."""
    return torch.randn(1 + devices, layers, CODE, generator=generator)


def init_fixed_code(layers: int, generator: torch.Generator) -> Tensor:
    """A code [L, E] that is not learned: orthonormal rows, as far as there is room for them."""
    return nn.init.orthogonal_(torch.empty(layers, CODE), generator=generator)


def logits(params: Params, code_LE: Tensor) -> list[Tensor]:
    """o_l [U_l] for each layer: o_l = head_l ReLU(LayerNorm(BiGRU(code)_l))."""
    ahead = _gru(params, "forward", code_LE)
    back = _gru(params, "backward", code_LE.flip(0)).flip(0)
    both = torch.cat([ahead, back], 1)
    hidden = F.layer_norm(both, both.shape[1:], params["norm.weight"], params["norm.bias"]).relu()
    return [_head(params, f"head{place}") @ row for place, row in enumerate(hidden)]


def _head(params: Params, name: str) -> Tensor:
    head = params[name]
    length = params.get(f"{name}.length")
    return head if length is None else head * (length / head.norm(dim=1, keepdim=True))


def _gru(params: Params, way: str, x_LE: Tensor) -> Tensor:
    """Hidden states [L, H], as `torch.nn.GRU` has them; written out, for its weights here are plain arguments."""
    x_L3H = x_LE @ params[f"{way}.input"].T + params[f"{way}.input_bias"]
    weight, bias = params[f"{way}.hidden"], params[f"{way}.hidden_bias"]
    h, states = x_LE.new_zeros(weight.shape[1]), []
    for x_3H in x_L3H:
        x_reset, x_update, x_new = x_3H.chunk(3)
        h_reset, h_update, h_new = (weight @ h + bias).chunk(3)
        update = (x_update + h_update).sigmoid()
        h = (1 - update) * (x_new + (x_reset + h_reset).sigmoid() * h_new).tanh() + update * h
        states.append(h)
    return torch.stack(states)


def soft(o: Tensor, uniform: Tensor) -> Tensor:
    """Gumbel-sigmoid: sigmoid((o + G + 3) / 0.4) with one Gumbel number G = -log(-log u). Open channels are near 1."""
    gumbel = -torch.log(-torch.log(uniform.clamp(1e-6, 1 - 1e-6)))
    return torch.sigmoid((o + gumbel + OFFSET) / TEMPERATURE)


def straight_through(y: Tensor) -> Tensor:
    """1[y >= 1/2] going forward, y going back."""
    return (y >= 0.5).to(y.dtype) + y - y.detach()


def _uniform(shape: tuple[int, ...], bound: float, generator: torch.Generator) -> Tensor:
    return torch.empty(shape).uniform_(-bound, bound, generator=generator)
