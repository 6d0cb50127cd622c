"""Norms of K stacked clients: each client's own statistics, in one call where that is possible. See `passes.py`."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from fedlab_core.federation.passes import Back, Pass, ops


def group_norm(this: Pass, name: str, layer: nn.GroupNorm, x: Tensor) -> tuple[Tensor, Back]:
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


def instance_norm(this: Pass, name: str, layer: nn.InstanceNorm3d, x: Tensor) -> tuple[Tensor, Back]:
    """Without weights: each map of each example by itself, which is BatchNorm of a batch of one.

    PyTorch's own way, and GroupNorm with a group a map, take several times as long for maps that are channels last.
    """
    x = this.maps(x)
    parts = [ops.native_batch_norm(one, *[None] * 4, True, 0.0, layer.eps) for one in x.split(1)]

    def back(grad: Tensor, wanted: bool) -> Tensor | None:
        if not wanted:
            return None
        grads = [
            ops.native_batch_norm_backward(grad_1, one, *[None] * 3, mean, rstd, True, layer.eps, [True, False, False])[
                0
            ]
            for grad_1, one, (_, mean, rstd) in zip(grad.split(1), x.split(1), parts, strict=True)
        ]
        return torch.cat(grads)

    this.may_overwrite = True
    return torch.cat([y for y, _, _ in parts]), back


def batch_norm(this: Pass, name: str, layer: nn.BatchNorm2d, x: Tensor) -> tuple[Tensor, Back]:
    """Statistics over real examples only: the examples that fill up a short batch must not count."""
    weight, bias = this.flat(f"{name}.weight"), this.flat(f"{name}.bias")
    means, variances = f"{name}.running_mean", f"{name}.running_var"
    x, valid_KB = this.maps(x), this.batch.weight_B > 0
    if x.shape[2] * x.shape[3] == 1 and bool((valid_KB.sum(1) == 1).any()):
        raise ValueError(
            f"{name} (BatchNorm) sees one number per channel in a batch of one example: choose another "
            "federation.batch_size, a larger data.min_size, or a model with GroupNorm"
        )
    if not valid_KB.all():
        return ragged_batch_norm(this, name, layer, x, valid_KB)
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


def ragged_batch_norm(this: Pass, name: str, layer: nn.BatchNorm2d, x: Tensor, valid_KB: Tensor) -> tuple[Tensor, Back]:
    weight_C11, bias_C11 = (this.params[f"{name}.{part}"].flatten()[:, None, None] for part in ("weight", "bias"))
    valid = valid_KB.T.repeat_interleave(layer.num_features, dim=1).to(x.dtype)[:, :, None, None]
    count_C = valid.sum((0, 2, 3)) * (x.shape[2] * x.shape[3])

    def mean(of: Tensor) -> Tensor:
        return ((of * valid).sum((0, 2, 3)) / count_C)[:, None, None]

    mean_C11 = mean(x)
    centred = x - mean_C11
    var_C11 = mean(centred.square())
    rstd_C11 = (var_C11 + layer.eps).rsqrt()
    normed = centred * rstd_C11 * valid  # far from the real examples, others could grow beyond all bounds
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
