"""One experiment with one faulty client: is its update left out and named, withstood, refused, or does it do harm?"""

from __future__ import annotations

from typing import Literal, NamedTuple

from fedlab_core.clients import client_side
from fedlab_core.federation.validation import AggregationError
from fedlab_core.lab import Federation
from fedlab_core.robustness.faults import HOSTILE, Fault, Faulty
from fedlab_core.rounds import run_round
from fedlab_core.types import ServerState

Outcome = Literal["dropped", "withstood", "harmed", "refused", "wrong"]
"""What becomes of a fault.

- dropped: in every round the client, and no other, was left out and named; the model is, bit for bit, the one of a run
  in which that client never answers.
- withstood: the update was well formed and hostile, was merged, and the model is about as good as without the fault.
- harmed: the same, but it spoilt the model: the rule has no defence against it.
- refused: the run ended in a sentence of the rule.
- wrong: what the server should have seen to be wrong went into the model, or others were left out for it.
"""

CLOSE = 0.03
"""A model that has lost no more accuracy than this has withstood a fault."""


class Result(NamedTuple):
    """What became of a fault: the accuracy after the last round, that of the run to compare with, and what was said."""

    outcome: Outcome
    accuracy: float | None = None
    compared: float | None = None
    said: str = ""


def expose(federation: Federation, client_id: int, fault: Fault, close: float = CLOSE) -> Result:
    """Run an experiment of classification with a client that has a fault in all rounds.

    The run to compare with: of a hostile fault one without any fault, of all others one in which the client is gone.

    Args:
        federation: of an experiment in which all clients take part.
        client_id: who is faulty.
        fault: what goes wrong with it.
        close: see `CLOSE`.
    """
    hostile = fault.kind in HOSTILE
    try:
        compared = _run(federation, {} if hostile else {client_id: Fault("gone")})
        ended = _run(federation, {client_id: fault})
    except AggregationError as error:
        return Result("refused", said=str(error))
    figures = ended.accuracy, compared.accuracy
    if hostile:
        withstood = ended.accuracy >= compared.accuracy - close
        return Result("withstood" if withstood else "harmed", *figures, ended.said)
    left_out = ended.left_out == [[client_id]] * federation.experiment.federation.rounds
    same = ended.server.sha256() == compared.server.sha256()
    return Result("dropped" if left_out and same else "wrong", *figures, ended.said)


class _Ended(NamedTuple):
    """The end of a run, who was left out in each of its rounds, and why, the first time."""

    server: ServerState
    accuracy: float
    left_out: list[list[int]]
    said: str


def _run(federation: Federation, faults: dict[int, Fault]) -> _Ended:
    ended, clients = _Ended(federation.initial_state(), 0.0, [], ""), Faulty(client_side, faults)
    for round in range(1, federation.experiment.federation.rounds + 1):
        record = run_round(federation, ended.server, federation.context(round), run_clients=clients)
        said = ended.said or next((one.reason for one in record.dropped), "")
        left_out = [*ended.left_out, [one.client_id for one in record.dropped]]
        ended = _Ended(record.state, record.test_accuracy or 0.0, left_out, said)
    return ended
