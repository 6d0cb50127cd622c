"""SNIP (Lee et al. 2019) in federated learning: one client prunes the untrained model, by sensitivity."""

from __future__ import annotations

from typing import ClassVar

from fedlab_core.pruning.scores import Loss, snip
from fedlab_core.strategies.at_start import PruningAtStart
from fedlab_core.types import Masks, Params, RoundContext


class Snip(PruningAtStart):
    """The score |w g| says how much the loss would change without a weight, judged by one batch of one client."""

    name: ClassVar[str] = "snip"
    title: ClassVar[str] = "SNIP"
    source: ClassVar[str] = "Lee et al. 2019, arXiv 1810.02340; as a baseline in arXiv 2204.12430"

    def first_masks(self, loss: Loss, params: Params, masks: Masks, ctx: RoundContext) -> Masks:
        """The largest |w g|."""
        return self.keep_best(snip(loss, params), masks)
