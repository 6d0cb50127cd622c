"""The model registry, initial weights, and the one layer of our own (dropout whose noise is an input).

A model here is an `nn.Sequential` on the "meta" device: it knows shapes and order, but holds no numbers. The numbers
live in `Params` and `Buffers` and are given to it at every call (`torch.func.functional_call`), so that twenty clients
can share one architecture and nothing is ever mutated behind someone's back.
"""

from __future__ import annotations

import importlib
import math
import pkgutil
from collections.abc import Callable

import torch
from torch import Tensor, nn

from fedlab_core.models.blocks import Gated
from fedlab_core.types import Buffers, Params

Builder = Callable[[tuple[int, ...], int], nn.Sequential]
_BUILDERS: dict[str, Builder] = {}
_AXES: dict[str, tuple[int, ...]] = {}


def register_model(name: str, axes: tuple[int, ...] = (3,)) -> Callable[[Builder], Builder]:
    """Class the decorated builder `f(input_shape, num_classes) -> nn.Sequential` under `name`.

    `axes` are the lengths of `input_shape` that it takes: 3 for images, 4 for volumes.
    """

    def add(builder: Builder) -> Builder:
        _BUILDERS[name], _AXES[name] = builder, axes
        return builder

    return add


def model_names() -> tuple[str, ...]:
    """Names of all models; every module of this package is looked at."""
    package = importlib.import_module("fedlab_core.models")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"fedlab_core.models.{module.name}")
    return tuple(sorted(_BUILDERS))


def build_model(name: str, input_shape: tuple[int, ...], num_classes: int) -> nn.Sequential:
    """The architecture `name`, without weights.

    Args:
        name: one of `model_names()`.
        input_shape: (channels, height, width) of images, (channels, depth, height, width) of volumes.
        num_classes: outputs; 1 for a regression.

    Raises:
        ValueError: unknown name, a model for volumes where there are images or the other way round, or an input that
            is too small for the model.
    """
    if name not in model_names():
        raise ValueError(f"model.name is {name!r}; allowed are {', '.join(model_names())}")
    fitting = [known for known, axes in _AXES.items() if len(input_shape) in axes]
    if name not in fitting:
        kind = {3: "images", 4: "volumes"}.get(len(input_shape), f"inputs of {len(input_shape)} axes")
        raise ValueError(f"model.name is {name!r}; for {kind} allowed are {', '.join(sorted(fitting))}")
    with torch.device("meta"):
        return _BUILDERS[name](input_shape, num_classes)


class InputDropout(nn.Module):
    """Dropout that keeps a unit where the uniform number given for it is at least p, and divides by 1 - p.

    The numbers come in as the buffer `uniform` of shape [B, features], drawn by the trainer from the client's own
    generator. That is what makes a run reproducible, and lets many clients be computed at once.
    """

    uniform: Tensor

    def __init__(self, p: float, features: int) -> None:
        super().__init__()
        self.p, self.features = p, features
        self.register_buffer("uniform", torch.zeros(0, features), persistent=False)

    def forward(self, x_BI: Tensor) -> Tensor:
        if not self.training:
            return x_BI
        return x_BI * (self.uniform >= self.p) / (1 - self.p)


def noise_shapes(model: nn.Module) -> dict[str, int]:
    """Uniform numbers that one example needs in training, by buffer name."""
    return {
        f"{name}.uniform": layer.features for name, layer in model.named_modules() if isinstance(layer, InputDropout)
    }


def batch_norm(channels: int) -> nn.BatchNorm2d:
    """BatchNorm whose only buffers are running mean and variance: a counter of batches cannot be averaged."""
    layer = nn.BatchNorm2d(channels)
    layer.num_batches_tracked = None
    return layer


def init_params(model: nn.Module, generator: torch.Generator, typical: float = 0.0) -> tuple[Params, Buffers]:
    """Initial numbers: Glorot-uniform weights and zero biases, as in FedSparsify's models; norms start at one.

    Gates have Kaiming-normal weights, as in the code of adaptive dynamic pruning, and the biases that they ask for.

    Args:
        model: an architecture.
        generator: of the weights.
        typical: what a regression guesses at first: the bias of its last layer, as in FedSparsify's brain age model.
    """
    gates = {f"{name}.gate": layer.start for name, layer in model.named_modules() if isinstance(layer, Gated)}
    params: Params = {}
    for name, parameter in model.named_parameters():
        values = torch.zeros(parameter.shape)
        layer_name = name.rpartition(".")[0]
        if layer_name in gates:
            values = values.fill_(gates[layer_name]) if values.dim() == 1 else _kaiming(values, generator)
        elif values.dim() >= 2:
            receptive = math.prod(values.shape[2:])
            bound = math.sqrt(6 / ((values.shape[0] + values.shape[1]) * receptive))
            values.uniform_(-bound, bound, generator=generator)
        elif name.endswith("weight"):
            values.fill_(1.0)
        params[name] = values
    if typical:
        params[_last_bias(model)].fill_(typical)
    return params, persistent_buffers(model)


def _last_bias(model: nn.Module) -> str:
    name = list(dict(model.named_parameters()))[-1]
    if not name.endswith("bias"):
        raise ValueError(f"a regression starts at the bias of the last layer, but the model ends with {name}")
    return name


def _kaiming(values: Tensor, generator: torch.Generator) -> Tensor:
    return values.normal_(0, math.sqrt(2 / values.shape[1]), generator=generator)


def persistent_buffers(model: nn.Module) -> Buffers:
    """Buffers that survive a round, at their starting values: running means 0, running variances 1."""
    names = {name for name, _ in model.named_buffers()} - set(noise_shapes(model))
    shapes = {name: tuple(buffer.shape) for name, buffer in model.named_buffers() if name in names}
    return {
        name: torch.ones(shape) if name.endswith("running_var") else torch.zeros(shape)
        for name, shape in shapes.items()
    }
