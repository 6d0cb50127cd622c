"""DPF (Lin et al. 2020) in federated learning: gradients at the pruned weights move the dense ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from fedlab_core.costs.flops import effective_flops
from fedlab_core.federation.aggregation import weighted_mean
from fedlab_core.federation.programs import ClientProgram, ClientState, LocalSettings, MaskedSGD
from fedlab_core.pruning.masks import full_masks, prunable_names, purge
from fedlab_core.strategies.base import Knob
from fedlab_core.strategies.scheduled import Scheduled
from fedlab_core.types import Assignment, Batch, GradFn, Masks, Params, RoundContext, ServerState, Update


class DPF(Scheduled):
    """Dynamic pruning with feedback: a weight that was pruned by mistake keeps learning, and comes back.

    The dense weights have to travel: what the mask hides goes beside the model, both ways, so that nothing is saved
    until the last round. What is hidden learns from a network that it is not part of: the more local steps a round has,
    the further it drifts. That the server prunes once a round, on FedSparsify's schedule, is our reading: DPF was
    written for one computer, and how often it prunes there could not be read.
    """

    name: ClassVar[str] = "dpf"
    title: ClassVar[str] = "DPF"
    source: ClassVar[str] = "Lin et al. 2020, arXiv 2006.07253"
    nested: ClassVar[bool] = False
    knob: ClassVar[Knob | None] = Knob("final_sparsity", saves=("flops",), learned=("flops",))

    def init(self, params: Params, ctx: RoundContext) -> tuple[Masks, dict[str, Any]]:
        """All kept; the memory is the dense weights."""
        names = prunable_names(params)
        return full_masks(params, names), {name: params[name] for name in names}

    def assign(self, server: ServerState, client_id: int, ctx: RoundContext) -> Assignment:
        """The pruned model, and beside it what is pruned."""
        hidden = {name: server.state[name][~mask] for name, mask in server.masks.items()}
        return Assignment(client_id, server.params, server.buffers, server.masks, hidden)

    def program(self, settings: LocalSettings) -> ClientProgram:
        """SGD with feedback."""
        return FeedbackSGD(settings)

    def training_flops(self, masks: Masks, ctx: RoundContext) -> float:
        """Forwards and towards the input with what is kept; the gradient of all weights."""
        return 2 * effective_flops(ctx.layer_flops, masks) + sum(ctx.layer_flops.values())

    def aggregate(self, updates: Sequence[Update], previous: ServerState) -> Params:
        """The mean of the dense weights."""
        hidden = weighted_mean([replace(update, params=update.extras, masks={}) for update in updates])
        return {**(seen := weighted_mean(updates)), **_dense(seen, hidden, previous.masks)}

    def update_masks(
        self, server: ServerState, updates: Sequence[Update], ctx: RoundContext
    ) -> tuple[Masks, dict[str, Any]]:
        """The largest of the dense weights, whatever was kept before."""
        everything = {name: torch.ones_like(mask) for name, mask in server.masks.items()}
        dense = {name: server.params[name] for name in server.masks}
        return purge(dense, everything, self.target_sparsity(ctx)), dense


@dataclass(frozen=True)
class FeedbackSGD(MaskedSGD):
    """v <- momentum v + g(w * m), w <- w - lr v: the gradient at the pruned weights, the step on the dense ones."""

    def begin(self, assignment: Assignment, num_examples: int) -> ClientState:
        """Put the dense weights together."""
        state = super().begin(assignment, num_examples)
        return state._replace(
            params={**state.params, **_dense(state.params, assignment.extras, state.masks)}, extras={}
        )

    def step(self, state: ClientState, batch: Batch, grad: GradFn, ctx: RoundContext) -> ClientState:
        """One step."""
        seen = {name: w * state.keep[name] if name in state.keep else w for name, w in state.params.items()}
        loss, _, buffers = grad(seen, state.buffers, batch, onto=state.velocity, decay=self.settings.momentum)
        for name, weight in state.params.items():
            weight.add_(state.velocity[name], alpha=-self.settings.learning_rate)
        return state._replace(
            buffers=buffers,
            loss_sum=state.loss_sum + loss.to(state.loss_sum.dtype),
            num_steps=state.num_steps + 1,
        )

    def end(self, state: ClientState) -> Update:
        """The pruned model, and beside it what is pruned."""
        hidden = {name: state.params[name][~mask] for name, mask in state.masks.items()}
        return replace(super().end(state), extras=hidden)


def _dense(seen: Params, hidden: dict[str, Tensor], masks: Masks) -> Params:
    """Both parts of every masked tensor in one."""
    return {name: seen[name].masked_scatter(~mask, hidden[name].to(seen[name].dtype)) for name, mask in masks.items()}
