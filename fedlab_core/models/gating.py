"""Put gates around a model's convolutions, say what they save, and watch which channels they open.

N examples, B batch, C channels, I input dimensions.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from fedlab_core.models.blocks import Gated, Residual
from fedlab_core.types import Buffers, Params

Signal = Literal["auto", "mean", "sigmoid"]
"""What a gate sees."""

_NORMS = (nn.BatchNorm2d, nn.GroupNorm)


def gated(model: nn.Sequential, ratio: float, signal: Signal = "auto") -> nn.Sequential:
    """The model with a gate on every convolution that keeps round(ratio x C) of its C channels open, at least one.

    As in the paper's code, only convolutions inside of blocks get a gate in residual networks, with a bias that starts
    at 0 (elsewhere at 1). Gates see the means of their input's maps, or a sigmoid of these. In a residual network the
    sigmoid is our choice: a block adds to what it reads what it has multiplied by gates of it, so that with bare means,
    as in the paper's code, what passes grows from block to block, and training breaks off.

    Raises:
        ValueError: a model without convolutions, or with some in groups, where a gate saves nothing.
    """
    residual = any(isinstance(layer, Residual) for layer in model)
    squash = signal == "sigmoid" or (signal == "auto" and residual)
    how = _How(ratio, squash, 0.0 if residual else 1.0)
    with torch.device("meta"):
        made = _gated_blocks(model, how) if residual else _gated_chain(model, how)
    if not any(isinstance(layer, Gated) for layer in made.modules()):
        raise ValueError("strategy.name dynamic-gate needs a model.name with 2-D convolutions: cnn_small, resnet20")
    return made


class _How(NamedTuple):
    ratio: float
    squash: bool
    start: float


def _gated_blocks(model: nn.Sequential, how: _How) -> nn.Sequential:
    made = nn.Sequential()
    for name, layer in model.named_children():
        if isinstance(layer, Residual):
            layer = Residual(_gated_chain(layer.body, how), layer.shortcut)
        made.add_module(name, layer)
    return made


def _gated_chain(chain: nn.Sequential, how: _How) -> nn.Sequential:
    """A norm right behind a convolution belongs to its body: channels are weighed after it."""
    made, layers = nn.Sequential(), list(chain.named_children())
    while layers:
        name, layer = layers.pop(0)
        if isinstance(layer, nn.Conv2d):
            if layer.groups > 1:
                raise ValueError(f"strategy.name dynamic-gate knows no convolutions in groups, as {name} is one")
            body = nn.Sequential()
            body.add_module("conv", layer)
            if layers and isinstance(layers[0][1], _NORMS):
                body.add_module("norm", layers.pop(0)[1])
            kept = max(1, round(how.ratio * layer.out_channels))
            layer = Gated(body, layer.in_channels, layer.out_channels, kept, how.squash, how.start)
        made.add_module(name, layer)
    return made


def open_shares(model: nn.Module) -> dict[str, float]:
    """Multiplications that open channels leave, as a share, by weight name: in-share x out-share.

    A gated convolution keeps k of C outputs; whatever reads them next in the same chain reads as many. What a residual
    block adds up is read whole.
    """
    shares: dict[str, float] = {}
    _chain_shares(model, "", shares)
    return shares


def _chain_shares(chain: nn.Module, prefix: str, shares: dict[str, float]) -> None:
    read = 1.0
    for name, layer in chain.named_children():
        full = prefix + name
        if isinstance(layer, Gated):
            left = layer.kept / layer.gate.out_features
            shares[f"{full}.body.conv.weight"], read = read * left, left
        elif isinstance(layer, Residual):
            _chain_shares(layer.body, f"{full}.body.", shares)
            read = 1.0
        elif isinstance(layer, nn.Linear | nn.Conv2d):
            shares[f"{full}.weight"], read = read, 1.0


def open_frequency(model: nn.Module, params: Params, buffers: Buffers, x_NI: Tensor) -> dict[str, Tensor]:
    """For how many of these examples each channel is open, as a share [C], by the name of the gated layer."""
    model.eval()
    seen: dict[str, Tensor] = {}

    def watch(name: str, layer: Gated) -> None:
        def note(_: nn.Module, inputs: tuple[Tensor, ...], __: Tensor) -> None:
            seen[name] = (layer.weighs(inputs[0]) > 0).double().mean(0)

        hooks.append(layer.register_forward_hook(note))

    hooks: list[torch.utils.hooks.RemovableHandle] = []
    for name, layer in model.named_modules():
        if isinstance(layer, Gated):
            watch(name, layer)
    try:
        with torch.no_grad():
            functional_call(model, {**params, **buffers}, (x_NI,))
    finally:
        for hook in hooks:
            hook.remove()
    return seen
