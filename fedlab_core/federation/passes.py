"""Layers of K stacked clients: each computes its output, and how a gradient goes back through it.

K clients, B batch, I input, O output, C classes, H height, W width. Maps of stacked clients are [B, K*channels, H, W],
channels last in memory: a convolution in K groups is then K convolutions in one call, at the full rate of the machine.
Volumes have a depth before the height. Vectors are [K, B, I], for batched matrix products.

Written out instead of left to autograd, because a small step is mostly overhead: a gradient is added to the momentum
where it is computed, activations are overwritten where nobody needs them any more, and nothing is recorded. A test
compares every model with autograd (the reference trainer).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from fedlab_core.types import Batch, Buffers, Params

ops = torch.ops.aten

Back = Callable[[Tensor, bool], Tensor | None]
"""Adds the gradients of a layer's own parameters; gives the gradient of its input, or None where nobody needs it."""

Layers = Mapping[type[nn.Module], Callable[["Pass", str, Any, Tensor], tuple[Tensor, Back]]]
"""How each kind of layer is computed: (pass, its name, the layer, its input) -> its output, and the way back."""


def accumulate(onto: Tensor, decay: float, grad: Tensor) -> None:
    """onto = decay * onto + grad, in place; with decay 0 whatever was there is forgotten, even NaN."""
    if decay:
        onto.mul_(decay).add_(grad)
    else:
        onto.copy_(grad)


class Pass:
    """One forward and backward pass of K clients.

    Attributes:
        params, buffers, batch: with a leading client axis. `buffers` is replaced by what it is after the pass.
        onto, decay: gradients are added to decay x `onto`, in place.
        layers: how each kind of layer is computed.
        axes: of a map: 2 for images, 3 for volumes, 0 where the examples are vectors.
    """

    def __init__(
        self, params: Params, buffers: Buffers, batch: Batch, onto: Params, decay: float, layers: Layers
    ) -> None:
        self.params, self.buffers, self.batch, self.layers = params, dict(buffers), batch, layers
        self.onto, self.decay = onto, decay
        self.num_clients, self.batch_size = batch.y_B.shape
        self.may_overwrite = False
        self.axes = batch.x_BI.dim() - 3

    @property
    def memory_format(self) -> torch.memory_format:
        """Channels last, for images or volumes."""
        return torch.channels_last_3d if self.axes == 3 else torch.channels_last

    def add(self, name: str, grad: Tensor) -> None:
        """The gradient of a parameter, in any layout of the right size."""
        accumulate(self.onto[name], self.decay, grad.view_as(self.onto[name]))

    def flat(self, name: str) -> Tensor | None:
        """A parameter of all clients one after the other; None if the layer has no such parameter."""
        return self.params[name].flatten(0, 1) if name in self.params else None

    def maps(self, x: Tensor) -> Tensor:
        """Images as they come, [K, B, channels, H, W], as maps; maps stay as they are.

        A convolution of one channel may have forgotten that its maps are channels last: it could not tell.
        """
        if x.dim() == self.axes + 2:
            return x.contiguous(memory_format=self.memory_format)
        return x.transpose(0, 1).flatten(1, 2).contiguous(memory_format=self.memory_format)


def run(model: nn.Sequential, this: Pass) -> Tensor:
    """Forward and backward; the loss [K]."""
    outputs_KBC, back = chain(this, "", model, this.batch.x_BI)
    loss_K, grad_KBC = _loss(outputs_KBC, this.batch)
    back(grad_KBC, False)
    return loss_K


def chain(this: Pass, prefix: str, layers: nn.Sequential, x: Tensor) -> tuple[Tensor, Back]:
    """One layer after the other. Nobody asks what is before the first layer with weights, unless `wanted`."""
    backs = []
    for name, layer in layers.named_children():
        x, back = this.layers[type(layer)](this, prefix + name, layer, x)
        backs.append(back)
    first = next((place for place, layer in enumerate(layers) if any(True for _ in layer.parameters())), len(backs))

    def back_all(grad: Tensor, wanted: bool) -> Tensor | None:
        for place in range(len(backs) - 1, -1 if wanted else first - 1, -1):
            grad = cast(Tensor, backs[place](grad, wanted or place > first))
        return grad if wanted else None

    return x, back_all


def _loss(outputs_KBC: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """Loss and its gradient, as `gradients.example_losses` defines it."""
    return (_squared_error if batch.y_B.is_floating_point() else _cross_entropy)(outputs_KBC, batch)


def _squared_error(outputs_KB1: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """Weighted squared error and its gradient: twice the error times the weight of the example."""
    error_KB = outputs_KB1.squeeze(2) - batch.y_B
    weighted_KB = error_KB * batch.weight_B
    return (error_KB * weighted_KB).sum(1), (2 * weighted_KB).unsqueeze(2).to(outputs_KB1.dtype)


def _cross_entropy(logits_KBC: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """Weighted cross-entropy and its gradient: (softmax - 1 at the label) times the weight of the example."""
    log_KBC = logits_KBC.log_softmax(2)
    label_KB1, weight_KB1 = batch.y_B.unsqueeze(2), batch.weight_B.unsqueeze(2)
    log_KB1 = log_KBC.gather(2, label_KB1)
    loss_K = -(log_KB1 * weight_KB1).sum((1, 2))
    grad_KBC = log_KBC.exp_().scatter_add_(2, label_KB1, torch.full_like(log_KB1, -1.0)).mul_(weight_KB1)
    return loss_K, grad_KBC
