"""One experiment with one faulty client: is its update left out and named, withstood, refused, or does it do harm?"""

from __future__ import annotations

from typing import Literal, NamedTuple

from fedlab_core.clients import client_side
from fedlab_core.federation.validation import AggregationError
from fedlab_core.lab import Federation
from fedlab_core.robustness.faults import HOSTILE, Fault, Faulty
from fedlab_core.rounds import run_round
from fedlab_core.types import Dropped, ServerState

Outcome = Literal["dropped", "withstood", "harmed", "refused", "wrong"]
"""What becomes of a fault.

- dropped: in every round the client, and no other, was left out and named; the model is, bit for bit, the one without it.
- withstood: the update was merged, and the model is about as good as without the faulty client.
- harmed: the update was well formed and hostile, was merged, and spoilt the model: what the rule has no defence against.
- refused: the run ended in a sentence.
- wrong: anything else: the server merged what it should have seen to be wrong.
"""

CLOSE = 0.03
"""A model that loses no more accuracy than this has withstood a fault."""


class Result(NamedTuple):
    """What became of a fault: accuracy after the last round with it and without the client; a reason in words."""

    outcome: Outcome
    accuracy: float | None
    without: float
    reason: str


class _Ended(NamedTuple):
    server: ServerState
    accuracy: float
    dropped: list[tuple[Dropped, ...]]


def expose(federation: Federation, client_id: int, fault: Fault, close: float = CLOSE) -> Result:
    """Run an experiment of classification twice: with a client that has a fault in all rounds, and one that is gone.

    Args:
        federation: of an experiment in which all clients take part.
        client_id: who is faulty.
        fault: what goes wrong with it.
        close: see `CLOSE`.
    """
    without = _run(federation, client_id, Fault("gone"))
    try:
        ended = _run(federation, client_id, fault)
    except AggregationError as error:
        return Result("refused", None, without.accuracy, str(error))
    named = [one.client_id for dropped in ended.dropped for one in dropped]
    if named == [client_id] * len(ended.dropped) and ended.server.sha256() == without.server.sha256():
        return Result("dropped", ended.accuracy, without.accuracy, ended.dropped[0][0].reason)
    if named or fault.kind not in HOSTILE:
        return Result("wrong", ended.accuracy, without.accuracy, "merged, or not left out as if it had been gone")
    if ended.accuracy >= without.accuracy - close:
        return Result("withstood", ended.accuracy, without.accuracy, "")
    return Result("harmed", ended.accuracy, without.accuracy, "well formed: the rule cannot see it")


def _run(federation: Federation, client_id: int, fault: Fault) -> _Ended:
    server, dropped, accuracy = federation.initial_state(), [], 0.0
    clients = Faulty(client_side, {client_id: fault})
    for round in range(1, federation.experiment.federation.rounds + 1):
        record = run_round(federation, server, federation.context(round), run_clients=clients)
        server, accuracy = record.state, record.test_accuracy or 0.0
        dropped.append(record.dropped)
    return _Ended(server, accuracy, dropped)
