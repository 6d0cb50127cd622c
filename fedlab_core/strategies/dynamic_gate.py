"""Adaptive dynamic pruning by gates (Yu et al. 2021): every image opens the channels that matter for it."""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from fedlab_core.costs.flops import BACKWARD_FACTOR
from fedlab_core.federation.programs import ClientProgram, LocalSettings
from fedlab_core.models.gating import Signal, gated, open_shares
from fedlab_core.strategies.base import Knob, hyper
from fedlab_core.strategies.underneath import Underneath
from fedlab_core.types import Masks, RoundContext


class DynamicGate(Underneath):
    """A small gate in front of every convolution opens the k channels that matter most for the image at hand.

    A closed channel costs nothing and learns nothing from that image. The network itself stays whole, gates are trained
    and averaged like any weight: fewer FLOPs, not fewer bytes.
    """

    name: ClassVar[str] = "dynamic-gate"
    title: ClassVar[str] = "Dynamic pruning: gates"
    source: ClassVar[str] = "Yu et al. 2021, arXiv 2106.06921, version 1 and its code"
    knob: ClassVar[Knob | None] = Knob("ratio", saves=("flops",))

    ratio: float = hyper(
        0.7,
        symbol="r",
        gt=0,
        le=1,
        help="Share of the channels of a convolution that stay open for an image; 0.7 takes about half of the FLOPs.",
    )
    signal: Signal = hyper(
        "auto",
        symbol="s",
        help="What a gate sees: means of the input's maps, as in the code's ResNet, or a sigmoid of them, as in its "
        "VGG. auto: means, under which small networks tell images apart better; in residual networks the sigmoid, "
        "because with means their training breaks off.",
    )

    def prepare(self, model: nn.Sequential) -> nn.Sequential:
        """The model with gates."""
        return gated(model, self.ratio, self.signal)

    def program(self, settings: LocalSettings) -> ClientProgram:
        """As the method underneath."""
        return self.local(settings)

    def training_flops(self, masks: Masks, ctx: RoundContext) -> float:
        """Only what open channels read and make, and the gates themselves."""
        shares = open_shares(ctx.architecture)
        return BACKWARD_FACTOR * sum(flops * shares.get(name, 1.0) for name, flops in ctx.layer_flops.items())
