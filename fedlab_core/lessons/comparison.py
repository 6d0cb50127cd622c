"""Notebook 12: several methods, the same seeds, read at the same round or the same bytes; and what would be unfair."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean, stdev
from typing import Any, NamedTuple

from fedlab_core.experiment import Experiment
from fedlab_core.plots.records import Row, rows
from fedlab_core.runs.alike import without_seeds
from fedlab_core.runs.until import total_bytes
from fedlab_core.simulation import simulate
from fedlab_core.strategies.fedavg import FedAvg

Methods = Mapping[str, Mapping[str, Any]]
"""By name: the settings that make the method of a base experiment, as in `Experiment.replace`."""


@dataclass(frozen=True)
class Trial:
    """One result of a comparison, as a report has to state it.

    Attributes:
        method: its name.
        setup: data, clients, model and training; all but method, seed and number of rounds.
        seed: of the split, the initial weights and the batches.
        rounds: after how many rounds the result was read.
        budget: after how many bytes at most, up and down; None where bytes did not decide.
    """

    method: str
    setup: str
    seed: int
    rounds: int
    budget: int | None = None


class Run(NamedTuple):
    """A method under one seed: its whole configuration, and its rounds from round 0 on."""

    method: str
    experiment: Experiment
    rows: Sequence[Row]

    def trial(self, budget: int | None = None) -> Trial:
        """What is to be stated about this run, read at its end or within a budget of bytes."""
        read = self.rows[-1] if budget is None else last_within(self.rows, budget)
        return Trial(self.method, setup_of(self.experiment), self.experiment.federation.seed, read["round"], budget)


def compare(base: Experiment, methods: Methods, seeds: Sequence[int]) -> list[Run]:
    """Run every method with every seed; what has been run before is not run again.

    Raises:
        SettingError: a setting that cannot be.
    """
    return [
        Run(name, experiment, _rows(experiment.to_json()))
        for name, changes in methods.items()
        for seed in seeds
        for experiment in [base.replace({**changes, "data.seed": seed, "federation.seed": seed})]
    ]


@lru_cache(maxsize=256)
def _rows(experiment: str) -> tuple[Row, ...]:
    return tuple(rows(simulate(Experiment.parse(json.loads(experiment)))))


def setup_of(experiment: Experiment) -> str:
    """All that has to be the same in a fair comparison: the first words for people, the hash for the rest."""
    same = without_seeds(experiment).model_copy(update={"strategy": FedAvg()}).replace({"federation.rounds": 1})
    data = experiment.data
    return f"{data.dataset}, {data.num_clients} clients, {experiment.model.name}, {same.hash[:6]}"


def last_within(rows: Sequence[Row], budget: float) -> Row:
    """The last round that ended before more than `budget` bytes were spent, up and down together.

    Raises:
        ValueError: the budget does not even pay for round 0.
    """
    paid = [row for at, row in enumerate(rows, start=1) if total_bytes(rows[:at]) <= budget]
    if not paid:
        raise ValueError(f"budget is {budget:g} bytes; round 0 alone takes {total_bytes(rows[:1])}")
    return paid[-1]


def accuracy_at(rows: Sequence[Row], budget: float) -> float:
    """Test accuracy after the last round within the budget."""
    return float(last_within(rows, budget)["test_accuracy"])


def summary(values: Sequence[float]) -> tuple[float, float | None, int]:
    """Mean, sample standard deviation (divided by n - 1), and n; one value has no deviation."""
    values = [float(value) for value in values]
    return fmean(values), stdev(values) if len(values) > 1 else None, len(values)


def unfair(trials: Sequence[Trial]) -> list[str]:
    """What makes a comparison unfair, one sentence each; nothing where it is fair."""
    found = []
    if len({trial.setup for trial in trials}) > 1:
        found.append("Not all methods ran on the same data with the same model and training.")
    seeds: dict[str, Counter[int]] = {}
    for trial in trials:
        seeds.setdefault(trial.method, Counter())[trial.seed] += 1
    if any(own.keys() != next(iter(seeds.values())).keys() for own in seeds.values()):
        found.append("Not all methods have the same seeds.")
    if any(times > 1 for own in seeds.values() for times in own.values()):
        found.append("A method has a seed more than once.")
    rounds, budgets = {trial.rounds for trial in trials}, {trial.budget for trial in trials}
    if len(rounds) > 1 and (len(budgets) > 1 or None in budgets):
        found.append("Neither the rounds are the same for all nor the budget of bytes.")
    return found


def is_fair(trials: Sequence[Trial]) -> bool:
    """Same setup, the same seeds once each, and the same rounds or the same byte budget."""
    return not unfair(trials)
