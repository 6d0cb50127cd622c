"""VGG networks: FedSparsify's VGG-16 for CIFAR-100, and the dense VGG-11 beside adaptive dynamic pruning."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import nn

from fedlab_core.models.base import batch_norm, register_model

POOL = 0
"""Stands for a pooling layer in a list of widths."""

VGG11 = (64, POOL, 128, POOL, 256, 256, POOL, 512, 512, POOL, 512, 512, POOL)
VGG16 = (64, 64, POOL, 128, 128, POOL, 256, 256, 256, POOL, 512, 512, 512, POOL, 512, 512, 512, POOL)


def _maps(
    input_shape: tuple[int, ...], widths: Sequence[int], norm: Callable[[int], nn.Module] | None
) -> nn.Sequential:
    """Convolutions 3 x 3 with biases, each with its norm if there is one, and ReLU; flattened at the end."""
    channels, height, width = input_shape
    if min(height, width) < 32:
        raise ValueError(f"VGG networks halve the image five times: they need 32 x 32 at least, not {height} x {width}")
    model = nn.Sequential()
    for place, out in enumerate(widths):
        number = sum(1 for earlier in widths[: place + 1] if earlier != POOL)
        if out == POOL:
            model.add_module(f"pool{number}", nn.MaxPool2d(2))
            continue
        model.add_module(f"conv{number}", nn.Conv2d(channels, out, 3, padding=1))
        if norm:
            model.add_module(f"norm{number}", norm(out))
        model.add_module(f"relu{number}", nn.ReLU())
        channels = out
    model.add_module("pool", nn.AdaptiveAvgPool2d(1))
    model.add_module("flatten", nn.Flatten())
    return model


@register_model("vgg16")
def vgg16(input_shape: tuple[int, ...], num_classes: int) -> nn.Sequential:
    """13 convolutions with BatchNorm, one dense layer: 14,774,436 parameters for 100 classes."""
    model = _maps(input_shape, VGG16, batch_norm)
    model.add_module("fc", nn.Linear(512, num_classes))
    return model


@register_model("vgg11")
def vgg11(input_shape: tuple[int, ...], num_classes: int) -> nn.Sequential:
    """8 convolutions without norms, dense layers of 512, 512 and classes: 9,750,922 parameters for 10 classes."""
    model = _maps(input_shape, VGG11, None)
    for number in (1, 2):
        model.add_module(f"fc{number}", nn.Linear(512, 512))
        model.add_module(f"fc_relu{number}", nn.ReLU())
    model.add_module("fc3", nn.Linear(512, num_classes))
    return model
