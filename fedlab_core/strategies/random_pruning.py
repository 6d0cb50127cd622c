"""Random pruning on FedSparsify's schedule: the ablation that shows what choosing by magnitude is worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from fedlab_core.pruning.masks import purge_random, random_order
from fedlab_core.strategies.scheduled import ScheduledPruning
from fedlab_core.types import Masks, Params, RoundContext, ServerState, Update


class RandomPruning(ScheduledPruning):
    """The server drops weights in a random order that is drawn once."""

    name: ClassVar[str] = "random"
    title: ClassVar[str] = "Random pruning"
    source: ClassVar[str] = "ablation in Stripelis et al. 2022, arXiv 2204.12430"

    def init(self, params: Params, ctx: RoundContext) -> tuple[Masks, dict[str, Any]]:
        """All weights kept; the order is the server's memory."""
        masks, _ = super().init(params, ctx)
        return masks, random_order(masks, ctx.generator("random-purge"))

    def update_masks(
        self, server: ServerState, updates: Sequence[Update], ctx: RoundContext
    ) -> tuple[Masks, dict[str, Any]]:
        """The first int(s_t P) of the order are gone."""
        return purge_random(server.state, server.masks, self.target_sparsity(ctx)), server.state
