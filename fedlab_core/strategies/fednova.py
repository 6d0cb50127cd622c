"""FedNova (Wang et al. 2020): who takes more local steps does not pull harder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from fedlab_core.federation.aggregation import weighted_mean
from fedlab_core.federation.programs import ClientProgram, ClientState, LocalSettings, MaskedSGD
from fedlab_core.federation.validation import AggregationError
from fedlab_core.strategies.base import Strategy
from fedlab_core.types import Params, ServerState, Update

STEPS = "effective_steps"


class FedNova(Strategy):
    """Every client's change is divided by its effective number of local steps a_k, and the mean of these directions is
    multiplied by the mean of a_k: w <- w - (sum_k p_k a_k) sum_k p_k (w - w_k) / a_k, with p_k = n_k / n.
    """

    name: ClassVar[str] = "fednova"
    title: ClassVar[str] = "FedNova"
    source: ClassVar[str] = "Wang et al. 2020, arXiv 2007.07481"

    def program(self, settings: LocalSettings) -> ClientProgram:
        """SGD that says how far it has gone."""
        return MaskedSGD(settings, report=_count, slimmable=True)

    def aggregate(self, updates: Sequence[Update], previous: ServerState) -> Params:
        """Normalised averaging."""
        still = [update.client_id for update in updates if not float(update.extras[STEPS]) > 0]
        if still:
            raise AggregationError(f"FedNova: client {still[0]} says that it has made no step; allowed are more than 0")
        total = sum(update.num_examples for update in updates)
        pace = sum(update.num_examples / total * float(update.extras[STEPS]) for update in updates)
        moved = []
        for update in updates:
            scale = pace / float(update.extras[STEPS])
            params = {name: old + scale * (update.params[name] - old) for name, old in previous.params.items()}
            moved.append(replace(update, params=params))
        return weighted_mean(moved)


def effective_steps(state: ClientState, settings: LocalSettings) -> float:
    """a = (tau - rho (1 - rho^tau) / (1 - rho)) / (1 - rho): momentum rho makes steps longer."""
    steps, rho = int(state.num_steps), settings.momentum
    return (steps - rho * (1 - rho**steps) / (1 - rho)) / (1 - rho)


def _count(state: ClientState, settings: LocalSettings) -> dict[str, Tensor]:
    return {STEPS: torch.tensor(effective_steps(state, settings), dtype=torch.float64)}
