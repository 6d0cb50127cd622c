"""Loss and gradient of a model: for one client, and for a stack of clients at once.

K clients, B batch, I input, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from fedlab_core.federation.layers import LAYERS
from fedlab_core.federation.passes import Pass, accumulate, run
from fedlab_core.models.blocks import Gated, Residual
from fedlab_core.types import Batch, Buffers, GradFn, Gradient, Params


def example_losses(outputs_BC: Tensor, y_B: Tensor) -> Tensor:
    """[B]: cross-entropy where the targets are classes, squared error of the one output where they are numbers."""
    if y_B.is_floating_point():
        return (outputs_BC.squeeze(1) - y_B).square()
    return F.cross_entropy(outputs_BC, y_B, reduction="none")


def batch_loss(model: nn.Module, params: Params, buffers: Buffers, batch: Batch, temperature: float = 1.0) -> Tensor:
    """Training loss of one client's batch: a sum with the batch's weights (1/b each: the mean over b examples).

    Logits are divided by `temperature`; a predicted number is not: there are no classes to make alike. BatchNorm writes
    into `buffers`.
    """
    outputs_BC = functional_call(model.train(), {**params, **buffers, **batch.noise}, (batch.x_BI,))
    if not batch.y_B.is_floating_point():
        outputs_BC = outputs_BC / temperature
    return (example_losses(outputs_BC, batch.y_B) * batch.weight_B).sum()


def client_gradient(model: nn.Module) -> GradFn:
    """The reference: one client, the model called as PyTorch calls it."""

    def grad(
        params: Params, buffers: Buffers, batch: Batch, onto: Params | None = None, decay: float = 0.0
    ) -> Gradient:
        leaves = {name: weight.detach().requires_grad_() for name, weight in params.items()}
        after = {name: buffer.clone() for name, buffer in buffers.items()}  # BatchNorm writes into them
        loss = batch_loss(model, leaves, after, batch)
        grads = torch.autograd.grad(loss, list(leaves.values()))
        return _gradient(loss.detach(), dict(zip(leaves, grads, strict=True)), after, onto, decay)

    return grad


def cohort_gradient(model: nn.Module) -> GradFn:
    """The same for K stacked clients: layer by layer where every layer has a stacked form, else through vmap.

    Parameters, buffers and batch carry a leading client axis; so do the loss [K] and the gradients.
    """
    return _stacked_gradient(model) if has_stacked_form(model) else _vmap_gradient(model)


def has_stacked_form(model: nn.Module) -> bool:
    """Whether the model is a chain of layers of which `layers.py` knows the stacked form, each used once."""
    return type(model) is nn.Sequential and _known_chain(model) and any(True for _ in model.parameters())


def _known_chain(chain: nn.Sequential) -> bool:
    return len(list(chain.children())) == len(chain) and all(map(_known, chain))


def _known(layer: nn.Module) -> bool:
    if isinstance(layer, Residual):
        # A ReLU at the end would overwrite the gradient that goes around the block, too.
        parts = [layer.body] if layer.shortcut is None else [layer.body, layer.shortcut]
        ends = [part[-1] for part in parts if isinstance(part, nn.Sequential)]
        return all(map(_known, parts)) and not any(isinstance(end, nn.ReLU) for end in ends)
    if isinstance(layer, Gated):
        return _known_chain(layer.body)
    if type(layer) is nn.Sequential:
        return _known_chain(layer)
    return type(layer) in LAYERS and _plain(layer)


def _plain(layer: nn.Module) -> bool:
    """Whether a layer has no option that its stacked form does not know; other layers go through vmap."""
    if isinstance(layer, nn.Conv2d | nn.Conv3d):
        return isinstance(layer.padding, tuple) and layer.padding_mode == "zeros"
    if isinstance(layer, nn.BatchNorm2d):
        return layer.affine and layer.track_running_stats and layer.momentum is not None
    if isinstance(layer, nn.GroupNorm):
        return layer.affine
    if isinstance(layer, nn.InstanceNorm3d):
        return not layer.affine and not layer.track_running_stats
    if isinstance(layer, nn.Flatten):
        return (layer.start_dim, layer.end_dim) == (1, -1)
    if isinstance(layer, nn.AdaptiveAvgPool2d | nn.AdaptiveAvgPool3d):
        return layer.output_size in (1, (1, 1), (1, 1, 1))
    return not (isinstance(layer, nn.MaxPool2d | nn.MaxPool3d) and layer.return_indices)


def in_bfloat16(grad: GradFn) -> GradFn:
    """`grad` with weights, buffers and inputs rounded to bfloat16 (8 bits of precision) for the pass itself.

    Weights and momentum are kept, and gradients added up, as they come: small steps would be lost otherwise.
    """

    def low(params: Params, buffers: Buffers, batch: Batch, onto: Params | None = None, decay: float = 0.0) -> Gradient:
        rounded = batch._replace(x_BI=batch.x_BI.bfloat16())
        loss, grads, after = grad(_bfloat16(params), _bfloat16(buffers), rounded)
        after = {name: buffer.to(buffers[name].dtype) for name, buffer in after.items()}
        grads = {name: grad.to(params[name].dtype) for name, grad in grads.items()}
        return _gradient(loss.to(batch.weight_B.dtype), grads, after, onto, decay)

    return low


def _bfloat16(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.bfloat16() for name, tensor in tensors.items()}


def _stacked_gradient(model: nn.Module) -> GradFn:
    @torch.no_grad()
    def grad(
        params: Params, buffers: Buffers, batch: Batch, onto: Params | None = None, decay: float = 0.0
    ) -> Gradient:
        if onto is None:
            onto, decay = {name: torch.empty_like(weight) for name, weight in params.items()}, 0.0
        this = Pass(params, buffers, batch, onto, decay, LAYERS)
        loss_K = run(cast(nn.Sequential, model), this)
        return Gradient(loss_K, onto, this.buffers)

    return grad


def _vmap_gradient(model: nn.Module) -> GradFn:
    def loss_of(params: Params, buffers: Buffers, batch: Batch) -> tuple[Tensor, Buffers]:
        after = {name: buffer.clone() for name, buffer in buffers.items()}
        return batch_loss(model, params, after, batch), after

    stacked = vmap(torch.func.grad_and_value(loss_of, has_aux=True))

    def grad(
        params: Params, buffers: Buffers, batch: Batch, onto: Params | None = None, decay: float = 0.0
    ) -> Gradient:
        grads, (loss_K, after) = stacked(params, buffers, batch)
        return _gradient(loss_K, grads, after, onto, decay)

    return grad


def _gradient(loss: Tensor, grads: Params, buffers: Buffers, onto: Params | None, decay: float) -> Gradient:
    if onto is None:
        return Gradient(loss, grads, buffers)
    for name, grad in grads.items():
        accumulate(onto[name], decay, grad)
    return Gradient(loss, onto, buffers)
