"""One round of federated learning with pruning: a pure function from server state to server state."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from fedlab_core.costs.codec import MaskMemory
from fedlab_core.costs.flops import BACKWARD_FACTOR
from fedlab_core.data.cohort import LocalData
from fedlab_core.federation.evaluation import Evaluation, evaluate
from fedlab_core.federation.messages import (
    pack_assignment,
    pack_memory,
    pack_update,
    unpack_assignment,
    unpack_memory,
    unpack_update,
)
from fedlab_core.federation.slimming import SlimTrainer
from fedlab_core.federation.trainer import TRAINERS, OnStep, no_step_hook
from fedlab_core.lab import Federation, Start
from fedlab_core.models import noise_shapes
from fedlab_core.pruning.masks import apply_masks, layer_density, sparsity
from fedlab_core.types import Assignment, Masks, Params, RoundContext, RoundRecord, ServerState, Update

STEP_FLOPS = 1.5e8
"""A step of stacked clients does about so much. Less is mostly overhead; more falls out of the processor's caches, and
needs memory. A fixed number, because how clients are stacked decides how sums are rounded."""


def sample_clients(num_clients: int, participation: float, ctx: RoundContext) -> list[int]:
    """round(C x K) clients without replacement, at least one, in the order of their ids."""
    count = max(1, round(participation * num_clients))
    drawn = torch.randperm(num_clients, generator=ctx.generator("clients"))[:count]
    return sorted(drawn.tolist())


def participants(federation: Federation, ctx: RoundContext) -> list[int]:
    """Ids of the clients of a round. Who has no data has nothing to train on."""
    holders = federation.data.holders
    return [
        holders[place] for place in sample_clients(len(holders), federation.experiment.federation.participation, ctx)
    ]


class Report(NamedTuple):
    """What comes back from one client: its encoded update, and what its training cost."""

    payload: bytes
    effective_flops: float


class Download(NamedTuple):
    """A client's id, its encoded assignment, and what it has kept itself (encoded, to be handed on; never charged)."""

    client_id: int
    payload: bytes
    memory: bytes = b""


class RunClients(Protocol):
    """Does the clients' side of a round, in this process or elsewhere."""

    def __call__(
        self, federation: Federation, downloads: Sequence[Download], ctx: RoundContext, on_step: OnStep = no_step_hook
    ) -> list[Report]:
        """Reports in the order of `downloads`."""


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


def _cohorts(federation: Federation, downloads: Sequence[Download]) -> list[Sequence[Download]]:
    """Who is trained together: clients of like sizes, as many as a step of `STEP_FLOPS` is for."""
    width = cohort_width(federation)
    by_size = sorted(downloads, key=lambda download: -int(federation.data.sizes[download.client_id]))
    return [by_size[start : start + width] for start in range(0, len(by_size), width)]


def cohort_width(federation: Federation) -> int:
    """How many clients are stacked: as many as fill a step of `STEP_FLOPS`, at least one."""
    one = BACKWARD_FACTOR * federation.experiment.federation.batch_size * sum(federation.layer_flops.values())
    return max(1, round(STEP_FLOPS / max(one, 1)))


def run_round(
    federation: Federation,
    server: ServerState,
    ctx: RoundContext,
    on_step: OnStep = no_step_hook,
    run_clients: RunClients = client_side,
) -> RoundRecord:
    """Assign, train, upload, merge, prune, measure. `server` is left as it is; the next state is in the record."""
    start = time.perf_counter()
    clients, downloads, reports, updates = exchange(federation, server, ctx, on_step, run_clients)
    before, after = merge(federation, server, updates, ctx)

    tested = _evaluate(federation, after, ctx)
    unpruned = all(torch.equal(after.params[name], weight) for name, weight in before.params.items())
    return _record(
        federation,
        after,
        tested,
        ctx,
        clients=tuple(clients),
        score_before_purge=tested.score if unpruned else _evaluate(federation, before, ctx).score,
        train_loss=_mean_loss(updates),
        upload_bytes=sum(len(report.payload) for report in reports),
        download_bytes=sum(len(one.payload) for one in downloads),
        dense_flops=dense_flops(federation, clients),
        effective_flops=round(sum(report.effective_flops for report in reports)),
        round_s=time.perf_counter() - start,
    )


class Exchange(NamedTuple):
    """What went to the clients of a round and came back; `updates` is what the server reads out of their reports."""

    clients: list[int]
    downloads: list[Download]
    reports: list[Report]
    updates: list[Update]


def exchange(
    federation: Federation,
    server: ServerState,
    ctx: RoundContext,
    on_step: OnStep = no_step_hook,
    run_clients: RunClients = client_side,
) -> Exchange:
    """Assign, train, upload: a round up to where the server merges."""
    clients = participants(federation, ctx)
    downloads = broadcast(federation, server, clients, ctx)
    reports = run_clients(federation, downloads, ctx, on_step)
    # The server sees only what was decoded from the payloads.
    memory = MaskMemory()
    updates = [unpack_update(report.payload, k, server, memory) for k, report in zip(clients, reports, strict=True)]
    return Exchange(clients, downloads, reports, updates)


def merge(
    federation: Federation, server: ServerState, updates: Sequence[Update], ctx: RoundContext
) -> tuple[ServerState, ServerState]:
    """The server after a round: before its masks were applied, and with them."""
    strategy = federation.experiment.strategy
    merged = strategy.aggregate(updates, server)
    before = replace(server, params=merged, buffers=strategy.aggregate_buffers(updates, server))
    _refuse_divergence({**merged, **before.buffers}, ctx)
    masks, state = strategy.update_masks(before, updates, ctx)
    return before, ServerState(apply_masks(merged, masks), before.buffers, masks, state)


def dense_flops(federation: Federation, clients: Sequence[int]) -> int:
    """Training FLOPs of a round, as if no weight were pruned: see `RoundRecord`."""
    seen = federation.experiment.federation.local_epochs * sum(int(federation.data.sizes[k]) for k in clients)
    return BACKWARD_FACTOR * seen * sum(federation.layer_flops.values())


def _refuse_divergence(merged: Params, ctx: RoundContext) -> None:
    """Stop a run whose weights are no numbers any more: magnitudes of NaN cannot be ordered, so all would be pruned."""
    broken = [name for name, weight in merged.items() if not weight.isfinite().all()]
    if broken:
        raise ValueError(
            f"training diverged in round {ctx.round}: {broken[0]} holds values that are not finite; "
            "lower federation.learning_rate or federation.momentum"
        )


def initial_record(federation: Federation) -> RoundRecord:
    """Round 0: the untrained model, measured."""
    return start_record(federation, federation.start(), 0)


def start_record(federation: Federation, start: Start, round: int) -> RoundRecord:
    """The state from which a run goes on after `round`, measured; the run itself has trained nothing yet."""
    began = time.perf_counter()
    ctx = federation.context(round)
    tested = _evaluate(federation, start.server, ctx)
    return _record(
        federation,
        start.server,
        tested,
        ctx,
        clients=(),
        score_before_purge=tested.score,
        train_loss=None,
        upload_bytes=start.upload_bytes,
        download_bytes=start.download_bytes,
        dense_flops=0,
        effective_flops=0,
        round_s=time.perf_counter() - began,
    )


def broadcast(federation: Federation, server: ServerState, clients: Sequence[int], ctx: RoundContext) -> list[Download]:
    """Every client's download; equal ones are encoded once."""
    payloads: dict[tuple[int, ...], bytes] = {}
    sent = [federation.experiment.strategy.assign(server, client_id, ctx) for client_id in clients]
    keys = []
    for assignment in sent:
        groups = (assignment.params, assignment.buffers, assignment.masks, assignment.extras)
        keys.append(tuple(id(tensor) for named in groups for tensor in named.values()))
        if keys[-1] not in payloads:
            payloads[keys[-1]] = pack_assignment(assignment)
    return [
        Download(one.client_id, payloads[key], pack_memory(one.memory)) for one, key in zip(sent, keys, strict=True)
    ]


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
    """A client prunes what it sends, as far as it knows the server: by what it has received."""
    known = ServerState(received.params, received.buffers, received.masks, received.extras)
    masks = federation.experiment.strategy.prune_upload(known, update, ctx)
    payload = pack_update(replace(update, masks=masks), memory)
    each = federation.experiment.strategy.training_flops(received.masks, ctx)
    return Report(payload, federation.experiment.federation.local_epochs * update.num_examples * each)


def _evaluate(federation: Federation, server: ServerState, ctx: RoundContext) -> Evaluation:
    def personal(client_id: int) -> Masks | None:
        return federation.experiment.strategy.personal(server, client_id, ctx)

    return evaluate(federation.model, server.params, server.buffers, federation.data, personal)


def _mean_loss(updates: Sequence[Update]) -> float:
    total = sum(update.num_examples for update in updates)
    return sum(update.train_loss * update.num_examples for update in updates) / total


def _record(
    federation: Federation,
    server: ServerState,
    tested: Evaluation,
    ctx: RoundContext,
    *,
    score_before_purge: float,
    **measured: object,
) -> RoundRecord:
    metric = federation.data.dataset.metric
    client_K = tested.client_score_K[~tested.client_score_K.isnan()]
    if not len(client_K):
        client_K = torch.tensor([tested.score])
    ends = _number(client_K.min()), _number(client_K.max())
    worst, best = ends if metric.higher_is_better else reversed(ends)
    scores = (tested.score, score_before_purge, worst, _number(client_K.mean()), best)
    return RoundRecord(
        round=ctx.round,
        test_loss=tested.loss,
        sparsity=sparsity(server.masks),
        target_sparsity=federation.experiment.strategy.target_sparsity(ctx),
        layer_density=layer_density(server.masks),
        state=server,
        **dict(zip(metric.fields, scores, strict=True)),  # type: ignore[arg-type]
        **measured,  # type: ignore[arg-type]
    )


def _number(value: Tensor) -> float:
    return float(value)
