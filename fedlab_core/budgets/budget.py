"""What is budgeted, and what a run spends of it: the one place that defines both."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from fedlab_core.experiment import SettingError
from fedlab_core.strategies.base import Cost

Scope = Literal["mean", "final"]

TOLERANCE = 0.02
"""A budget is met by a run that spends at least 98 % of it, and no more than all."""


MOST_FLOPS = 2.0
"""A method may do more than train; more than twice the FLOPs of dense training, none does."""


class Round(Protocol):
    """The costs of one round: a `RoundRecord`, or a rehearsed round."""

    @property
    def upload_bytes(self) -> int: ...
    @property
    def download_bytes(self) -> int: ...
    @property
    def dense_flops(self) -> int: ...
    @property
    def effective_flops(self) -> float: ...


class Spending(NamedTuple):
    """What a run spends. Our reading of "per round": `Spending.of`.

    Attributes:
        flops: effective FLOPs of training, "theoretical", as a share of those of the same network dense.
        bytes: encoded messages of a round, those of all its clients together, up and down.
    """

    flops: float
    bytes: float

    @classmethod
    def of(cls, rounds: Iterable[Round], scope: Scope) -> Spending:
        """From rounds 0 to T of a run.

        "mean": everything that the run costs, messages before round 1 included, by what it costs dense (FLOPs), or by T
        (bytes). Methods that start dense have to end far below the mean. "final": round T alone, which is trained under
        the masks of round T - 1: what it costs to go on.
        """
        every = list(rounds)
        counted = every if scope == "mean" else every[-1:]
        num_rounds = len(every) - 1 if scope == "mean" else 1
        sent = sum(one.upload_bytes + one.download_bytes for one in counted)
        return cls(
            sum(one.effective_flops for one in counted) / sum(one.dense_flops for one in counted), sent / num_rounds
        )


@dataclass(frozen=True)
class Budget:
    """At most `limit` of one cost: a share of the dense FLOPs (0.4), or bytes of a round (2e6); see `Spending`.

    Raises:
        SettingError: a limit that is no positive number, or FLOPs in per cent.
    """

    cost: Cost
    limit: float
    scope: Scope = "mean"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.limit) and self.limit > 0):
            raise SettingError(f"the budget of {self.cost} is {self.limit}; allowed is a number above 0")
        if self.cost == "flops" and self.limit > MOST_FLOPS:
            raise SettingError(f"the budget of flops is {self.limit:g}; allowed is a share, such as 0.4 for 40 %")

    def of(self, spending: Spending) -> float:
        """The cost that this budget is about, in the unit of its limit."""
        return spending.flops if self.cost == "flops" else spending.bytes

    def say(self, amount: float) -> str:
        """An amount with its unit: "40.0% of the dense FLOPs", "2 MB a round"."""
        return f"{amount:.1%} of the dense FLOPs" if self.cost == "flops" else f"{amount / 1e6:.3g} MB a round"

    def __str__(self) -> str:
        over = "mean of the rounds" if self.scope == "mean" else "last round"
        return f"{self.say(self.limit)} ({over})"
