"""FedSparsify's network for FashionMNIST: two hidden layers of 128; 118,282 parameters on 28 x 28 images."""

from __future__ import annotations

import math

from torch import nn

from fedlab_core.models.base import register_model


@register_model("mlp", axes=(3, 4))
def mlp(input_shape: tuple[int, ...], num_classes: int) -> nn.Sequential:
    """Flatten, 128, ReLU, 128, ReLU, classes."""
    model = nn.Sequential()
    model.add_module("flatten", nn.Flatten())
    model.add_module("fc1", nn.Linear(math.prod(input_shape), 128))
    model.add_module("relu1", nn.ReLU())
    model.add_module("fc2", nn.Linear(128, 128))
    model.add_module("relu2", nn.ReLU())
    model.add_module("fc3", nn.Linear(128, num_classes))
    return model
