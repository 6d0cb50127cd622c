"""Clients train the small network where masks have switched off whole units: the same numbers in less time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor, nn

from fedlab_core.data.cohort import LocalData
from fedlab_core.federation.programs import ClientProgram
from fedlab_core.federation.trainer import OnStep, Trainer, no_step_hook
from fedlab_core.pruning.masks import apply_masks
from fedlab_core.pruning.slim import Slimmed, slim
from fedlab_core.types import Assignment, RoundContext, Update

WORTHWHILE = 0.9
"""Share of the FLOPs up to which the small network is used: cutting and putting back take time, too."""


@dataclass(frozen=True)
class SlimTrainer:
    """Any trainer, on the network without the units that are dead for all of its clients.

    Where clients are sent extras, which may be about single units, nothing is cut. Clients of one call may have
    different masks: what is dead under each of them is cut, so that they can still be
    stacked. The updates have the shapes and masks of the whole model, as if nothing had been cut.

    Attributes:
        trainer: who trains.
        layer_flops: forward FLOPs of the whole model, by weight name.
    """

    trainer: Trainer
    layer_flops: Mapping[str, int]

    def train(
        self,
        model: nn.Module,
        program: ClientProgram,
        assignments: Sequence[Assignment],
        data: Sequence[LocalData],
        ctx: RoundContext,
        on_step: OnStep = no_step_hook,
    ) -> list[Update]:
        """See `Trainer.train`."""
        may_cut = program.slimmable and not any(one.extras or one.memory for one in assignments)
        slimmed = self._worthwhile(model, assignments) if may_cut else None
        if slimmed is None:
            return self.trainer.train(model, program, assignments, data, ctx, on_step)
        narrow = [replace(local, noise_places=slimmed.columns) for local in data]
        updates = self.trainer.train(slimmed.model, program, _cut(slimmed, assignments), narrow, ctx, on_step)
        return [_restored(slimmed, *client) for client in zip(updates, assignments, data, strict=True)]

    def _worthwhile(self, model: nn.Module, assignments: Sequence[Assignment]) -> Slimmed | None:
        distinct = {id(assignment.masks): assignment.masks for assignment in assignments}
        slimmed = slim(model, list(distinct.values()))
        if slimmed is None:
            return None
        whole = {name: parameter.numel() for name, parameter in model.named_parameters()}
        left = {name: parameter.numel() / whole[name] for name, parameter in slimmed.model.named_parameters()}
        flops = sum(count * left[name] for name, count in self.layer_flops.items())
        return slimmed if flops <= WORTHWHILE * sum(self.layer_flops.values()) else None


def _cut(slimmed: Slimmed, assignments: Sequence[Assignment]) -> list[Assignment]:
    """Every client's part of the small network; what clients share is cut once, and stays shared."""
    done: dict[int, dict[str, Tensor]] = {}

    def cut(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        if id(tensors) not in done:
            done[id(tensors)] = slimmed.cut(tensors)
        return done[id(tensors)]

    return [replace(one, params=cut(one.params), buffers=cut(one.buffers), masks=cut(one.masks)) for one in assignments]


def _restored(slimmed: Slimmed, update: Update, assignment: Assignment, local: LocalData) -> Update:
    params = slimmed.restore(update.params, apply_masks(assignment.params, assignment.masks))
    buffers = slimmed.restore(update.buffers, assignment.buffers, steps=len(local.batch_sizes))
    return replace(update, params=params, buffers=buffers, masks=assignment.masks)
