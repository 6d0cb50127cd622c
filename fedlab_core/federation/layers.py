"""Layers of K stacked clients: each computes its output, and how a gradient goes back through it.

K clients, B batch, I input, O output, C classes, H height, W width. Maps of stacked clients are [B, K*channels, H, W],
channels last in memory: a convolution in K groups is then K convolutions in one call, at the full rate of the machine.
Vectors are [K, B, I], for batched matrix products.

Written out instead of left to autograd, because a small step is mostly overhead: a gradient is added to the momentum
where it is computed, activations are overwritten where nobody needs them any more, and nothing is recorded. A test
compares every model with autograd (the reference trainer).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from fedlab_core.models import InputDropout
from fedlab_core.types import Batch, Buffers, Params

ops = torch.ops.aten

Back = Callable[[Tensor, bool], Tensor | None]
"""Adds the gradients of a layer's own parameters; gives the gradient of its input, or None where nobody needs it."""


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
    """

    def __init__(self, params: Params, buffers: Buffers, batch: Batch, onto: Params, decay: float) -> None:
        self.params, self.buffers, self.batch = params, dict(buffers), batch
        self.onto, self.decay = onto, decay
        self.num_clients, self.batch_size = batch.y_B.shape
        self.may_overwrite = False

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
        if x.dim() != 5:
            return x.contiguous(memory_format=torch.channels_last)
        clients, batch, channels, height, width = x.shape
        x_BHWC = x.permute(1, 3, 4, 0, 2).reshape(batch, height, width, clients * channels).contiguous()
        return x_BHWC.permute(0, 3, 1, 2)


def run(model: nn.Sequential, this: Pass) -> Tensor:
    """Forward and backward; the loss [K]."""
    x, backs = this.batch.x_BI, []
    for name, layer in model.named_children():
        x, back = LAYERS[type(layer)](this, name, layer, x)
        backs.append(back)
    loss_K, grad = _loss(x, this.batch)
    first = next(place for place, layer in enumerate(model) if any(True for _ in layer.parameters()))
    for place in range(len(backs) - 1, first - 1, -1):
        grad = cast(Tensor, backs[place](grad, place > first))
    return loss_K


def _loss(logits_KBC: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """Weighted cross-entropy and its gradient: (softmax - 1 at the label) times the weight of the example."""
    log_KBC = logits_KBC.log_softmax(2)
    label_KB1, weight_KB1 = batch.y_B.unsqueeze(2), batch.weight_B.unsqueeze(2)
    log_KB1 = log_KBC.gather(2, label_KB1)
    loss_K = -(log_KB1 * weight_KB1).sum((1, 2))
    grad_KBC = log_KBC.exp_().scatter_add_(2, label_KB1, torch.full_like(log_KB1, -1.0)).mul_(weight_KB1)
    return loss_K, grad_KBC


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


def _conv(this: Pass, name: str, layer: nn.Conv2d, x: Tensor) -> tuple[Tensor, Back]:
    x = this.maps(x)
    weight, bias = cast(Tensor, this.flat(f"{name}.weight")), this.flat(f"{name}.bias")
    groups = this.num_clients * layer.groups
    how = (layer.stride, cast(tuple[int, int], layer.padding), layer.dilation)

    def back(grad: Tensor, wanted: bool) -> Tensor | None:
        needed = [wanted, True, bias is not None]
        grads = ops.convolution_backward(grad, x, weight, [len(weight)], *how, False, [0, 0], groups, needed)
        this.add(f"{name}.weight", grads[1])
        if bias is not None:
            this.add(f"{name}.bias", grads[2])
        return grads[0] if wanted else None

    this.may_overwrite = True
    return nn.functional.conv2d(x, weight, bias, *how, groups), back


def _group_norm(this: Pass, name: str, layer: nn.GroupNorm, x: Tensor) -> tuple[Tensor, Back]:
    """The mean over a group does not see where it is: vectors are maps of a single pixel."""
    if x.dim() == 3:
        return _vector_norm(this, name, layer, x)
    weight, bias = this.flat(f"{name}.weight"), this.flat(f"{name}.bias")
    batch, channels, height, width = x.shape
    size = (batch, channels, height * width, this.num_clients * layer.num_groups)
    y, mean, rstd = ops.native_group_norm(x, weight, bias, *size, layer.eps)

    def back(grad: Tensor, wanted: bool) -> Tensor | None:
        needed = [wanted, True, True]
        grads = ops.native_group_norm_backward(grad, x, mean, rstd, weight, *size, needed)
        this.add(f"{name}.weight", grads[1])
        this.add(f"{name}.bias", grads[2])
        return grads[0] if wanted else None

    this.may_overwrite = True
    return y, back


def _vector_norm(this: Pass, name: str, layer: nn.GroupNorm, x_KBI: Tensor) -> tuple[Tensor, Back]:
    weight_K1I, bias_K1I = (this.params[f"{name}.{part}"].unsqueeze(1) for part in ("weight", "bias"))
    x = x_KBI.contiguous()
    size = (this.num_clients * this.batch_size, layer.num_channels, 1, layer.num_groups)
    normed, mean, rstd = ops.native_group_norm(x.flatten(0, 1), None, None, *size, layer.eps)
    normed_KBI = normed.view_as(x)

    def back(grad_KBI: Tensor, wanted: bool) -> Tensor | None:
        this.add(f"{name}.weight", (grad_KBI * normed_KBI).sum(1))
        this.add(f"{name}.bias", grad_KBI.sum(1))
        if not wanted:
            return None
        scaled = (grad_KBI * weight_K1I).flatten(0, 1).contiguous()
        needed = [True, False, False]
        grads = ops.native_group_norm_backward(scaled, x.flatten(0, 1), mean, rstd, None, *size, needed)
        return cast(Tensor, grads[0]).view_as(x)

    this.may_overwrite = True
    return torch.addcmul(bias_K1I, normed_KBI, weight_K1I), back


def _batch_norm(this: Pass, name: str, layer: nn.BatchNorm2d, x: Tensor) -> tuple[Tensor, Back]:
    """Statistics over real examples only: the examples that fill up a short batch must not count."""
    weight, bias = this.flat(f"{name}.weight"), this.flat(f"{name}.bias")
    means, variances = f"{name}.running_mean", f"{name}.running_var"
    x, valid_KB = this.maps(x), this.batch.weight_B > 0
    if not valid_KB.all():
        return _ragged_batch_norm(this, name, layer, x, valid_KB)
    mean_C, var_C = (this.buffers[key].flatten().clone() for key in (means, variances))
    y, mean, rstd = ops.native_batch_norm(x, weight, bias, mean_C, var_C, True, layer.momentum, layer.eps)
    for key, new_C in ((means, mean_C), (variances, var_C)):
        this.buffers[key] = new_C.view_as(this.buffers[key])

    def back(grad: Tensor, wanted: bool) -> Tensor | None:
        saved = (mean_C, var_C, mean, rstd)
        needed = [wanted, True, True]
        grads = ops.native_batch_norm_backward(grad, x, weight, *saved, True, layer.eps, needed)
        this.add(f"{name}.weight", grads[1])
        this.add(f"{name}.bias", grads[2])
        return grads[0] if wanted else None

    this.may_overwrite = True
    return y, back


def _ragged_batch_norm(
    this: Pass, name: str, layer: nn.BatchNorm2d, x: Tensor, valid_KB: Tensor
) -> tuple[Tensor, Back]:
    weight_C11, bias_C11 = (this.params[f"{name}.{part}"].flatten()[:, None, None] for part in ("weight", "bias"))
    valid = valid_KB.T.repeat_interleave(layer.num_features, dim=1).to(x.dtype)[:, :, None, None]
    count_C = valid.sum((0, 2, 3)) * (x.shape[2] * x.shape[3])

    def mean(of: Tensor) -> Tensor:
        return ((of * valid).sum((0, 2, 3)) / count_C)[:, None, None]

    mean_C11 = mean(x)
    centred = x - mean_C11
    var_C11 = mean(centred.square())
    rstd_C11 = (var_C11 + layer.eps).rsqrt()
    normed = centred * rstd_C11
    rate = cast(float, layer.momentum)
    unbiased_C = var_C11.flatten() * count_C / (count_C - 1)
    for key, new_C in ((f"{name}.running_mean", mean_C11), (f"{name}.running_var", unbiased_C)):
        old = this.buffers[key]
        this.buffers[key] = (1 - rate) * old + rate * new_C.view_as(old)

    def back(grad: Tensor, wanted: bool) -> Tensor | None:
        this.add(f"{name}.weight", (grad * normed).sum((0, 2, 3)))
        this.add(f"{name}.bias", grad.sum((0, 2, 3)))
        # The filled up examples weigh nothing in the loss, so `grad` is zero there.
        inner = grad - (mean(grad) + normed * mean(grad * normed)) * valid
        return inner * (weight_C11 * rstd_C11)

    this.may_overwrite = True
    return normed * weight_C11 + bias_C11, back


def _relu(this: Pass, name: str, layer: nn.ReLU, x: Tensor) -> tuple[Tensor, Back]:
    """In place both ways, except on the examples themselves: no layer needs its own output to go back."""
    y = x.relu_() if this.may_overwrite else x.relu()

    def back(grad: Tensor, wanted: bool) -> Tensor:
        return cast(Tensor, ops.threshold_backward.grad_input(grad, y, 0, grad_input=grad))

    return y, back


def _max_pool(this: Pass, name: str, layer: nn.MaxPool2d, x: Tensor) -> tuple[Tensor, Back]:
    x = this.maps(x)
    how = tuple(
        list(nn.modules.utils._pair(v)) for v in (layer.kernel_size, layer.stride, layer.padding, layer.dilation)
    )
    y, index = ops.max_pool2d_with_indices(x, *how, layer.ceil_mode)

    def back(grad: Tensor, wanted: bool) -> Tensor:
        return cast(Tensor, ops.max_pool2d_with_indices_backward(grad, x, *how, layer.ceil_mode, index))

    this.may_overwrite = True
    return y, back


def _flatten(this: Pass, name: str, layer: nn.Flatten, x: Tensor) -> tuple[Tensor, Back]:
    """From maps to vectors in the order that `nn.Flatten` has: channels, rows, columns."""
    if x.dim() != 4:
        return x.flatten(2), lambda grad, wanted: grad
    batch, channels, height, width = x.shape
    clients, depth = this.num_clients, channels // this.num_clients
    x_BHWKC = x.permute(0, 2, 3, 1).reshape(batch, height, width, clients, depth)

    def back(grad_KBI: Tensor, wanted: bool) -> Tensor:
        return this.maps(grad_KBI.reshape(clients, batch, depth, height, width))

    return x_BHWKC.permute(3, 0, 4, 1, 2).reshape(clients, batch, -1), back


def _dropout(this: Pass, name: str, layer: InputDropout, x_KBI: Tensor) -> tuple[Tensor, Back]:
    scale_KBI = (this.batch.noise[f"{name}.uniform"] >= layer.p) / (1 - layer.p)
    scale_KBI = scale_KBI.to(x_KBI.dtype)
    return x_KBI * scale_KBI, lambda grad, wanted: grad * scale_KBI


LAYERS: dict[type[nn.Module], Callable[[Pass, str, Any, Tensor], tuple[Tensor, Back]]] = {
    nn.Linear: _linear,
    nn.Conv2d: _conv,
    nn.GroupNorm: _group_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.MaxPool2d: _max_pool,
    nn.ReLU: _relu,
    nn.Flatten: _flatten,
    InputDropout: _dropout,
}
