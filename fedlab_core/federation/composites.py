"""Layers that hold others, of K stacked clients: chains, residual blocks, gated convolutions. See `passes.py`."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from fedlab_core.federation.passes import Back, Pass, chain
from fedlab_core.models.blocks import Gated, PadShortcut, Residual, open_channels


def inner_chain(this: Pass, name: str, layer: nn.Sequential, x: Tensor) -> tuple[Tensor, Back]:
    return chain(this, f"{name}.", layer, x)


def residual(this: Pass, name: str, layer: Residual, x: Tensor) -> tuple[Tensor, Back]:
    """Both ways read x, so that neither may overwrite it; nor, going back, the gradient that both are given."""
    x, around, back_around = this.maps(x), None, None
    if layer.shortcut is not None:
        this.may_overwrite = False
        around, back_around = this.layers[type(layer.shortcut)](this, f"{name}.shortcut", layer.shortcut, x)
    this.may_overwrite = False
    y, back_through = chain(this, f"{name}.body.", layer.body, x)

    def back(grad: Tensor, wanted: bool) -> Tensor | None:
        skipped = grad if back_around is None else back_around(grad, wanted)
        through = back_through(grad, wanted)
        return through.add_(skipped) if through is not None and skipped is not None else None

    this.may_overwrite = True
    return y.add_(x if around is None else around), back


def pad_shortcut(this: Pass, name: str, layer: PadShortcut, x: Tensor) -> tuple[Tensor, Back]:
    """Every client's own channels are padded: [B, K, channels, H, W]."""
    small = x[:, :, :: layer.stride, :: layer.stride].unflatten(1, (this.num_clients, -1))
    padded = F.pad(small, (0, 0, 0, 0, layer.before, layer.behind))

    def back(grad: Tensor, wanted: bool) -> Tensor | None:
        if not wanted:
            return None
        whole = torch.zeros_like(x)
        inner = grad.unflatten(1, (this.num_clients, -1))[:, :, layer.before : layer.before + small.shape[2]]
        whole[:, :, :: layer.stride, :: layer.stride] = inner.flatten(1, 2)
        return whole

    return this.maps(padded.flatten(1, 2)), back


def gated(this: Pass, name: str, layer: Gated, x: Tensor) -> tuple[Tensor, Back]:
    """The gate reads the means of the maps, [K, B, channels], and weighs the maps that the body makes of the same."""
    x = this.maps(x)
    pixels = x.shape[2] * x.shape[3]
    s_KBI = x.mean((2, 3)).unflatten(1, (this.num_clients, -1)).transpose(0, 1)
    s_KBI = s_KBI.sigmoid() if layer.squash else s_KBI
    this.may_overwrite = False
    raw_KBC, back_gate = this.layers[nn.Linear](this, f"{name}.gate", layer.gate, s_KBI)
    g_KBC = raw_KBC.relu()
    open_KBC = open_channels(g_KBC, layer.kept)
    this.may_overwrite = False
    y, back_body = chain(this, f"{name}.body.", layer.body, x)
    weighs = _by_map(g_KBC * open_KBC)

    def back(grad: Tensor, wanted: bool) -> Tensor | None:
        grad_g_KBC = (grad * y).sum((2, 3)).unflatten(1, (this.num_clients, -1)).transpose(0, 1)
        grad_s_KBI = back_gate(grad_g_KBC * open_KBC * (g_KBC > 0), wanted)
        through = back_body(grad * weighs, wanted)
        if through is None or grad_s_KBI is None:
            return None
        slope = s_KBI * (1 - s_KBI) if layer.squash else 1
        return through.add_(_by_map(grad_s_KBI * slope / pixels))

    this.may_overwrite = True
    return y * weighs, back


def _by_map(x_KBC: Tensor) -> Tensor:
    """One number for each map, [B, K*C, 1, 1]."""
    return x_KBC.transpose(0, 1).flatten(1)[:, :, None, None]
