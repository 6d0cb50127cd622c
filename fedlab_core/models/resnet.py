"""Residual networks: ResNet-20/32/56 for 32 x 32 images, ResNet-18/34 with a stem for 32 or 64 pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import nn

from fedlab_core.models.base import batch_norm, register_model
from fedlab_core.models.blocks import PadShortcut, Residual

Norm = Callable[[int], nn.Module]


def group_norm(channels: int) -> nn.GroupNorm:
    """One group of all channels: no running statistics that clients with other data would disturb (as DWNP does)."""
    return nn.GroupNorm(1, channels)


def _block(inputs: int, outputs: int, stride: int, norm: Norm, shortcut: nn.Module | None) -> Residual:
    body = nn.Sequential()
    body.add_module("conv_a", nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False))
    body.add_module("norm_a", norm(outputs))
    body.add_module("relu_a", nn.ReLU())
    body.add_module("conv_b", nn.Conv2d(outputs, outputs, 3, padding=1, bias=False))
    body.add_module("norm_b", norm(outputs))
    return Residual(body, shortcut)  # type: ignore[arg-type]


def _network(
    input_shape: tuple[int, ...],
    num_classes: int,
    widths: Sequence[int],
    depths: Sequence[int],
    norm: Norm,
    around: Callable[[int, int, int], nn.Module],
    stem_stride: int = 1,
) -> nn.Sequential:
    channels, height, width = input_shape
    if min(height, width) < 8:
        raise ValueError(f"residual networks need images of at least 8 x 8, not {height} x {width}")
    model = nn.Sequential()
    model.add_module("stem", nn.Conv2d(channels, widths[0], 3, stem_stride, padding=1, bias=False))
    model.add_module("stem_norm", norm(widths[0]))
    model.add_module("stem_relu", nn.ReLU())
    inputs = widths[0]
    for stage, (outputs, depth) in enumerate(zip(widths, depths, strict=True), start=1):
        for place in range(1, depth + 1):
            stride = 2 if stage > 1 and place == 1 else 1
            shortcut = around(inputs, outputs, stride) if stride > 1 or inputs != outputs else None
            model.add_module(f"block{stage}_{place}", _block(inputs, outputs, stride, norm, shortcut))
            model.add_module(f"relu{stage}_{place}", nn.ReLU())
            inputs = outputs
    model.add_module("pool", nn.AdaptiveAvgPool2d(1))
    model.add_module("flatten", nn.Flatten())
    model.add_module("fc", nn.Linear(inputs, num_classes))
    return model


def _cifar(depth: int, norm: Norm) -> Callable[[tuple[int, ...], int], nn.Sequential]:
    """Three stages of 16, 32 and 64 channels, (depth - 2) / 6 blocks each, shortcuts without weights."""

    def build(input_shape: tuple[int, ...], num_classes: int) -> nn.Sequential:
        def pad(inputs: int, outputs: int, stride: int) -> nn.Module:
            return PadShortcut(stride, outputs - inputs)

        blocks = [(depth - 2) // 6] * 3
        return _network(input_shape, num_classes, (16, 32, 64), blocks, norm, pad)

    return build


def _imagenet(depths: Sequence[int]) -> Callable[[tuple[int, ...], int], nn.Sequential]:
    """Four stages of 64 to 512 channels. The stem is one 3 x 3 convolution, with stride 2 for 64 pixels and more."""

    def build(input_shape: tuple[int, ...], num_classes: int) -> nn.Sequential:
        def project(inputs: int, outputs: int, stride: int) -> nn.Module:
            way = nn.Sequential()
            way.add_module("conv", nn.Conv2d(inputs, outputs, 1, stride, bias=False))
            way.add_module("norm", batch_norm(outputs))
            return way

        stem_stride = 2 if min(input_shape[1:]) >= 64 else 1
        return _network(input_shape, num_classes, (64, 128, 256, 512), depths, batch_norm, project, stem_stride)

    return build


for _depth in (20, 32, 56):
    register_model(f"resnet{_depth}")(_cifar(_depth, batch_norm))
    register_model(f"resnet{_depth}_gn")(_cifar(_depth, group_norm))
register_model("resnet18")(_imagenet((2, 2, 2, 2)))
register_model("resnet34")(_imagenet((3, 4, 6, 3)))
