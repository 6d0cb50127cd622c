"""The clients' side of a round: what is downloaded, who trains together, what is uploaded.

Who computes it is decided elsewhere: this process, some processes of this machine (`processes.py`), or other machines
(`flower/`). All of them are `RunClients`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

import torch

from fedlab_core.costs.codec import MaskMemory
from fedlab_core.costs.flops import BACKWARD_FACTOR
from fedlab_core.data.cohort import LocalData
from fedlab_core.federation.messages import pack_update, unpack_assignment, unpack_memory
from fedlab_core.federation.slimming import SlimTrainer
from fedlab_core.federation.trainer import TRAINERS, OnStep, no_step_hook
from fedlab_core.lab import Federation
from fedlab_core.models import noise_shapes
from fedlab_core.types import Assignment, RoundContext, ServerState, Update

STEP_FLOPS = 1.5e8
"""A step of stacked clients does about so much. Less is mostly overhead; more falls out of the processor's caches, and
needs memory. A fixed number, because how clients are stacked decides how sums are rounded."""


HOSTILITY = 10.0
"""How many times larger the lie of a hostile client is than what it has learned."""


class Report(NamedTuple):
    """What comes back from one client: its encoded update, and what its training cost."""

    payload: bytes
    effective_flops: float


class Lost(NamedTuple):
    """What there is of a client that has not answered: why, as far as it is known."""

    reason: str


class Download(NamedTuple):
    """A client's id, its encoded assignment, and what it has kept itself (encoded, to be handed on; never charged)."""

    client_id: int
    payload: bytes
    memory: bytes = b""


class RunClients(Protocol):
    """Does the clients' side of a round, in this process or elsewhere."""

    def __call__(
        self, federation: Federation, downloads: Sequence[Download], ctx: RoundContext, on_step: OnStep = no_step_hook
    ) -> Sequence[Report | Lost]:
        """Answers in the order of `downloads`."""


def client_side(
    federation: Federation, downloads: Sequence[Download], ctx: RoundContext, on_step: OnStep = no_step_hook
) -> list[Report]:
    """Every client reads its download, trains, prunes what it sends, and uploads; equal downloads are decoded once."""
    memory = MaskMemory()
    payloads = {id(one.payload): one.payload for one in downloads}
    decoded = {key: unpack_assignment(payload, -1, memory) for key, payload in payloads.items()}
    reports: dict[int, Report] = {}
    for cohort in _cohorts(federation, downloads):
        assignments = [
            replace(decoded[id(one.payload)], client_id=one.client_id, memory=unpack_memory(one.memory))
            for one in cohort
        ]
        for assignment, update in zip(assignments, _train(federation, assignments, ctx, on_step), strict=True):
            reports[update.client_id] = upload(federation, assignment, update, ctx, memory)
    return [reports[one.client_id] for one in downloads]


def received(download: Download) -> Assignment:
    """What the client reads."""
    assignment = unpack_assignment(download.payload, download.client_id)
    return replace(assignment, memory=unpack_memory(download.memory))


def _cohorts(federation: Federation, downloads: Sequence[Download]) -> list[Sequence[Download]]:
    """Who is trained together: clients of like sizes, as many as a step of `STEP_FLOPS` is for."""
    width = cohort_width(federation)
    by_size = sorted(downloads, key=lambda download: -int(federation.data.sizes[download.client_id]))
    return [by_size[start : start + width] for start in range(0, len(by_size), width)]


def cohort_width(federation: Federation) -> int:
    """How many clients are stacked: as many as fill a step of `STEP_FLOPS`, at least one."""
    one = BACKWARD_FACTOR * federation.experiment.federation.batch_size * sum(federation.layer_flops.values())
    return max(1, round(STEP_FLOPS / max(one, 1)))


def _train(
    federation: Federation, assignments: Sequence[Assignment], ctx: RoundContext, on_step: OnStep
) -> list[Update]:
    settings = federation.experiment.federation
    local, noise = settings.local, noise_shapes(federation.model)
    rows = [federation.data.train_rows(assignment.client_id) for assignment in assignments]
    data = [
        LocalData.of(assignment.client_id, examples, local.local_epochs, local.batch_size, noise, ctx)
        for assignment, examples in zip(assignments, rows, strict=True)
    ]
    program = federation.experiment.strategy.program(local)
    trainer = SlimTrainer(TRAINERS[settings.trainer](settings.precision), federation.layer_flops)
    return trainer.train(federation.model, program, assignments, data, ctx, on_step)


def upload(
    federation: Federation, received: Assignment, update: Update, ctx: RoundContext, memory: MaskMemory
) -> Report:
    """A client prunes what it sends, as far as it knows the server: by what it has received. A hostile one lies."""
    known = ServerState(received.params, received.buffers, received.masks, received.extras)
    update = replace(update, masks=federation.experiment.strategy.prune_upload(known, update, ctx))
    if update.client_id < federation.experiment.federation.hostile:
        update = opposed(update, received)
    return report_of(federation, received, pack_update(update, memory), update.num_examples, ctx)


def opposed(update: Update, received: Assignment) -> Update:
    """What a hostile client sends: well formed, and away from where it has learned to go."""
    lies = {name: received.params[name] - HOSTILITY * (w - received.params[name]) for name, w in update.params.items()}
    return replace(update, params=lies)


def report_of(
    federation: Federation, received: Assignment, payload: bytes, num_examples: int, ctx: RoundContext
) -> Report:
    """A client's payload with what its training has cost."""
    each = federation.experiment.strategy.training_flops(received.masks, ctx)
    return Report(payload, federation.experiment.federation.local_epochs * num_examples * each)


def untrained_update(federation: Federation, received: Assignment) -> Update:
    """What a client would send that has received `received` and done nothing: names, types and shapes of its update."""
    program = federation.experiment.strategy.program(federation.experiment.federation.local)
    state = program.begin(received, int(federation.data.sizes[received.client_id]))
    return program.end(state._replace(num_steps=torch.tensor(1)))  # some programs divide by it
