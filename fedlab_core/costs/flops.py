"""Floating-point operations of a forward pass, for each weight tensor: dense, and as a mask leaves them.

Two FLOPs are a multiplication and an addition. As in PyTorch's own counter, biases, norms, activations and pooling are
left out.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

BACKWARD_FACTOR = 3
"""Training / forward FLOPs: the backward pass counts as two forwards (gradients of weights and of inputs)."""

_COUNTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
_FREE = (nn.LayerNorm, nn.Embedding)
"""Layers whose weight may have several axes, but is looked up or scales one entry each."""


def forward_flops(model: nn.Module, input_shape: tuple[int, ...]) -> dict[str, int]:
    """FLOPs of ONE example, by weight name ("fc1.weight").

    Every entry of a linear or convolutional weight takes part in one multiply-add at each output position, whatever
    stride, padding, dilation or groups: 2 x weight entries x positions. A layer that is used twice counts twice.

    Args:
        model: on any device, "meta" included. It is not touched: a copy is run on zeros, in evaluation mode.
        input_shape: of one example, without the batch axis.

    Raises:
        ValueError: a layer with a weight of two or more axes that is neither linear nor a convolution.
    """
    probe = copy.deepcopy(model).eval()
    flops: dict[str, int] = {}
    for name, layer in probe.named_modules():
        if isinstance(layer, _COUNTED):
            layer.register_forward_hook(_counter(f"{name}.weight".lstrip("."), layer.weight, flops))
        elif not isinstance(layer, _FREE) and any(p.dim() > 1 for p in layer.parameters(recurse=False)):
            raise ValueError(f"FLOPs of layer {name!r} ({type(layer).__name__}) are not known")
    # Not on the device "meta", which would do: computing there imports a compiler first, for more than a second.
    tensors = (*probe.named_parameters(), *probe.named_buffers())
    zeros = {name: torch.zeros(tensor.shape, dtype=tensor.dtype) for name, tensor in tensors}
    dtype = next((p.dtype for p in probe.parameters()), None)
    with torch.no_grad():
        functional_call(probe, zeros, (torch.zeros(1, *input_shape, dtype=dtype),))
    return flops


def effective_flops(per_layer: Mapping[str, int], masks: Mapping[str, Tensor]) -> float:
    """FLOPs that count kept weights only: for a layer 2 nnz(W) x positions (our reading of METHODS 2.7).

    "Theoretical": a masked dense network computes its zeros like any other number, and is not faster.

    Args:
        per_layer: from `forward_flops`. A layer without a mask counts fully.
        masks: boolean, True = kept. Masks of other tensors (biases) change nothing.
    """
    total = 0.0
    for name, count in per_layer.items():
        mask = masks.get(name)
        total += count if mask is None else count * int(mask.sum()) / max(mask.numel(), 1)
    return total


def _counter(name: str, weight: Tensor, flops: dict[str, int]) -> Callable[[nn.Module, Any, Tensor], None]:
    def count(layer: nn.Module, _: Any, output: Tensor) -> None:
        positions = output.numel() // weight.shape[0]
        flops[name] = flops.get(name, 0) + 2 * weight.numel() * positions

    return count
