"""What many tests are repeated for."""

import pytest
import torch
from torch import nn

from fedlab_core.models import build_model, init_params
from fedlab_core.strategies import make_strategy, strategy_names
from fedlab_core.types import Buffers, Params, seeded_generator

SMALL_MODELS = ("mlp", "cnn_small", "cnn6", "resnet20", "resnet20_gn")
"""One network of each kind that is small enough to be combined with everything else."""

LARGE_MODELS = ("vgg11", "vgg16", "resnet18", "mobilenet_v2")
"""The others, one of each kind; those that are only deeper are left out."""

VOLUME_MODELS = {"brain_small": (2, 16, 16, 8), "brain_cnn": (1, 64, 32, 32)}
"""Networks for volumes, and an input of each."""

MODEL_INPUT = {"vgg11": (2, 32, 32), "vgg16": (2, 32, 32)}
"""Inputs of models that do not take images of 8 x 8."""

TRAINING_INPUT = MODEL_INPUT | VOLUME_MODELS | {"resnet18": (2, 16, 16), "mobilenet_v2": (2, 16, 16)}
"""Inputs for training: BatchNorm wants more than one number, also from a single example."""


def model_for(strategy: str) -> str:
    """The fastest model that a strategy can do something with."""
    try:
        make_strategy({"name": strategy}).prepare(build_model("mlp", (1, 8, 8), 10))
    except ValueError:
        return "cnn_small"
    return "mlp"


def strategies_for(model: str) -> list[str]:
    """The strategies that can do something with a model."""

    def fits(strategy: str) -> bool:
        try:
            make_strategy({"name": strategy}).prepare(build_model(model, TRAINING_INPUT.get(model, (1, 8, 8)), 1))
        except ValueError:
            return False
        return True

    return [strategy for strategy in strategy_names() if fits(strategy)]


PAIRS = [
    pytest.param(model, strategy, marks=() if model in ("mlp", "cnn_small") else pytest.mark.slow)
    for model in SMALL_MODELS
    for strategy in strategy_names()
    if model != "mlp" or model_for(strategy) == "mlp"
]
"""Every small model with every strategy that can do something with it."""


def lively(model: nn.Module) -> tuple[Params, Buffers]:
    """Numbers with which two images differ at the other end of any depth, as they do after training.

    Weights are Kaiming-normal, which keeps the size of what passes; biases, norms and statistics are none of 0 and 1.
    """
    params, buffers = init_params(model, generator := seeded_generator("lively"))
    for weight in params.values():
        if weight.dim() > 1:
            nn.init.kaiming_normal_(weight, generator=generator)
        else:
            weight.add_(0.1 * torch.rand(weight.shape, generator=generator))
    return params, {name: b + 0.1 * torch.rand(b.shape, generator=generator) for name, b in buffers.items()}
