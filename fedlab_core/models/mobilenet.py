"""MobileNetV2 (Sandler et al. 2018, arXiv 1801.04381) for small images."""

from __future__ import annotations

from torch import nn

from fedlab_core.models.base import batch_norm, register_model
from fedlab_core.models.blocks import Residual

STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""Expansion, channels, blocks and stride of the first block, as in the paper's table."""


def _body(inputs: int, outputs: int, stride: int, expansion: int) -> nn.Sequential:
    """Widen by a 1 x 1 convolution, filter every channel by itself, project back without ReLU."""
    body, hidden = nn.Sequential(), inputs * expansion
    if expansion > 1:
        body.add_module("expand", nn.Conv2d(inputs, hidden, 1, bias=False))
        body.add_module("expand_norm", batch_norm(hidden))
        body.add_module("expand_relu", nn.ReLU6())
    body.add_module("filter", nn.Conv2d(hidden, hidden, 3, stride, padding=1, groups=hidden, bias=False))
    body.add_module("filter_norm", batch_norm(hidden))
    body.add_module("filter_relu", nn.ReLU6())
    body.add_module("project", nn.Conv2d(hidden, outputs, 1, bias=False))
    body.add_module("project_norm", batch_norm(outputs))
    return body


@register_model("mobilenet_v2")
def mobilenet_v2(input_shape: tuple[int, ...], num_classes: int) -> nn.Sequential:
    """2,236,682 parameters for 10 classes. Images below 64 pixels are halved three times instead of five."""
    channels, height, width = input_shape
    if min(height, width) < 8:
        raise ValueError(f"mobilenet_v2 needs images of at least 8 x 8, not {height} x {width}")
    small = min(height, width) < 64
    model = nn.Sequential()
    model.add_module("stem", nn.Conv2d(channels, 32, 3, 1 if small else 2, padding=1, bias=False))
    model.add_module("stem_norm", batch_norm(32))
    model.add_module("stem_relu", nn.ReLU6())
    inputs = 32
    for stage, (expansion, outputs, blocks, first) in enumerate(STAGES, start=1):
        for place in range(1, blocks + 1):
            stride = first if place == 1 and not (small and stage == 2) else 1
            body = _body(inputs, outputs, stride, expansion)
            model.add_module(f"block{stage}_{place}", Residual(body) if stride == 1 and inputs == outputs else body)
            inputs = outputs
    model.add_module("head", nn.Conv2d(inputs, 1280, 1, bias=False))
    model.add_module("head_norm", batch_norm(1280))
    model.add_module("head_relu", nn.ReLU6())
    model.add_module("pool", nn.AdaptiveAvgPool2d(1))
    model.add_module("flatten", nn.Flatten())
    model.add_module("fc", nn.Linear(1280, num_classes))
    return model
