"""Convolutional networks: a small one for digits and shapes, and FedSparsify's 6-conv CNN for CIFAR-10."""

from __future__ import annotations

from torch import nn

from fedlab_core.models.base import InputDropout, batch_norm, register_model


@register_model("cnn_small")
def cnn_small(input_shape: tuple[int, ...], num_classes: int) -> nn.Sequential:
    """Conv 3x3, GroupNorm, ReLU, pooled down to at most 4x4, then 64 and classes.

    GroupNorm, because it keeps no running statistics through which clients with different labels would disturb each
    other; before the dense layer's ReLU, too, which a large first step would otherwise switch off for good. Two stages
    (16, 32) for 8 x 8 digits, a third (64) for larger images.
    """
    channels, height, width = input_shape
    if min(height, width) < 4:
        raise ValueError(f"cnn_small needs images of at least 4 x 4, not {height} x {width}")
    model = nn.Sequential()
    for stage, out in enumerate((16, 32) if min(height, width) < 16 else (16, 32, 64), start=1):
        model.add_module(f"conv{stage}", nn.Conv2d(channels, out, 3, padding=1))
        model.add_module(f"norm{stage}", nn.GroupNorm(4, out))
        model.add_module(f"relu{stage}", nn.ReLU())
        if stage > 1 or min(height, width) >= 16:
            model.add_module(f"pool{stage}", nn.MaxPool2d(2))
            height, width = height // 2, width // 2
        channels = out
    model.add_module("flatten", nn.Flatten())
    model.add_module("fc1", nn.Linear(channels * height * width, 64))
    model.add_module("norm", nn.GroupNorm(1, 64))
    model.add_module("relu", nn.ReLU())
    model.add_module("fc2", nn.Linear(64, num_classes))
    return model


@register_model("cnn6")
def cnn6(input_shape: tuple[int, ...], num_classes: int) -> nn.Sequential:
    """FedSparsify's CIFAR-10 network: 1,609,930 parameters and 384 running statistics at 3 x 32 x 32."""
    channels, height, width = input_shape
    if min(height, width) < 8:
        raise ValueError(f"cnn6 needs images of at least 8 x 8, not {height} x {width}")
    model = nn.Sequential()
    for block, out in enumerate((64, 128, 128), start=1):
        for conv in ("a", "b"):
            model.add_module(f"conv{block}{conv}", nn.Conv2d(channels, out, 3, padding=1))
            model.add_module(f"relu{block}{conv}", nn.ReLU())
            channels = out
        model.add_module(f"pool{block}", nn.MaxPool2d(2))
        if block < 3:
            model.add_module(f"norm{block}", batch_norm(out))
    model.add_module("flatten", nn.Flatten())
    model.add_module("fc1", nn.Linear(128 * (height // 8) * (width // 8), 512))
    model.add_module("relu", nn.ReLU())
    model.add_module("drop", InputDropout(0.2, 512))
    model.add_module("fc2", nn.Linear(512, num_classes))
    return model
