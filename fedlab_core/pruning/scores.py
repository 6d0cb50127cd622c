"""What a weight is worth before training, judged on one batch: larger is worth more. Pure functions on `Params`."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from fedlab_core.types import Params


class Loss(Protocol):
    """The mean loss of a batch as a function of the weights, of which gradients can be taken, twice if need be."""

    def __call__(self, params: Params, temperature: float = 1.0) -> Tensor:
        """`temperature` divides the model's outputs: a high one makes all classes nearly as likely."""


def snip(loss: Loss, params: Params) -> Params:
    """|w g|: how much the loss would change, to first order, without this weight. Lee et al. 2019, arXiv 1810.02340."""
    return {name: (params[name] * grad).abs() for name, grad in _gradients(loss, params).items()}


def squared_gradients(loss: Loss, params: Params) -> Params:
    """g^2: how fast the loss falls, to first order, where this weight is trained. PruneFL, arXiv 1909.12326."""
    return {name: grad.square() for name, grad in _gradients(loss, params).items()}


GRASP_TEMPERATURE = 200.0
"""As in GraSP's published code. Without it, weights score well that make an untrained network sure of itself."""


def grasp(loss: Loss, params: Params) -> Params:
    """w (H g): how much this weight adds to the gradient's flow. Wang et al. 2020, arXiv 2002.07376.

    The paper drops the largest -w (H g); here, larger is worth more. H g is the gradient of (g . g) / 2.
    """
    leaves = _leaves(params)
    grads = torch.autograd.grad(loss(leaves, GRASP_TEMPERATURE), list(leaves.values()), create_graph=True)
    flow = torch.stack([grad.square().sum() for grad in grads]).sum() / 2
    products = torch.autograd.grad(flow, list(leaves.values()), allow_unused=True)  # an output bias may not matter
    return {
        name: torch.zeros_like(params[name]) if product is None else params[name] * product
        for name, product in zip(leaves, products, strict=True)
    }


def _gradients(loss: Loss, params: Params) -> Params:
    leaves = _leaves(params)
    return dict(zip(leaves, torch.autograd.grad(loss(leaves), list(leaves.values())), strict=True))


def _leaves(params: Params) -> Params:
    return {name: weight.detach().clone().requires_grad_() for name, weight in params.items()}
