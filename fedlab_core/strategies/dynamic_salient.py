"""Adaptive dynamic pruning by salient gradients (Yu et al. 2023): a batch trains the weights that matter for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from fedlab_core.federation.programs import ClientProgram, ClientState, LocalSettings, MaskedSGD
from fedlab_core.strategies.base import Knob, hyper
from fedlab_core.strategies.underneath import Underneath
from fedlab_core.types import Assignment, Batch, GradFn, Params, RoundContext, ServerState, Update

Salience = Literal["taylor", "magnitude", "gradient"]
SALIENCE = {
    "taylor": lambda weight, grad: (weight * grad).abs(),
    "magnitude": lambda weight, grad: weight.abs(),
    "gradient": lambda weight, grad: grad.abs(),
}


class DynamicSalient(Underneath):
    """In every step, the gradient of each layer keeps its most salient entries only; all other weights stand still.

    Our reading of the paper's text, whose code does not have it: salience is |w g| on the batch at hand, layer by
    layer. Clients send the weights that have moved at all; the server takes the others as it sent them.
    """

    name: ClassVar[str] = "dynamic-salient"
    title: ClassVar[str] = "Dynamic pruning: salient gradients"
    source: ClassVar[str] = "Yu et al. 2023, arXiv 2106.06921, version 2; our reading"
    clients_choose: ClassVar[bool] = True
    knob: ClassVar[Knob | None] = Knob("keep_ratio", saves=("bytes",), learned=("bytes",), by_steps=True)

    keep_ratio: float = hyper(
        0.1,
        symbol="1 - q",
        gt=0,
        le=1,
        fedavg=1,
        help="Share of a layer's weights that a batch may move; over many batches more of them do; 0.01 to 0.5.",
    )
    salience: Salience = hyper(
        "taylor", symbol="S", help="What makes a weight salient: |w g| (taylor), |w| (magnitude) or |g| (gradient)."
    )

    def program(self, settings: LocalSettings) -> ClientProgram:
        """SGD that moves salient weights."""
        base = self.local(settings)
        return SalientSGD(settings, base.correct, base.report, keep_ratio=self.keep_ratio, salience=self.salience)

    def aggregate(self, updates: Sequence[Update], previous: ServerState) -> Params:
        """As the method underneath, with what did not move as it was sent."""
        whole = []
        for update in updates:
            filled = {n: torch.where(m, update.params[n], previous.params[n]) for n, m in update.masks.items()}
            whole.append(Update(**{**vars(update), "params": {**update.params, **filled}}))
        return super().aggregate(whole, previous)


@dataclass(frozen=True)
class SalientSGD(MaskedSGD):
    """v <- momentum v + g, w <- w - lr (v * M), with M of the current batch; never what the server has pruned.

    Biases and norms are always trained. M is chosen by the gradient of the loss, before the method underneath corrects
    it.
    """

    keep_ratio: float = 1.0
    salience: Salience = "taylor"

    def begin(self, assignment: Assignment, num_examples: int) -> ClientState:
        """Nothing has moved yet: `masks` are what has."""
        state = super().begin(assignment, num_examples)
        return state._replace(masks={name: torch.zeros_like(mask) for name, mask in state.masks.items()})

    def step(self, state: ClientState, batch: Batch, grad: GradFn, ctx: RoundContext) -> ClientState:
        """One step on the salient weights."""
        loss, grads, buffers = grad(state.params, state.buffers, batch)
        steps = self.correct(state, grads) if self.correct else grads
        for name, weight in state.params.items():
            step = state.velocity[name].mul_(self.settings.momentum).add_(steps[name])
            if name in state.masks:
                salience = SALIENCE[self.salience](weight, grads[name]).masked_fill(state.keep[name] == 0, -1.0)
                chosen = most_salient(salience, self.keep_ratio, loss.dim()) & (salience >= 0)
                state.masks[name].logical_or_(chosen)
                step = step * chosen
            weight.add_(step, alpha=-self.settings.learning_rate)
        return state._replace(
            buffers=buffers,
            loss_sum=state.loss_sum + loss.to(state.loss_sum.dtype),
            num_steps=state.num_steps + 1,
        )


def most_salient(scores: Tensor, share: float, stacked: int) -> Tensor:
    """True for the round(share x n) largest of each client, ties included, at least one."""
    flat = scores.flatten(stacked)
    count = max(1, round(share * flat.shape[-1]))
    threshold = flat.kthvalue(flat.shape[-1] - count + 1, -1, keepdim=True).values
    return (flat >= threshold).view_as(scores)
