"""Who runs the clients of a round: `loop`, one after the other (the reference), or `fast`, all at once.

Both take the same programs and the same batches and must agree; a test says so for every strategy. They compute on the
device where the examples are; what they are given besides, and what they give back, is on the processor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from fedlab_core.data.cohort import Cohort, LocalData
from fedlab_core.federation.devices import put
from fedlab_core.federation.gradients import client_gradient, cohort_gradient, in_bfloat16
from fedlab_core.federation.memory import keep_freed_memory
from fedlab_core.federation.programs import ClientProgram
from fedlab_core.types import Assignment, GradFn, RoundContext, Update

OnStep = Callable[[], None]
"""Called between client steps. It may block (pause) or raise (stop): a round left this way has changed nothing."""


Precision = Literal["float32", "bfloat16"]
"""In what gradients are computed: as the data come, or rounded to half the size."""


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


@dataclass(frozen=True)
class LoopTrainer:
    """One client after the other, step by step: the code to read, and to test others against."""

    precision: Precision = "float32"

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
        grad = _rounded(client_gradient(model), self.precision)
        updates = []
        for assignment, local in zip(assignments, data, strict=True):
            state = put(program.begin(assignment, local.num_examples), local.x_NI.device)
            for batch in local.batches():
                on_step()
                state = program.step(state, batch, grad, ctx)
            updates.append(program.end(put(state, "cpu")))
        return updates


@dataclass(frozen=True)
class FastTrainer:
    """All clients stacked: one step of the cohort is one call, so its overhead is paid once and not K times.

    Clients with fewer steps leave the stack when they are done; nothing is computed for them any more. A program that
    is not element-wise is handed to the reference trainer.
    """

    precision: Precision = "float32"

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
            return LoopTrainer(self.precision).train(model, program, assignments, data, ctx, on_step)
        keep_freed_memory()
        grad = _rounded(cohort_gradient(model), self.precision)
        cohort = Cohort(data)
        by_client = {assignment.client_id: assignment for assignment in assignments}
        begun = [program.begin(by_client[local.client_id], local.num_examples) for local in cohort.clients]
        stack = put(tree_map(_stacked, *begun), cohort.device)
        updates: dict[int, Update] = {}
        stacked = len(begun)
        for step in range(cohort.num_steps[0] + 1):
            active = cohort.active(step)
            if active < stacked:
                for k in range(active, stacked):
                    update = program.end(put(_part(stack, k), "cpu"))
                    updates[update.client_id] = update
                stack = _part(stack, slice(active))
                stacked = active
            if active:
                on_step()
                stack = program.step(stack, cohort.batch(step), grad, ctx)
        return [updates[assignment.client_id] for assignment in assignments]


def _rounded(grad: GradFn, precision: Precision) -> GradFn:
    return in_bfloat16(grad) if precision == "bfloat16" else grad


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


TRAINERS: dict[str, Callable[[Precision], Trainer]] = {"fast": FastTrainer, "loop": LoopTrainer}
