"""What all methods with FedSparsify's schedule share: the schedule's settings. No method by itself."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

from fedlab_core.pruning.masks import Scope, full_masks, prunable_names, purge
from fedlab_core.pruning.schedules import SCHEDULES
from fedlab_core.strategies.base import Knob, Strategy, hyper
from fedlab_core.types import Masks, Params, RoundContext


class Scheduled(Strategy):
    """Sparsity grows from `initial_sparsity` to `final_sparsity` along one of FedSparsify's schedules."""

    nested: ClassVar[bool] = True
    """Whether what is pruned stays pruned."""

    knob: ClassVar[Knob | None] = Knob("final_sparsity")

    final_sparsity: float = hyper(
        0.9,
        symbol="S_T",
        ge=0,
        lt=1,
        fedavg=0,
        help="Fraction of the prunable weights that are gone after the last purge; useful from 0.5 to 0.99.",
    )
    initial_sparsity: float = hyper(
        0.0, symbol="S_0", ge=0, lt=1, fedavg=0, help="Sparsity at which the schedule starts; usually 0."
    )
    schedule: Literal["polynomial", "stepwise", "multiplicative"] = hyper(
        "polynomial",
        symbol="s_t",
        help="Fast first and slow at the end (polynomial, the paper's), equal steps (stepwise), or the same share of "
        "what is left at each step (multiplicative).",
    )
    exponent: float = hyper(
        3.0,
        symbol="n",
        gt=0,
        le=12,
        help="Shape of the polynomial schedule; higher prunes more in early rounds; 1 to 12.",
    )
    frequency: int = hyper(
        1,
        symbol="F",
        ge=1,
        le=100,
        help="The level is held for this many rounds between two purges; 1 to 20, a divisor of the rounds.",
    )
    start_round: int = hyper(
        1,
        symbol="t0",
        ge=1,
        help="The first purge comes one round after this one; before it nothing is pruned.",
    )

    def remarks(self, num_rounds: int) -> list[str]:
        """Says so where the schedule ends before its goal, or would have to grow weights again."""
        if self.nested and self.initial_sparsity > self.final_sparsity:
            return [
                "What is pruned stays pruned: a schedule that begins above its final sparsity stays where it began."
            ]
        reached = self.target_sparsity(RoundContext(num_rounds, num_rounds, 0))
        if math.isclose(reached, self.final_sparsity, abs_tol=1e-9):
            return []
        return [
            f"Over {num_rounds} rounds this schedule ends at a sparsity of {reached:.3g}, not of "
            f"{self.final_sparsity:g}: it gets there with a start_round before the last round and a frequency that "
            "divides the number of rounds."
        ]

    def target_sparsity(self, ctx: RoundContext) -> float:
        """s_t. Nothing is purged in round t0 itself, so the target is 0 up to and including it."""
        if ctx.round <= self.start_round:
            return 0.0
        return SCHEDULES[self.schedule](
            ctx.round,
            ctx.num_rounds,
            final=self.final_sparsity,
            initial=self.initial_sparsity,
            start=self.start_round,
            frequency=self.frequency,
            exponent=self.exponent,
        )


class ScheduledPruning(Scheduled):
    """The same for methods that prune weight by weight."""

    prune_biases: bool = hyper(
        False,
        symbol="",
        help="Count biases and norms as prunable, as the paper's code does; off, they are always kept.",
    )

    def init(self, params: Params, ctx: RoundContext) -> tuple[Masks, dict[str, Any]]:
        """All weights kept."""
        return full_masks(params, prunable_names(params, include_vectors=self.prune_biases)), {}


class MagnitudePruning(ScheduledPruning):
    """The same for methods that choose by magnitude."""

    # Which layers are pruned most, and how well clients agree.
    knob: ClassVar[Knob | None] = Knob("final_sparsity", learned=("flops", "bytes"))

    scope: Scope = hyper(
        "global",
        symbol="",
        help="Rank the magnitudes of all layers together (global), or of each layer by itself (layer).",
    )

    def purged(self, params: Params, masks: Masks, ctx: RoundContext) -> Masks:
        """purge(w, s_t)."""
        return purge(params, masks, self.target_sparsity(ctx), self.scope)
