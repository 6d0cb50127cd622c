"""One-shot pruning: train dense, prune once by magnitude, tune what is left. FedSparsify's baseline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from fedlab_core.pruning.masks import Scope, purge
from fedlab_core.strategies.base import Knob, Strategy, hyper
from fedlab_core.types import Masks, RoundContext, ServerState, Update


class OneShot(Strategy):
    """Everything goes at once, after a share of the rounds; the rest of the rounds fine-tunes under the fixed mask."""

    name: ClassVar[str] = "one-shot"
    title: ClassVar[str] = "OneShot"
    source: ClassVar[str] = "baseline in Stripelis et al. 2022, arXiv 2204.12430"
    knob: ClassVar[Knob | None] = Knob("final_sparsity", learned=("flops",))

    final_sparsity: float = hyper(
        0.9,
        symbol="S_T",
        ge=0,
        lt=1,
        fedavg=0,
        help="Fraction of the prunable weights that the one purge drops; useful from 0.5 to 0.99.",
    )
    prune_after: float = hyper(
        0.5,
        symbol="r0/T",
        ge=0,
        le=1,
        help="The purge comes after this share of the rounds, 0.9 in the paper's code; what remains is fine-tuning.",
    )
    scope: Scope = hyper(
        "global", symbol="", help="Rank the magnitudes of all layers together (global), or layer by layer (layer)."
    )

    def target_sparsity(self, ctx: RoundContext) -> float:
        """0 before round r0, the first round at least; then S_T."""
        return self.final_sparsity if ctx.round >= max(1, round(self.prune_after * ctx.num_rounds)) else 0.0

    def update_masks(
        self, server: ServerState, updates: Sequence[Update], ctx: RoundContext
    ) -> tuple[Masks, dict[str, Any]]:
        """Purge in round r0; later the target is met already. Asked for again, it would drop what has become zero."""
        if ctx.round != max(1, round(self.prune_after * ctx.num_rounds)):
            return server.masks, server.state
        return purge(server.params, server.masks, self.final_sparsity, self.scope), server.state
