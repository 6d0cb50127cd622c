"""FedProx (Li et al. 2020): clients are pulled back towards the model they received."""

from __future__ import annotations

from typing import ClassVar

from fedlab_core.federation.programs import ClientProgram, ClientState, LocalSettings, MaskedSGD
from fedlab_core.strategies.base import Strategy, hyper
from fedlab_core.types import Params


class FedProx(Strategy):
    """FedAvg with (mu / 2) ||w - w_global||^2 added to every client's loss; its gradient is mu (w - w_global)."""

    name: ClassVar[str] = "fedprox"
    title: ClassVar[str] = "FedProx"
    source: ClassVar[str] = "Li et al. 2020, arXiv 1812.06127"

    mu: float = hyper(
        0.01,
        symbol="μ",
        ge=0,
        le=10,
        fedavg=0,
        help="Strength of the pull towards the received model; useful from 0.001 to 1.",
    )

    def program(self, settings: LocalSettings) -> ClientProgram:
        """SGD on the loss with the proximal term."""

        def pull(state: ClientState, grads: Params) -> Params:
            return {name: grad + self.mu * (state.params[name] - state.anchor[name]) for name, grad in grads.items()}

        return MaskedSGD(settings, correct=pull, slimmable=True)  # a weight that has not moved is not pulled
