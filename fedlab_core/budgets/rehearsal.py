"""What a run will cost, from a rehearsal of it: everything is done as in the run, but nobody trains.

Masks, messages and FLOPs come from the code of a real round. Where masks depend on what weights have learned, those of
the untrained weights stand in for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from fedlab_core.clients import Download, Report, client_side, untrained_update, upload
from fedlab_core.costs.codec import MaskMemory
from fedlab_core.federation.messages import unpack_assignment, unpack_memory, unpack_update
from fedlab_core.federation.trainer import OnStep, no_step_hook
from fedlab_core.lab import Federation
from fedlab_core.rounds import broadcast, dense_flops, merge, participants
from fedlab_core.types import RoundContext, ServerState


class RoundCosts(NamedTuple):
    """What one round costs, all clients together; names and units as in `RoundRecord`."""

    upload_bytes: int
    download_bytes: int
    dense_flops: int
    effective_flops: float


class Rehearsed(NamedTuple):
    """One round of a rehearsal: what it costs, and the server after it, whose weights nobody has trained."""

    costs: RoundCosts
    server: ServerState


def rehearse(federation: Federation) -> list[RoundCosts]:
    """The costs of rounds 0 to T."""
    return [one.costs for one in rehearsal(federation)]


def rehearsal(federation: Federation) -> Iterator[Rehearsed]:
    """Rounds 0 to T in turn.

    A method that chooses step by step what is sent (`Knob.by_steps`) trains for real in round 1, and goes on like that:
    our reading.
    """
    start, num_rounds = federation.start(), federation.experiment.federation.rounds
    knob = federation.experiment.strategy.knob
    one = Rehearsed(RoundCosts(start.upload_bytes, start.download_bytes, 0, 0.0), start.server)
    yield one
    if knob and knob.by_steps:
        one = _round(federation, one.server, federation.context(1), client_side)
        yield from [one] * num_rounds
        return
    for round in range(1, num_rounds + 1):
        one = _round(federation, one.server, federation.context(round), untrained)
        yield one


def untrained(
    federation: Federation, downloads: Sequence[Download], ctx: RoundContext, on_step: OnStep = no_step_hook
) -> list[Report]:
    """Every client sends what it has received, as its program packs it; equal downloads are answered once."""
    memory, sizes = MaskMemory(), federation.data.sizes
    answers: dict[tuple[bytes, bytes], tuple[int, Report]] = {}
    reports = []
    for client_id, payload, own in downloads:
        if (payload, own) not in answers:
            received = replace(unpack_assignment(payload, client_id, memory), memory=unpack_memory(own))
            answer = upload(federation, received, untrained_update(federation, received), ctx, memory)
            answers[payload, own] = client_id, answer
        first, report = answers[payload, own]
        flops = report.effective_flops * int(sizes[client_id]) / int(sizes[first])
        reports.append(report._replace(effective_flops=flops))
    return reports


def _round(
    federation: Federation,
    server: ServerState,
    ctx: RoundContext,
    run_clients: Callable[[Federation, Sequence[Download], RoundContext], list[Report]],
) -> Rehearsed:
    """As `run_round`, without its measurements."""
    clients, memory = participants(federation, ctx), MaskMemory()
    downloads = broadcast(federation, server, clients, ctx)
    reports = run_clients(federation, downloads, ctx)
    distinct = {id(report.payload): report.payload for report in reports}
    read = {key: unpack_update(payload, -1, server, memory) for key, payload in distinct.items()}
    updates = [replace(read[id(one.payload)], client_id=k) for k, one in zip(clients, reports, strict=True)]
    spent = RoundCosts(
        sum(len(report.payload) for report in reports),
        sum(len(one.payload) for one in downloads),
        dense_flops(federation, clients),
        sum(report.effective_flops for report in reports),
    )
    return Rehearsed(spent, merge(federation, server, updates, ctx)[1])
