"""Who runs the clients of a round: `loop`, one after the other (the reference), or `fast`, all at once.

Both take the same programs and the same batches and must agree; a test says so for every strategy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from fedlab_core.data.cohort import Cohort, LocalData
from fedlab_core.federation.gradients import client_gradient, cohort_gradient
from fedlab_core.federation.memory import keep_freed_memory
from fedlab_core.federation.programs import ClientProgram
from fedlab_core.types import Assignment, RoundContext, Update

OnStep = Callable[[], None]
"""Called between client steps. It may block (pause) or raise (stop): a round left this way has changed nothing."""


def no_step_hook() -> None:
    """The default: nobody wants to interrupt."""


class Trainer(Protocol):
    """Runs every client of a round from its assignment to its update."""

    def train(
        self,
        model: nn.Module,
        program: ClientProgram,
        assignments: Sequence[Assignment],
        data: Sequence[LocalData],
        ctx: RoundContext,
        on_step: OnStep = no_step_hook,
    ) -> list[Update]:
        """Updates in the order of `assignments`; `data[i]` belongs to `assignments[i]`."""


class LoopTrainer:
    """One client after the other, step by step: the code to read, and to test others against."""

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
        grad = client_gradient(model)
        updates = []
        for assignment, local in zip(assignments, data, strict=True):
            state = program.begin(assignment, local.num_examples)
            for batch in local.batches():
                on_step()
                state = program.step(state, batch, grad, ctx)
            updates.append(program.end(state))
        return updates


class FastTrainer:
    """All clients stacked: one step of the cohort is one call, so its overhead is paid once and not K times.

    Clients with fewer steps leave the stack when they are done; nothing is computed for them any more. A program that
    is not element-wise is handed to the reference trainer.
    """

    def train(
        self,
        model: nn.Module,
        program: ClientProgram,
        assignments: Sequence[Assignment],
        data: Sequence[LocalData],
        ctx: RoundContext,
        on_step: OnStep = no_step_hook,
    ) -> list[Update]:
        """See `Trainer.train`. The tensors of the updates are parts of the stack: they share its memory."""
        if not program.elementwise:
            return LoopTrainer().train(model, program, assignments, data, ctx, on_step)
        keep_freed_memory()
        grad = cohort_gradient(model)
        cohort = Cohort(data)
        by_client = {assignment.client_id: assignment for assignment in assignments}
        begun = [program.begin(by_client[local.client_id], local.num_examples) for local in cohort.clients]
        stack = tree_map(_stacked, *begun)
        updates: dict[int, Update] = {}
        stacked = len(begun)
        for step in range(cohort.num_steps[0] + 1):
            active = cohort.active(step)
            if active < stacked:
                for k in range(active, stacked):
                    update = program.end(_part(stack, k))
                    updates[update.client_id] = update
                stack = _part(stack, slice(active))
                stacked = active
            if active:
                on_step()
                stack = program.step(stack, cohort.batch(step), grad, ctx)
        return [updates[assignment.client_id] for assignment in assignments]


def _stacked(*tensors: Tensor) -> Tensor:
    """One tensor with a leading client axis; what all clients share is not copied."""
    first = tensors[0]
    if all(tensor is first for tensor in tensors):
        return first.expand(len(tensors), *first.shape)
    return torch.stack(tensors)


def _part(stack: Any, which: int | slice) -> Any:
    """One client of a stack, or some, without copying."""

    def part(tensor_K: Tensor) -> Tensor:
        return tensor_K[which]

    return tree_map(part, stack)


TRAINERS: dict[str, Trainer] = {"fast": FastTrainer(), "loop": LoopTrainer()}
