"""Channel pruning (Li et al. 2017) in federated learning: the server drops whole units, clients train what is left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from fedlab_core.pruning.masks import full_masks, prunable_names
from fedlab_core.pruning.units import hidden_units, purge_units
from fedlab_core.strategies.scheduled import Scheduled
from fedlab_core.types import Masks, Params, RoundContext, ServerState, Update


class ChannelPruning(Scheduled):
    """Output channels and hidden units with the smallest L1 norms go, on FedSparsify's schedule, and with them all that
    makes or reads them. Clients then train a network that is smaller for real: fewer seconds, not only fewer bytes.

    Sparsity counts weights, as for the other methods, biases and norms included: to be without 75 % of them takes
    about half of the units. The same share of every layer goes: our reading, Li et al. choose it layer by layer.
    """

    name: ClassVar[str] = "channel-pruning"
    title: ClassVar[str] = "Channel pruning"
    source: ClassVar[str] = "Li et al. 2017, arXiv 1608.08710, on the schedule of arXiv 2204.12430"

    def init(self, params: Params, ctx: RoundContext) -> tuple[Masks, dict[str, Any]]:
        """All kept. Biases and norms have masks, too: a unit goes with everything that belongs to it.

        Raises:
            ValueError: a model none of whose units can be cut.
        """
        if not hidden_units(ctx.architecture):
            raise ValueError("strategy.name channel-pruning needs a model with hidden units that can be cut; none here")
        return full_masks(params, prunable_names(params, include_vectors=True)), {}

    def update_masks(
        self, server: ServerState, updates: Sequence[Update], ctx: RoundContext
    ) -> tuple[Masks, dict[str, Any]]:
        """The weakest units of the average are gone. After a fork, the parent's masks may lack biases and norms."""
        masks = {**self.init(server.params, ctx)[0], **server.masks}
        layers = hidden_units(ctx.architecture)
        return purge_units(server.params, masks, self.target_sparsity(ctx), layers), server.state
