"""FedSparsify-Local (Stripelis et al. 2022): each client purges its own model, the server lets them vote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from fedlab_core.federation.aggregation import count_votes, holders_mean, votes_needed, weighted_mean
from fedlab_core.strategies.base import hyper
from fedlab_core.strategies.scheduled import MagnitudePruning
from fedlab_core.types import Masks, Params, RoundContext, ServerState, Update

VOTES = "votes/"
"""Names of what is remembered of the last vote."""


class FedSparsifyLocal(MagnitudePruning):
    """Purge on the clients, merge by majority vote. The global sparsity is near s_t but not exactly s_t."""

    name: ClassVar[str] = "fedsparsify-local"
    title: ClassVar[str] = "FedSparsify-Local"
    source: ClassVar[str] = "Stripelis et al. 2022, arXiv 2204.12430"
    to_look_at: ClassVar[str | None] = VOTES
    clients_choose: ClassVar[bool] = True

    vote: Literal["strict", "floor"] = hyper(
        "strict",
        symbol="V_i",
        help="Votes to keep a weight: more than half (strict), or floor(K/2), the paper's code, where a tie keeps "
        "and a single participant never prunes.",
    )
    merge: Literal["all", "holders"] = hyper(
        "all",
        symbol="w_i",
        help="Average kept weights over all clients, zeros included, or over the clients that kept them.",
    )

    def init(self, params: Params, ctx: RoundContext) -> tuple[Masks, dict[str, Any]]:
        """All kept; nobody has voted."""
        masks, _ = super().init(params, ctx)
        nobody = {name: torch.zeros_like(mask, dtype=torch.int64) for name, mask in masks.items()}
        return masks, _ballot(nobody, {name: torch.zeros_like(mask) for name, mask in masks.items()})

    def prune_upload(self, server: ServerState, update: Update, ctx: RoundContext) -> Masks:
        """m_k = purge(w_k, s_t): client k sorts its own weights."""
        return self.purged(update.params, update.masks, ctx)

    def aggregate(self, updates: Sequence[Update], previous: ServerState) -> Params:
        """The mean of what was sent, before the vote is applied."""
        return {"all": weighted_mean, "holders": holders_mean}[self.merge](updates)

    def update_masks(
        self, server: ServerState, updates: Sequence[Update], ctx: RoundContext
    ) -> tuple[Masks, dict[str, Any]]:
        """M_i = 1 where enough clients kept weight i. Clients only kept what the server keeps, so masks are nested.

        The last vote is remembered, to look at: nothing is computed from it.
        """
        votes, needed = count_votes(updates), votes_needed(len(updates), self.vote)
        kept = {name: mask & (votes[name] >= needed) for name, mask in server.masks.items()}
        return kept, _ballot(votes, server.masks)


def _ballot(votes: Mapping[str, Tensor], before: Masks) -> dict[str, Tensor]:
    """Votes of the weights that were there before, -1 for the others; of more than 32,767 voters no more are shown."""
    most = torch.iinfo(torch.int16).max
    return {
        VOTES + name: torch.where(mask, votes[name].clamp(max=most), -1).to(torch.int16)
        for name, mask in before.items()
    }
