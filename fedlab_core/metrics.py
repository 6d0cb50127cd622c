"""How good a model is, in one number: the share of right answers, or by how many years its answers are off."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Metric:
    """What the models of a run are measured by, and where a round's record has it.

    Attributes:
        name: in a sentence; `short` in the head of a table.
        test, before_purge, worst_client, mean_client, best_client: fields of a `RoundRecord`.
        higher_is_better: an accuracy is to be high, an error low.
        noticeable: smaller differences are not worth a sentence or a marker.
    """

    name: str
    short: str
    test: str
    before_purge: str
    worst_client: str
    mean_client: str
    best_client: str
    higher_is_better: bool
    noticeable: float

    @property
    def fields(self) -> tuple[str, ...]:
        """All that a record has of it."""
        return (self.test, self.before_purge, self.worst_client, self.mean_client, self.best_client)

    def gain(self, value: float, other: float) -> float:
        """By how much `value` is better than `other`; negative where it is worse."""
        return value - other if self.higher_is_better else other - value

    def best(self, rows: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
        """The round with the best model on the test set, the first of several."""
        return max(rows, key=lambda row: self.gain(row[self.test], 0.0))


ACCURACY = Metric(
    name="accuracy",
    short="accuracy",
    test="test_accuracy",
    before_purge="accuracy_before_purge",
    worst_client="worst_client_accuracy",
    mean_client="mean_client_accuracy",
    best_client="best_client_accuracy",
    higher_is_better=True,
    noticeable=0.0005,
)
"""Share of examples that are classed rightly, 0 to 1: the metric of a classification."""

MAE = Metric(
    name="mean absolute error",
    short="MAE",
    test="test_mae",
    before_purge="mae_before_purge",
    worst_client="worst_client_mae",
    mean_client="mean_client_mae",
    best_client="best_client_mae",
    higher_is_better=False,
    noticeable=0.005,
)
"""Mean of |prediction - target|, in years: the metric of a regression."""


def metric_of(row: Mapping[str, Any]) -> Metric:
    """What a round was measured by: `RoundRecord.to_json()`, or what the run store gives back."""
    return MAE if row.get(MAE.test) is not None else ACCURACY
