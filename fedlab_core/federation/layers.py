"""The layers of K stacked clients that hold no others, and the table of all. See `passes.py`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from fedlab_core.federation.composites import gated, inner_chain, pad_shortcut, residual
from fedlab_core.federation.norms import batch_norm, group_norm, instance_norm
from fedlab_core.federation.passes import Back, Pass, ops
from fedlab_core.models import InputDropout
from fedlab_core.models.blocks import Gated, PadShortcut, Residual


def _linear(this: Pass, name: str, layer: nn.Linear, x_KBI: Tensor) -> tuple[Tensor, Back]:
    """In columns: W x^T, so that the weight's gradient comes out in the weight's own layout."""
    weight, bias = f"{name}.weight", f"{name}.bias"
    weight_KOI, x_KIB = this.params[weight], x_KBI.transpose(1, 2)
    if layer.bias is None:
        y_KOB = torch.bmm(weight_KOI, x_KIB)
    else:
        y_KOB = torch.baddbmm(this.params[bias].unsqueeze(2), weight_KOI, x_KIB)

    def back(grad_KBO: Tensor, wanted: bool) -> Tensor | None:
        grad_KOB = grad_KBO.transpose(1, 2)
        this.onto[weight].baddbmm_(grad_KOB, x_KBI, beta=this.decay)
        if layer.bias is not None:
            this.add(bias, grad_KOB.sum(2))
        return torch.bmm(weight_KOI.transpose(1, 2), grad_KOB).transpose(1, 2) if wanted else None

    this.may_overwrite = True
    return y_KOB.transpose(1, 2), back


def _conv(this: Pass, name: str, layer: nn.Conv2d | nn.Conv3d, x: Tensor) -> tuple[Tensor, Back]:
    x = this.maps(x)
    weight, bias = cast(Tensor, this.flat(f"{name}.weight")), this.flat(f"{name}.bias")
    groups = this.num_clients * layer.groups
    how = (layer.stride, layer.padding, layer.dilation, False, [0] * this.axes, groups)

    def back(grad: Tensor, wanted: bool) -> Tensor | None:
        needed = [wanted, True, bias is not None]
        grads = ops.convolution_backward(grad, x, weight, [len(weight)], *how, needed)
        this.add(f"{name}.weight", grads[1])
        if bias is not None:
            this.add(f"{name}.bias", grads[2])
        return grads[0] if wanted else None

    this.may_overwrite = True
    return cast(Tensor, ops.convolution(x, weight, bias, *how)), back


def _relu(this: Pass, name: str, layer: nn.ReLU, x: Tensor) -> tuple[Tensor, Back]:
    """In place both ways, except on the examples themselves: no layer needs its own output to go back."""
    y = x.relu_() if this.may_overwrite else x.relu()

    def back(grad: Tensor, wanted: bool) -> Tensor:
        return cast(Tensor, ops.threshold_backward.grad_input(grad, y, 0, grad_input=grad))

    return y, back


def _relu6(this: Pass, name: str, layer: nn.ReLU6, x: Tensor) -> tuple[Tensor, Back]:
    x = x if this.may_overwrite else x.clone()
    y = ops.hardtanh_(x, 0.0, 6.0)

    def back(grad: Tensor, wanted: bool) -> Tensor:
        return cast(Tensor, ops.hardtanh_backward(grad, y, 0.0, 6.0))

    return y, back


def _max_pool(this: Pass, name: str, layer: nn.MaxPool2d | nn.MaxPool3d, x: Tensor) -> tuple[Tensor, Back]:
    x = this.maps(x)
    settings = (layer.kernel_size, layer.stride, layer.padding, layer.dilation)
    how = [_for_axes(setting, this.axes) for setting in settings]
    volumes = this.axes == 3
    forward = ops.max_pool3d_with_indices if volumes else ops.max_pool2d_with_indices
    backward = ops.max_pool3d_with_indices_backward if volumes else ops.max_pool2d_with_indices_backward
    y, index = forward(x, *how, layer.ceil_mode)

    def back(grad: Tensor, wanted: bool) -> Tensor:
        return cast(Tensor, backward(grad, x, *how, layer.ceil_mode, index))

    this.may_overwrite = True
    return y, back


def _for_axes(setting: int | tuple[int, ...], axes: int) -> list[int]:
    """One number for all axes, or one for each, as a list."""
    return [setting] * axes if isinstance(setting, int) else list(setting)


def _mean_pool(
    this: Pass, name: str, layer: nn.AdaptiveAvgPool2d | nn.AdaptiveAvgPool3d, x: Tensor
) -> tuple[Tensor, Back]:
    x = this.maps(x)
    places = math.prod(x.shape[2:])

    def back(grad: Tensor, wanted: bool) -> Tensor:
        return (grad / places).expand(x.shape).contiguous(memory_format=this.memory_format)

    this.may_overwrite = True
    return x.mean(tuple(range(2, x.dim())), keepdim=True), back


def _flatten(this: Pass, name: str, layer: nn.Flatten, x: Tensor) -> tuple[Tensor, Back]:
    """From maps to vectors in the order that `nn.Flatten` has: channels, rows, columns."""
    if x.dim() != this.axes + 2:
        return x.flatten(2), lambda grad, wanted: grad
    x_KBCHW = x.unflatten(1, (this.num_clients, -1)).transpose(0, 1)

    def back(grad_KBI: Tensor, wanted: bool) -> Tensor:
        return this.maps(grad_KBI.reshape(x_KBCHW.shape))

    return x_KBCHW.flatten(2), back


def _dropout(this: Pass, name: str, layer: InputDropout, x_KBI: Tensor) -> tuple[Tensor, Back]:
    scale_KBI = (this.batch.noise[f"{name}.uniform"] >= layer.p) / (1 - layer.p)
    scale_KBI = scale_KBI.to(x_KBI.dtype)
    return x_KBI * scale_KBI, lambda grad, wanted: grad * scale_KBI


LAYERS: dict[type[nn.Module], Callable[[Pass, str, Any, Tensor], tuple[Tensor, Back]]] = {
    nn.Linear: _linear,
    nn.Conv2d: _conv,
    nn.Conv3d: _conv,
    nn.GroupNorm: group_norm,
    nn.BatchNorm2d: batch_norm,
    nn.InstanceNorm3d: instance_norm,
    nn.MaxPool2d: _max_pool,
    nn.MaxPool3d: _max_pool,
    nn.ReLU: _relu,
    nn.ReLU6: _relu6,
    nn.AdaptiveAvgPool2d: _mean_pool,
    nn.AdaptiveAvgPool3d: _mean_pool,
    nn.Sequential: inner_chain,
    Residual: residual,
    PadShortcut: pad_shortcut,
    Gated: gated,
    nn.Flatten: _flatten,
    InputDropout: _dropout,
}
