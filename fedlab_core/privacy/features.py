"""What an attacker sees of an example: what the model says about it, and with the weights, too, how it pulls at them.

N examples, B batch, I input, C classes or the one output of a regression, F features.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from fedlab_core.federation.devices import put
from fedlab_core.federation.evaluation import chunk_of, example_scores
from fedlab_core.federation.gradients import example_losses
from fedlab_core.types import Params, ServerState

Access = Literal["black-box", "white-box"]
"""Whether the attacker has only the model's answers, or also its weights, as every client has."""

ACCESSES: tuple[Access, ...] = get_args(Access)

GRADIENT_NUMBERS = 20_000_000
"""So many numbers of examples' own gradients are in memory at a time."""


class Features(NamedTuple):
    """Names of the F features, and their values, float64 [N, F]."""

    names: tuple[str, ...]
    values_NF: Tensor


def outputs(model: nn.Module, server: ServerState, x_NI: Tensor) -> Tensor:
    """What the model answers, [N, C]; dropout and batch statistics as in use, not as in training."""
    model.eval()
    tensors = put({**server.params, **server.buffers}, x_NI.device)
    with torch.no_grad():
        return torch.cat([functional_call(model, tensors, (x_BI,)) for x_BI in x_NI.split(chunk_of(x_NI))])


def features(model: nn.Module, server: ServerState, x_NI: Tensor, y_N: Tensor, access: Access) -> Features:
    """What the attacker knows of each example whose label it knows."""
    seen = answer_features(outputs(model, server, x_NI), y_N)
    if access == "black-box":
        return seen
    pulls = gradient_norms(model, server, x_NI, y_N)
    return Features(seen.names + pulls.names, torch.cat([seen.values_NF, pulls.values_NF], 1))


def answer_features(outputs_NC: Tensor, y_N: Tensor) -> Features:
    """Of a classifier: loss, largest probability, whether it is right (our reading). Of a regression: |f - y|, f, y."""
    outputs_NC, score_N = outputs_NC.double(), example_scores(outputs_NC, y_N)
    if y_N.is_floating_point():
        named = {"error": score_N, "prediction": outputs_NC.squeeze(1), "target": y_N}
    else:
        loss_N, confidence_N = example_losses(outputs_NC, y_N), outputs_NC.softmax(1).amax(1)
        named = {"loss": loss_N, "confidence": confidence_N, "correct": score_N}
    return Features(tuple(named), torch.stack([value_N.double() for value_N in named.values()], 1).cpu())


def gradient_norms(model: nn.Module, server: ServerState, x_NI: Tensor, y_N: Tensor) -> Features:
    """Norm of the gradient of each example's loss, layer by layer, over the weights that are kept (our reading)."""
    layers: dict[str, list[str]] = {}
    for name in server.params:
        layers.setdefault(name.rpartition(".")[0], []).append(name)
    squares_NF = torch.cat(
        [
            torch.stack([torch.stack([square_B[name] for name in names]).sum(0) for names in layers.values()], 1)
            for square_B in _squared_gradients(model, server, x_NI, y_N)
        ]
    )
    return Features(tuple(f"gradient of {layer}" for layer in layers), squares_NF.double().sqrt().cpu())


def _squared_gradients(model: nn.Module, server: ServerState, x_NI: Tensor, y_N: Tensor) -> Iterator[dict[str, Tensor]]:
    """Squared norm of each example's gradient by parameter, some examples at a time."""
    model.eval()
    params, buffers, masks = put((server.params, server.buffers, server.masks), x_NI.device)

    def loss(params: Params, x_I: Tensor, y: Tensor) -> Tensor:
        return example_losses(functional_call(model, {**params, **buffers}, (x_I[None],)), y[None])[0]

    each = vmap(grad(loss), in_dims=(None, 0, 0))
    width = min(chunk_of(x_NI), max(1, GRADIENT_NUMBERS // sum(weight.numel() for weight in params.values())))
    for x_BI, y_B in zip(x_NI.split(width), y_N.split(width), strict=True):
        grads = each(params, x_BI, y_B)
        kept = {name: pull * masks[name] if name in masks else pull for name, pull in grads.items()}
        yield {name: pull.flatten(1).square().sum(1) for name, pull in kept.items()}
