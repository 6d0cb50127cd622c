"""FedSparsify's network for brain age on 3-D scans, and a small sibling for generated volumes."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from fedlab_core.models.base import register_model


@register_model("brain_cnn", axes=(4,))
def brain_cnn(input_shape: tuple[int, ...], num_classes: int) -> nn.Sequential:
    """The paper's network (arXiv 2208.11669): 2,948,801 parameters at 1 x 91 x 109 x 91."""
    return _network("brain_cnn", input_shape, num_classes, widths=(32, 64, 128, 256, 256), top=64)


@register_model("brain_small", axes=(4,))
def brain_small(input_shape: tuple[int, ...], num_classes: int) -> nn.Sequential:
    """The same for small volumes: 18,641 parameters at 1 x 16 x 20 x 16."""
    return _network("brain_small", input_shape, num_classes, widths=(8, 16, 32), top=32)


def _network(
    name: str, input_shape: tuple[int, ...], num_classes: int, widths: Sequence[int], top: int
) -> nn.Sequential:
    """[Conv 3x3x3, InstanceNorm, pool, ReLU] for each width; Conv 1x1x1, InstanceNorm, ReLU; the mean; the output.

    The mean is over the whole map, which is what the paper's pool of 2 x 3 x 2 does at the paper's size.
    InstanceNorm has neither weights nor running statistics: nothing of it travels, and clients do not disturb each
    other through it. It needs more than one number a map.
    """
    channels, *sides = input_shape
    for _ in widths:
        sides = [side // 2 for side in sides]
    if min(sides) < 1 or max(sides) < 2:
        least = 2 ** len(widths)
        shape = " x ".join(map(str, input_shape[1:]))
        raise ValueError(f"{name} needs volumes of at least {least} on each side, {2 * least} on one, not {shape}")
    model = nn.Sequential()
    for stage, width in enumerate(widths, start=1):
        model.add_module(f"conv{stage}", nn.Conv3d(channels, width, 3, padding=1))
        model.add_module(f"norm{stage}", nn.InstanceNorm3d(width))
        model.add_module(f"pool{stage}", nn.MaxPool3d(2))
        model.add_module(f"relu{stage}", nn.ReLU())
        channels = width
    model.add_module("top", nn.Conv3d(channels, top, 1))
    model.add_module("norm", nn.InstanceNorm3d(top))
    model.add_module("relu", nn.ReLU())
    model.add_module("mean", nn.AdaptiveAvgPool3d(1))
    model.add_module("head", nn.Conv3d(top, num_classes, 1))
    model.add_module("flatten", nn.Flatten())
    return model
