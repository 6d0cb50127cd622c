"""FedSparsify-Global (Stripelis et al. 2022): the server purges the average, clients tune what is left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from fedlab_core.strategies.scheduled import MagnitudePruning
from fedlab_core.types import Masks, RoundContext, ServerState, Update


class FedSparsifyGlobal(MagnitudePruning):
    """Purge, merge, tune on the server: average the clients, drop the smallest magnitudes up to s_t, send the rest."""

    name: ClassVar[str] = "fedsparsify-global"
    title: ClassVar[str] = "FedSparsify-Global"
    source: ClassVar[str] = "Stripelis et al. 2022, arXiv 2204.12430"

    def update_masks(
        self, server: ServerState, updates: Sequence[Update], ctx: RoundContext
    ) -> tuple[Masks, dict[str, Any]]:
        """m = purge(average, s_t)."""
        return self.purged(server.params, server.masks, ctx), server.state
