"""What the three forms of dynamic pruning share: a method underneath that averages the clients. No method by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from fedlab_core.federation.programs import LocalSettings, MaskedSGD
from fedlab_core.strategies.base import Strategy, hyper, make_strategy
from fedlab_core.types import Assignment, Masks, Params, RoundContext, ServerState, Update


class Underneath(Strategy):
    """Everything but the local step is as in the method underneath, with its default settings."""

    base: Literal["fedavg", "fedprox", "fednova", "scaffold"] = hyper(
        "fedavg",
        symbol="",
        help="What averages the clients underneath: FedAvg, FedProx with its default μ, FedNova or SCAFFOLD.",
    )

    def init(self, params: Params, ctx: RoundContext) -> tuple[Masks, dict[str, Any]]:
        """As the method underneath."""
        return self._base.init(params, ctx)

    def assign(self, server: ServerState, client_id: int, ctx: RoundContext) -> Assignment:
        """As the method underneath."""
        return self._base.assign(server, client_id, ctx)

    def local(self, settings: LocalSettings) -> MaskedSGD:
        """What clients run in the method underneath."""
        program = self._base.program(settings)
        assert isinstance(program, MaskedSGD)
        return program

    def aggregate(self, updates: Sequence[Update], previous: ServerState) -> Params:
        """As the method underneath."""
        return self._base.aggregate(updates, previous)

    def update_masks(
        self, server: ServerState, updates: Sequence[Update], ctx: RoundContext
    ) -> tuple[Masks, dict[str, Any]]:
        """As the method underneath."""
        return self._base.update_masks(server, updates, ctx)

    @property
    def _base(self) -> Strategy:
        return make_strategy({"name": self.base})
