"""What one client runs: begin, step, step, ..., end. Pure functions; who runs them is decided elsewhere.

A program whose `step` only combines tensors element by element works unchanged when every tensor carries one more
leading axis, the clients: it declares `elementwise = True`, and the fast trainer stacks the cohort. Other programs run
one client at a time.

A program declares `slimmable = True` if what it does to a weight depends on that weight alone, if masked weights stay
zero, and if a weight stays as it came while its gradient is zero. Where masks have switched off whole units, the
smaller network without them is then trained instead (`fedlab_core.federation.slimming`), with the same result. A norm
of the whole gradient, weight decay, noise, or extras as large as the model: any of these makes it False.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from fedlab_core.pruning.masks import apply_masks
from fedlab_core.types import Assignment, Batch, Buffers, GradFn, Masks, Params, RoundContext, Update


@dataclass(frozen=True)
class LocalSettings:
    """Local training of every client: E epochs over its data in batches of B, SGD with learning rate and momentum."""

    local_epochs: int
    batch_size: int
    learning_rate: float
    momentum: float = 0.0


class ClientState(NamedTuple):
    """All that one client holds while it trains; tensors only, so that clients can be stacked.

    `anchor` is the model as received. `velocity` starts at zero in every round: kept across rounds, it would push at
    weights that have been pruned since. `keep` are the masks as numbers, 1.0 = kept: multiplying by booleans is slow.

    `params` and `velocity` belong to the client and are overwritten by its steps; clients may share all the rest.
    """

    client_id: Tensor
    num_examples: Tensor
    params: Params
    buffers: Buffers
    masks: Masks
    keep: Params
    velocity: Params
    anchor: Params
    extras: dict[str, Tensor]
    loss_sum: Tensor
    num_steps: Tensor


class ClientProgram(Protocol):
    """One client's side of a method. See the module's first lines for `elementwise` and `slimmable`."""

    @property
    def elementwise(self) -> bool:
        """Whether `step` also works on stacked clients."""

    @property
    def slimmable(self) -> bool:
        """Whether a network without the units that are masked for good may be trained in the model's place."""

    def begin(self, assignment: Assignment, num_examples: int) -> ClientState:
        """Unpack what was downloaded."""

    def step(self, state: ClientState, batch: Batch, grad: GradFn, ctx: RoundContext) -> ClientState:
        """One local step on one batch. `state` is used up: `params` and `velocity` may be overwritten."""

    def end(self, state: ClientState) -> Update:
        """What is uploaded."""


Correction = Callable[[ClientState, Params], Params]
"""Changes a gradient before the SGD step, e.g. FedProx's pull towards the received model."""

ReportMore = Callable[[ClientState, LocalSettings], dict[str, Tensor]]
"""What one client uploads beside its model, e.g. how far FedNova has gone."""


@dataclass(frozen=True)
class MaskedSGD:
    """SGD under a mask: v <- momentum v + g, w <- (w - lr v) * m. With full masks it is FedAvg's local training.

    Pruned weights stay zero after every step; the gradient itself is not masked, as in FedSparsify (arXiv 2204.12430).
    Computed as w <- w - lr (v * m), which is the same because w is under the mask already, and one pass over memory:
    memory is what a step costs.

    `slimmable` must be asked for: it depends on `correct` and `report`, and on what a class derived from this one does.
    """

    settings: LocalSettings
    correct: Correction | None = None
    report: ReportMore | None = None
    elementwise: bool = True
    slimmable: bool = False

    def begin(self, assignment: Assignment, num_examples: int) -> ClientState:
        """Start from the downloaded model with zero velocity."""
        params, masks = assignment.params, assignment.masks
        return ClientState(
            client_id=torch.tensor(assignment.client_id),
            num_examples=torch.tensor(num_examples),
            params={name: w if name in masks else w.clone() for name, w in apply_masks(params, masks).items()},
            buffers=assignment.buffers,
            masks=masks,
            keep={name: mask.to(params[name].dtype) for name, mask in masks.items()},
            velocity={name: torch.zeros_like(weight) for name, weight in params.items()},
            anchor=assignment.params,
            extras={**assignment.extras, **assignment.memory},
            loss_sum=torch.tensor(0.0, dtype=torch.float64),
            num_steps=torch.tensor(0),
        )

    def step(self, state: ClientState, batch: Batch, grad: GradFn, ctx: RoundContext) -> ClientState:
        """One masked SGD step with momentum."""
        rate, momentum = self.settings.learning_rate, self.settings.momentum
        if self.correct is None:  # the gradient is added to the velocity where it is computed
            loss, _, buffers = grad(state.params, state.buffers, batch, onto=state.velocity, decay=momentum)
        else:
            loss, grads, buffers = grad(state.params, state.buffers, batch)
            for name, corrected in self.correct(state, grads).items():
                state.velocity[name].mul_(momentum).add_(corrected)
        for name, weight in state.params.items():
            if name in state.keep:
                weight.addcmul_(state.velocity[name], state.keep[name], value=-rate)
            else:
                weight.add_(state.velocity[name], alpha=-rate)
        return state._replace(
            buffers=buffers,
            loss_sum=state.loss_sum + loss.to(state.loss_sum.dtype),
            num_steps=state.num_steps + 1,
        )

    def end(self, state: ClientState) -> Update:
        """Upload the trained model under the mask that was downloaded."""
        return Update(
            client_id=int(state.client_id),
            params=state.params,
            buffers=state.buffers,
            masks=state.masks,
            num_examples=int(state.num_examples),
            train_loss=float(state.loss_sum / max(int(state.num_steps), 1)),
            extras=self.report(state, self.settings) if self.report else {},
        )
