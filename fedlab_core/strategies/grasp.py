"""GraSP (Wang et al. 2020) in federated learning: one client prunes the untrained model, to keep gradients flowing."""

from __future__ import annotations

from typing import ClassVar

from fedlab_core.pruning.scores import Loss, grasp
from fedlab_core.strategies.at_start import PruningAtStart
from fedlab_core.types import Masks, Params, RoundContext


class Grasp(PruningAtStart):
    """The score w (H g) says how much a weight adds to the gradient's flow, judged by one batch of one client."""

    name: ClassVar[str] = "grasp"
    title: ClassVar[str] = "GraSP"
    source: ClassVar[str] = "Wang et al. 2020, arXiv 2002.07376; as a baseline in arXiv 2204.12430"

    def first_masks(self, loss: Loss, params: Params, masks: Masks, ctx: RoundContext) -> Masks:
        """The largest w (H g)."""
        return self.keep_best(grasp(loss, params), masks)
