"""Layers that hold others: a residual block, its shortcut without weights, and a convolution with a gate.

B batch, C channels out, I channels in.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention


class Residual(nn.Module):
    """body(x) + shortcut(x); what comes after the sum (ReLU) is a layer of its own.

    Attributes:
        body: a chain of layers; the only place in a block where channels can be cut, for its output is added to others.
        shortcut: `PadShortcut`, a chain with weights, or nothing: x itself.
    """

    def __init__(self, body: nn.Sequential, shortcut: PadShortcut | nn.Sequential | None = None) -> None:
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, x: Tensor) -> Tensor:
        around = x if self.shortcut is None else self.shortcut(x)
        return self.body(x) + around


class PadShortcut(nn.Module):
    """Option A of He et al. 2016 (arXiv 1512.03385): every `stride`-th pixel, and zeros for `extra` new channels.

    Half of the new channels come before the old ones and half behind, as is usual in code for CIFAR.
    """

    def __init__(self, stride: int, extra: int) -> None:
        super().__init__()
        self.stride, self.before, self.behind = stride, extra // 2, extra - extra // 2

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.before, self.behind))


class Gated(nn.Module):
    """A convolution, and its norm, whose channels are switched off for each image by itself.

    s = means of the input's maps, g = ReLU(W_g s + b_g), the C - k smallest g are set to 0, y = body(x) * g.
    What is left of g multiplies the channels: the gate does not only choose, it weighs. Feature boosting and
    suppression (Gao et al. 2019, arXiv 1810.05331), as in the code of adaptive dynamic pruning (arXiv 2106.06921).

    Attributes:
        body: a chain of a convolution and perhaps a norm.
        gate: W_g [C, I] and b_g.
        kept: k, channels that stay open for an image. Fewer do where more than C - k gates are 0 anyway.
        squash: whether a sigmoid is put on the means.
        start: of b_g: with 1, all channels are open at first.
    """

    def __init__(self, body: nn.Sequential, inputs: int, outputs: int, kept: int, squash: bool, start: float) -> None:
        super().__init__()
        self.body, self.gate = body, nn.Linear(inputs, outputs)
        self.kept, self.squash, self.start = kept, squash, start

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) * self.weighs(x)[:, :, None, None]

    def weighs(self, x: Tensor) -> Tensor:
        """What each image multiplies each channel by, [B, C]; 0 where it is closed."""
        s_BI = x.mean((2, 3))
        g_BC = self.gate(s_BI.sigmoid() if self.squash else s_BI).relu()
        return g_BC * open_channels(g_BC, self.kept)


def open_channels(g_BC: Tensor, kept: int) -> Tensor:
    """1 where a gate is among the `kept` largest along the last axis, else 0.

    Of equal gates the first ones are open, whatever else is computed at the same time. Made anew and not in place:
    gradients go through the product with it.
    """
    if kept >= g_BC.shape[-1]:
        return torch.ones_like(g_BC)
    order = g_BC.detach().sort(stable=True, dim=-1, descending=True).indices
    return torch.zeros_like(g_BC).scatter(-1, order[..., :kept], 1.0)
