"""Runs that differ in nothing but seeds belong together; and what differs between those that do not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from fedlab_core.experiment import Experiment
from fedlab_core.runs.info import RunInfo

SEEDS = ("data.seed", "federation.seed")


def without_seeds(experiment: Experiment) -> Experiment:
    """The experiment with both seeds 0: equal for experiments that differ in nothing else."""
    data = experiment.data.model_copy(update={"seed": 0})
    federation = experiment.federation.model_copy(update={"seed": 0})
    return experiment.model_copy(update={"data": data, "federation": federation})


def groups(runs: Iterable[RunInfo]) -> list[list[RunInfo]]:
    """Runs that differ only in seeds, together, in the order of their first ones. Forks stay alone: the first half of
    their way is their parent's."""
    found: dict[object, list[RunInfo]] = {}
    for run in runs:
        key = without_seeds(run.experiment) if run.parent_id is None else run.run_id
        found.setdefault(key, []).append(run)
    return list(found.values())


def seeds_of(runs: Iterable[RunInfo]) -> int:
    """How many different pairs of seeds the runs have: the same run twice says nothing about chance."""
    return len({(run.experiment.data.seed, run.experiment.federation.seed) for run in runs})


def differing(experiments: Sequence[Experiment]) -> dict[str, list[Any]]:
    """The settings in which the experiments differ, each with its value in every one; None where one lacks it."""
    flat = [experiment.settings() for experiment in experiments]
    keys = dict.fromkeys(key for settings in flat for key in settings)
    columns = {key: [settings.get(key) for settings in flat] for key in keys}
    return {key: values for key, values in columns.items() if any(value != values[0] for value in values)}
