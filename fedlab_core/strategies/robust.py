"""Robust aggregation: a few clients that send nonsense, by accident or on purpose, do not decide what the model is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from fedlab_core.federation import robust
from fedlab_core.federation.aggregation import mean_buffers, of_buffers
from fedlab_core.federation.validation import KRUM, MEDIAN, TRIMMED_MEAN
from fedlab_core.strategies.base import hyper
from fedlab_core.strategies.fedsparsify_global import FedSparsifyGlobal
from fedlab_core.types import Buffers, Params, ServerState, Update

RULES = {"median": MEDIAN, "trimmed_mean": TRIMMED_MEAN, "krum": KRUM}
MERGE = {"median": robust.median, "trimmed_mean": robust.trimmed_mean, "krum": robust.krum}


class Robust(FedSparsifyGlobal):
    """The server takes the median, the trimmed mean or Krum's choice of the clients' models in place of their mean; all
    clients count the same, however many examples they have. What it gets may be purged as in FedSparsify-Global; by
    default nothing is pruned. A round with too few updates for the rule ends the run. That rules of single models and
    pruning are put together like this is our reading.
    """

    name: ClassVar[str] = "robust"
    title: ClassVar[str] = "Robust aggregation"
    source: ClassVar[str] = "Yin et al. 2018, arXiv 1803.01498; Krum: Blanchard et al. 2017, arXiv 1703.02757"

    masks_as_sent: ClassVar[bool] = True

    rule: Literal["median", "trimmed_mean", "krum"] = hyper(
        "median",
        symbol="",
        help="Of each weight the median, or the mean without the f largest and f smallest values (trimmed_mean); or "
        "all weights of the client that is closest to the others (krum).",
    )
    faulty: int = hyper(
        1,
        symbol="f",
        ge=0,
        le=1000,
        help="How many clients of a round may send anything at all; a round then needs n >= 2f + 1 updates, with krum "
        "n >= 2f + 3. Krum with f = 1 of 10 clients is usual.",
    )
    final_sparsity: float = hyper(
        0.0,
        symbol="S_T",
        ge=0,
        lt=1,
        help="Fraction of the prunable weights that are gone after the last purge; 0 prunes nothing.",
    )
    initial_sparsity: float = hyper(
        0.0, symbol="S_0", ge=0, lt=1, help="Sparsity at which the schedule starts; usually 0."
    )

    def aggregate(self, updates: Sequence[Update], previous: ServerState) -> Params:
        """By the rule."""
        return MERGE[self.rule](updates, self.faulty)

    def aggregate_buffers(self, updates: Sequence[Update], previous: ServerState) -> Buffers:
        """By the same rule; with Krum those of the client whose weights are taken."""
        if self.rule == "krum":
            return mean_buffers([robust.most_central(updates, self.faulty)])
        return MERGE[self.rule](of_buffers(updates), self.faulty)

    def remarks(self, num_rounds: int) -> list[str]:
        """Says how many clients a round needs: how many take part is not the strategy's to know."""
        rule = RULES[self.rule]
        needed = f"{rule.needed(self.faulty)} updates in every round; one with fewer ends the run."
        return [*super().remarks(num_rounds), f"Aggregation by {rule.name} with f = {self.faulty} needs {needed}"]
