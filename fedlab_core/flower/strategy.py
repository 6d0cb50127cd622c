"""An experiment as a Flower strategy. It is none of Flower's averages: each client has its own sub-network.

Flower's loop can drive it (`start`), and so can the engine's (`one_round`), which can be paused, stopped and resumed.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy

from fedlab_core.clients import Download, Lost, Report, received, report_of
from fedlab_core.federation.trainer import OnStep, no_step_hook
from fedlab_core.flower.messages import Look, Task, pack_task, read_answer
from fedlab_core.flower.nodes import Roll, collect
from fedlab_core.lab import Federation
from fedlab_core.rounds import finish, send
from fedlab_core.types import RoundContext, RoundRecord, ServerState


class PruningStrategy(Strategy):
    """Rounds of an experiment whose clients are at Flower's nodes.

    Args:
        federation: the server's view of the experiment.
        server: the state from which to go on.
        deadline_s: a round waits so long for its nodes; who has not answered by then is left out.
        roll: the nodes, if they have been asked already.

    Attributes:
        record: the newest round.
    """

    def __init__(
        self, federation: Federation, server: ServerState, deadline_s: float = 120, roll: Roll | None = None
    ) -> None:
        self.federation, self.server, self.deadline_s = federation, server, deadline_s
        self.roll = roll or Roll()
        self.record: RoundRecord | None = None
        self._downloads: list[Download] = []
        self._start = 0.0

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> list[Message]:
        """A message to each node that has clients of this round. `arrays` are not needed: the state knows more."""
        return self._begin(server_round, grid, no_step_hook)

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Read, merge, prune, measure. Who has not answered well is named in `record`."""
        ctx = self.federation.context(server_round)
        answers = self._answers(list(replies), ctx)
        record = finish(self.federation, self.server, ctx, self._downloads, answers, self._start)
        self.record, self.server = record, record.state
        score: dict[str, Any] = {name: value for name, value in record.to_json().items() if isinstance(value, float)}
        return ArrayRecord(dict(self.server.params)), MetricRecord(score)

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> list[Message]:
        """Nobody is asked: the server measures the model."""
        return []

    def aggregate_evaluate(self, server_round: int, replies: Iterable[Message]) -> None:
        """Nothing to merge."""

    def summary(self) -> None:
        """What is run, in Flower's log."""
        print(self.federation.experiment.to_json())

    def one_round(
        self, grid: Grid, federation: Federation, server: ServerState, ctx: RoundContext, on_step: OnStep
    ) -> RoundRecord:
        """A round of the engine (`fedlab_core.simulation.OneRound`, once `grid` is given)."""
        self.server = server
        replies = collect(grid, self._begin(ctx.round, grid, on_step), self.deadline_s, on_step)
        self.aggregate_train(ctx.round, replies)
        assert self.record is not None
        return self.record

    def _begin(self, round: int, grid: Grid, on_step: OnStep) -> list[Message]:
        self._start = time.perf_counter()
        self._downloads = send(self.federation, self.server, self.federation.context(round))
        self.roll.call(grid, self.deadline_s, on_step)
        experiment, look = self.federation.experiment, Look.of(self.federation.data.dataset)
        messages = []
        for node_id in sorted({n for one in self._downloads if (n := self.roll.node_of(one.client_id)) is not None}):
            mine = [one for one in self._downloads if self.roll.node_of(one.client_id) == node_id]
            content = pack_task(Task(experiment, round, look, mine))
            messages.append(Message(content, node_id, "train", ttl=self.deadline_s, group_id=str(round)))
        return messages

    def _answers(self, replies: Sequence[Message], ctx: RoundContext) -> list[Report | Lost]:
        by_node = {reply.metadata.src_node_id: reply for reply in replies}
        return [self._answer(one, by_node, ctx) for one in self._downloads]

    def _answer(self, download: Download, by_node: dict[int, Message], ctx: RoundContext) -> Report | Lost:
        node_id = self.roll.node_of(download.client_id)
        if node_id is None:
            return Lost("its node is not connected")
        reply = by_node.get(node_id)
        if reply is None:
            return Lost(f"its node did not answer within {self.deadline_s:g} s")
        if reply.has_error():
            return Lost(f"its node failed: {reply.error.reason}")
        try:
            payload = read_answer(reply.content).get(download.client_id)
        except ValueError as error:
            return Lost(str(error))
        if payload is None:
            return Lost("its node answered without it")
        examples = int(self.federation.data.sizes[download.client_id])
        return report_of(self.federation, received(download), payload, examples, ctx)
