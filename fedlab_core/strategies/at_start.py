"""What all methods share that prune before training, on the word of one client. No method by itself."""

from __future__ import annotations

from typing import ClassVar

from fedlab_core.pruning.masks import drop_lowest, total
from fedlab_core.strategies.base import Knob, Strategy, hyper
from fedlab_core.types import Masks, Params, RoundContext


class PruningAtStart(Strategy):
    """One client scores every weight on one batch; the best are kept, and the mask stays for the whole run."""

    knob: ClassVar[Knob | None] = Knob("final_sparsity")

    final_sparsity: float = hyper(
        0.8,
        symbol="S_T",
        ge=0,
        lt=1,
        fedavg=0,
        help="Fraction of the prunable weights that are gone before round 1; useful from 0.5 to 0.95. Ties are kept: "
        "many weights that score 0 may make less of it.",
    )

    def target_sparsity(self, ctx: RoundContext) -> float:
        """S_T from the start."""
        return self.final_sparsity

    def keep_best(self, scores: Params, masks: Masks) -> Masks:
        """The round((1 - S_T) P) best scores, ties kept."""
        kept = max(1, round((1 - self.final_sparsity) * total(masks)))
        return drop_lowest(scores, masks, total(masks) - kept)
