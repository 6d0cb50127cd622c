"""What is known of a run before it: its costs round by round, its schedule, and the masks at its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from fedlab_core.budgets.budget import Scope, Spending
from fedlab_core.budgets.rehearsal import RoundCosts, rehearsal
from fedlab_core.costs.codec import TensorCost, describe, encode
from fedlab_core.lab import Federation
from fedlab_core.pruning.masks import layer_density, sparsity
from fedlab_core.rounds import participants
from fedlab_core.strategies import Cost, Knob
from fedlab_core.types import ServerState


@dataclass(frozen=True)
class Outlook:
    """A rehearsal, to be shown.

    Attributes:
        costs: of rounds 0 to T.
        sparsities, targets: after each of them: pruned / prunable weights, and what the schedule asks for, if it does.
        server: after round T; nobody has trained its weights.
        clients: that take part in a round.
        knob: the setting that decides what the strategy costs.
    """

    costs: list[RoundCosts]
    sparsities: list[float]
    targets: list[float | None]
    server: ServerState
    clients: int
    knob: Knob | None

    def spending(self, scope: Scope) -> Spending:
        """What the run will spend of what can be budgeted."""
        return Spending.of(self.costs, scope)

    def is_about(self, cost: Cost) -> bool:
        """Whether training decides on a cost, too. Without a knob it does where anything is pruned."""
        return cost in self.knob.learned if self.knob else any(self.sparsities)

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """Rounds 0 to T with the names and units of `RoundRecord`, as far as they are known; for figures."""
        last, density = len(self.costs) - 1, layer_density(self.server.masks)
        return [
            {
                **costs._asdict(),
                "round": round,
                "sparsity": self.sparsities[round],
                "target_sparsity": self.targets[round],
                "layer_density": density if round == last else {},
            }
            for round, costs in enumerate(self.costs)
        ]

    @cached_property
    def dense_bytes_per_round(self) -> int:
        """What all clients of a round would send in one direction if no weight were pruned."""
        return self.clients * len(encode({**self.server.params, **self.server.buffers}))

    @cached_property
    def last_message(self) -> tuple[TensorCost, ...]:
        """The global model after round T as it would be sent: bytes, and the form of the mask, by tensor."""
        return describe(encode({**self.server.params, **self.server.buffers}, self.server.masks))


def outlook(federation: Federation, on_round: Callable[[int], None] = lambda round: None) -> Outlook:
    """Rehearse a run; `on_round` hears of each round that is done."""
    strategy = federation.experiment.strategy
    costs, sparsities = [], []
    for round, one in enumerate(rehearsal(federation)):
        costs.append(one.costs)
        sparsities.append(sparsity(one.server.masks))
        on_round(round)
    targets = [strategy.target_sparsity(federation.context(round)) for round in range(len(costs))]
    clients = len(participants(federation, federation.context(1)))
    return Outlook(costs, sparsities, targets, one.server, clients, strategy.knob)
