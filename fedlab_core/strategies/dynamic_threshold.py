"""Dynamic pruning by a threshold (FedDP, the public code of Yu et al. 2023): small weights are zeroed every epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from fedlab_core.costs.flops import BACKWARD_FACTOR
from fedlab_core.federation.programs import ClientProgram, ClientState, LocalSettings, MaskedSGD
from fedlab_core.strategies.base import hyper
from fedlab_core.strategies.underneath import Underneath
from fedlab_core.types import Assignment, Batch, GradFn, Masks, RoundContext, ServerState, Update


class DynamicThreshold(Underneath):
    """At the end of each local epoch, weights up to tau in magnitude become zero; no mask is kept, they may grow back.

    Clients send what is left: our addition, the paper's code sends all. It looks at convolutions only; ours at all
    weights, so that it works for any model.
    """

    name: ClassVar[str] = "dynamic-threshold"
    title: ClassVar[str] = "Dynamic pruning: threshold"
    source: ClassVar[str] = "FedDP, the public code of Yu et al. 2023, arXiv 2106.06921, version 2"
    clients_choose: ClassVar[bool] = True

    tau: float = hyper(
        0.02,
        symbol="τ",
        ge=0,
        le=1,
        fedavg=0,
        help="Magnitude up to which a weight is zeroed; the code's 0.001 prunes one weight in a hundred, 0.01 to 0.05 "
        "show an effect.",
    )

    def program(self, settings: LocalSettings) -> ClientProgram:
        """Dense SGD, cut at the end of each epoch."""
        base = self.local(settings)
        return ThresholdSGD(settings, base.correct, base.report, tau=self.tau)

    def prune_upload(self, server: ServerState, update: Update, ctx: RoundContext) -> Masks:
        """What is above the threshold after the last epoch."""
        return {name: update.params[name].abs() > self.tau for name in update.masks} if self.tau else update.masks

    def update_masks(
        self, server: ServerState, updates: Sequence[Update], ctx: RoundContext
    ) -> tuple[Masks, dict[str, Any]]:
        """What some client has kept: where nobody did, the mean is zero. It tells what is sent, not what may grow."""
        kept = {name: torch.stack([u.masks[name] for u in updates]).any(0) for name in server.masks}
        return kept, super().update_masks(server, updates, ctx)[1]

    def training_flops(self, masks: Masks, ctx: RoundContext) -> float:
        """Dense: between two cuts all weights are computed with."""
        return BACKWARD_FACTOR * sum(ctx.layer_flops.values())


@dataclass(frozen=True)
class ThresholdSGD(MaskedSGD):
    """SGD without masks; after each epoch |w| <= tau becomes zero."""

    tau: float = 0.0

    def begin(self, assignment: Assignment, num_examples: int) -> ClientState:
        """Everything may be trained, whatever was sent."""
        state = super().begin(assignment, num_examples)
        everything = {name: torch.ones_like(mask) for name, mask in state.masks.items()}
        return state._replace(masks=everything, keep={})

    def step(self, state: ClientState, batch: Batch, grad: GradFn, ctx: RoundContext) -> ClientState:
        """One step, and the cut for clients that have come to the end of an epoch."""
        state = super().step(state, batch, grad, ctx)
        steps = -(-state.num_examples // self.settings.batch_size)
        ended = state.num_steps % steps == 0
        if self.tau and ended.any():
            for name in state.masks:
                weight = state.params[name]
                over = ended.view(ended.shape + (1,) * (weight.dim() - ended.dim()))
                weight.masked_fill_((weight.abs() <= self.tau) & over, 0)
        return state
