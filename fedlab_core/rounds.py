"""One round of federated learning with pruning: a pure function from server state to server state."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from fedlab_core.clients import Download, Lost, Report, RunClients, client_side, received, untrained_update
from fedlab_core.costs.codec import CodecError, MaskMemory
from fedlab_core.costs.flops import BACKWARD_FACTOR
from fedlab_core.federation.admission import BadUpdate, check_update, not_finite
from fedlab_core.federation.evaluation import Evaluation, evaluate
from fedlab_core.federation.messages import pack_assignment, pack_memory, unpack_update
from fedlab_core.federation.trainer import OnStep, no_step_hook
from fedlab_core.lab import Federation, Start
from fedlab_core.pruning.masks import apply_masks, layer_density, sparsity
from fedlab_core.types import Dropped, Masks, Params, RoundContext, RoundRecord, ServerState, Update


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


def run_round(
    federation: Federation,
    server: ServerState,
    ctx: RoundContext,
    on_step: OnStep = no_step_hook,
    run_clients: RunClients = client_side,
) -> RoundRecord:
    """Assign, train, upload, merge, prune, measure. `server` is left as it is; the next state is in the record.

    A client that does not answer, or whose update cannot be right, is left out and named in the record. If nobody is
    left, the round is skipped: the model stays as it is.
    """
    start = time.perf_counter()
    downloads = send(federation, server, ctx)
    return finish(federation, server, ctx, downloads, run_clients(federation, downloads, ctx, on_step), start)


def send(federation: Federation, server: ServerState, ctx: RoundContext) -> list[Download]:
    """A round up to where the clients begin: who is asked, and what each of them downloads."""
    return broadcast(federation, server, participants(federation, ctx), ctx)


def finish(
    federation: Federation,
    server: ServerState,
    ctx: RoundContext,
    downloads: Sequence[Download],
    answers: Sequence[Report | Lost],
    start: float,
) -> RoundRecord:
    """A round from where the clients have ended: read, merge, prune, measure.

    Args:
        server: the state before the round.
        answers: in the order of `downloads`.
        start: when the round began, by `time.perf_counter`.
    """
    reports, updates, dropped = read(federation, server, downloads, answers)
    before, after = merge(federation, server, updates, ctx) if updates else (server, server)

    tested = _evaluate(federation, after, ctx)
    unpruned = all(torch.equal(after.params[name], weight) for name, weight in before.params.items())
    return _record(
        federation,
        after,
        tested,
        ctx,
        clients=tuple(one.client_id for one in downloads),
        dropped=tuple(dropped),
        skipped=not updates,
        score_before_purge=tested.score if unpruned else _evaluate(federation, before, ctx).score,
        train_loss=_mean_loss(updates) if updates else None,
        upload_bytes=sum(len(report.payload) for report in reports.values()),
        download_bytes=sum(len(one.payload) for one in downloads),
        dense_flops=dense_flops(federation, list(reports)),
        effective_flops=round(sum(report.effective_flops for report in reports.values())),
        round_s=time.perf_counter() - start,
    )


class Answers(NamedTuple):
    """What came back from the clients of a round.

    Attributes:
        reports: of those who sent something, by client id.
        updates: what the server reads out of the reports, as far as they can be right.
        dropped: the clients without an update, and why.
    """

    reports: dict[int, Report]
    updates: list[Update]
    dropped: list[Dropped]


def read(
    federation: Federation, server: ServerState, downloads: Sequence[Download], answers: Sequence[Report | Lost]
) -> Answers:
    """The server sees only what it decodes from the payloads, and takes none of it on trust."""
    by_client = dict(zip((one.client_id for one in downloads), answers, strict=True))
    reports = {k: answer for k, answer in by_client.items() if isinstance(answer, Report)}
    updates, dropped = [], [Dropped(k, answer.reason) for k, answer in by_client.items() if isinstance(answer, Lost)]
    memory, strategy = MaskMemory(), federation.experiment.strategy
    pattern = untrained_update(federation, received(downloads[0]))
    for k, report in reports.items():
        try:
            update = unpack_update(report.payload, k, server, memory)
            check_update(update, pattern, int(federation.data.sizes[k]), strategy.masks_as_sent)
            updates.append(update)
        except (CodecError, BadUpdate) as error:
            dropped.append(Dropped(k, str(error)))
    return Answers(reports, updates, sorted(dropped))


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
    broken = not_finite(merged)
    if broken:
        raise diverged(ctx.round, broken)


def diverged(round: int, name: str) -> ValueError:
    """The end of a run whose training has run away; `name` is a tensor that shows it."""
    return ValueError(
        f"training diverged in round {round}: {name} holds values that are not finite; "
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
