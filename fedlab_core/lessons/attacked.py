"""Notebook 11: federations that over-fit on purpose, and what an attacker sees of their examples.

N examples.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from fedlab_core.experiment import Experiment
from fedlab_core.lab import Federation
from fedlab_core.metrics import Metric
from fedlab_core.privacy import draw_suspects, features
from fedlab_core.rounds import initial_record, run_round
from fedlab_core.types import RoundRecord, ServerState


class Asked(NamedTuple):
    """Examples that a model was asked about: half of them it was trained on, half of them nobody was.

    Attributes:
        loss_N: the model's loss on each, float64; of a regression |f(x) - y|, in years.
        score_N: 1 where the model is right, else 0; of a regression the same |f(x) - y|.
        member_N: true where the example was trained on.
        metric: what the mean of `score_N` is.
    """

    loss_N: Tensor
    score_N: Tensor
    member_N: Tensor
    metric: Metric

    @property
    def scores(self) -> tuple[float, float]:
        """The metric on members, and on the others."""
        return float(self.score_N[self.member_N].mean()), float(self.score_N[~self.member_N].mean())

    @property
    def gap(self) -> float:
        """How much better the model is on members."""
        return self.metric.gain(*self.scores)


def overfitted(experiment: Experiment, examples: int = 40, noise: float = 0.3) -> Federation:
    """The federation of an experiment in which clients have few training examples, and labels are partly random.

    Args:
        experiment: its `federation.seed` draws examples and labels, too.
        examples: training examples that each client keeps.
        noise: share of all labels that are drawn anew; 0 for ages.
    """
    seed = experiment.federation.seed
    data = Federation.of(experiment).data.at_most(examples, seed)
    return Federation.on(data.with_random_labels(noise, seed) if noise else data, experiment)


def rounds(federation: Federation) -> Iterator[RoundRecord]:
    """Every round, the untrained model first."""
    record = initial_record(federation)
    yield record
    for number in range(1, federation.experiment.federation.rounds + 1):
        record = run_round(federation, record.state, federation.context(number))
        yield record


def trained(experiment: Experiment, examples: int = 40, noise: float = 0.3) -> tuple[Federation, RoundRecord]:
    """The federation of `overfitted`, and its last round; what has been trained before is not trained again."""
    return _trained(experiment.to_json(), examples, noise)


@lru_cache(maxsize=32)
def _trained(experiment: str, examples: int, noise: float) -> tuple[Federation, RoundRecord]:
    federation = overfitted(Experiment.parse(json.loads(experiment)), examples, noise)
    *_, last = rounds(federation)
    return federation, last


def ask(federation: Federation, server: ServerState) -> Asked:
    """Show the model as many training as unseen examples of every client (`draw_suspects`), labels included."""
    suspects = draw_suspects(federation.data, federation.experiment.federation.seed).values()
    x_NI, y_N, member_N = (torch.cat(parts) for parts in zip(*suspects, strict=True))
    values_NF = features(federation.model, server, x_NI, y_N, "black-box").values_NF
    dataset = federation.data.dataset
    # By what names the features have: loss, confidence, correct; of a regression error, prediction, target.
    return Asked(values_NF[:, 0], values_NF[:, 0 if dataset.is_regression else 2], member_N, dataset.metric)
