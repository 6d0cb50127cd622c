"""PruneFL (Jiang et al. 2022): masks that learn fastest for the time they cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch

from fedlab_core.costs.flops import effective_flops
from fedlab_core.federation.aggregation import weighted_mean
from fedlab_core.federation.programs import ClientProgram, ClientState, LocalSettings, MaskedSGD
from fedlab_core.pruning.masks import best_entry, drop_lowest, total
from fedlab_core.pruning.scores import Loss, squared_gradients
from fedlab_core.strategies.base import Strategy, hyper
from fedlab_core.types import Assignment, Masks, Params, RoundContext, ServerState, Update

MEASURE = "measure"
"""Extra of an assignment: clients report their squared gradients in this round."""


class PruneFL(Strategy):
    """Maximise Gamma(M) = sum of g^2 over kept weights / (c + sum of their times): progress for the time of a round.

    The largest kept weights stay in any case; then, in the order of g^2 / t, whatever raises Gamma is kept. How sparse
    that is, the method decides. Our reading: the time of a weight is its share of the FLOPs and of the bytes, and the
    first masks come from one batch of one client, where the paper lets one client train first.
    """

    name: ClassVar[str] = "prunefl"
    title: ClassVar[str] = "PruneFL"
    source: ClassVar[str] = "Jiang et al. 2022, arXiv 1909.12326, as in its published code"

    fixed_time: float = hyper(
        1.0,
        symbol="c",
        gt=0,
        le=100,
        help="Time of a round that no pruning saves, as a share of what the dense model takes; large values keep more.",
    )
    bytes_share: float = hyper(
        0.5, symbol="", ge=0, le=1, help="How much of the dense model's time is communication; the rest is computing."
    )
    every: int = hyper(
        5, symbol="", ge=1, help="Rounds between two new masks; 50 in the paper's runs of thousands of rounds."
    )
    free: float = hyper(
        0.3, symbol="δ", ge=0, le=1, help="Share of the kept weights that may go at a new mask; halves over the run."
    )

    def first_masks(self, loss: Loss, params: Params, masks: Masks, ctx: RoundContext) -> Masks:
        """Nothing has to stay; what is pruned already, after a fork, stays so."""
        nothing = {name: torch.zeros_like(mask) for name, mask in masks.items()}
        best = fastest(squared_gradients(loss, params), self._times(masks, ctx), nothing, self.fixed_time)
        return {name: mask & best[name] for name, mask in masks.items()}

    def assign(self, server: ServerState, client_id: int, ctx: RoundContext) -> Assignment:
        """Before new masks, clients are asked for their gradients."""
        extras = {MEASURE: torch.tensor(True)} if self._due(ctx) else {}
        return Assignment(client_id, server.params, server.buffers, server.masks, extras)

    def program(self, settings: LocalSettings) -> ClientProgram:
        """SGD that remembers how large gradients were."""
        return MeasuringSGD(settings, correct=_measure)

    def training_flops(self, masks: Masks, ctx: RoundContext) -> float:
        """Where gradients are asked for, also those of what is pruned."""
        kept = effective_flops(ctx.layer_flops, masks)
        return 2 * kept + (sum(ctx.layer_flops.values()) if self._due(ctx) else kept)

    def update_masks(
        self, server: ServerState, updates: Sequence[Update], ctx: RoundContext
    ) -> tuple[Masks, dict[str, Any]]:
        """New masks where clients have measured."""
        if not self._due(ctx):
            return server.masks, server.state
        squares = weighted_mean([replace(update, params=update.extras, masks={}) for update in updates])
        share = 1 - self.free * 0.5 ** (ctx.round / ctx.num_rounds)
        kept = max(1, round(share * sum(int(mask.sum()) for mask in server.masks.values())))
        magnitudes = {name: server.params[name].abs() for name in server.masks}
        largest = drop_lowest(magnitudes, server.masks, total(server.masks) - kept)
        return fastest(squares, self._times(server.masks, ctx), largest, self.fixed_time), server.state

    def remarks(self, num_rounds: int) -> list[str]:
        """How sparse it gets is not a setting."""
        return ["PruneFL finds its own sparsity: a larger c keeps more weights."]

    def _due(self, ctx: RoundContext) -> bool:
        return ctx.round % self.every == 0

    def _times(self, masks: Masks, ctx: RoundContext) -> dict[str, float]:
        """Time of one weight of each tensor; those of all weights together are 1."""
        flops = {name: ctx.layer_flops.get(name, 0) for name in masks}
        computing = {name: flops[name] / max(1, sum(flops.values())) / mask.numel() for name, mask in masks.items()}
        return {name: (1 - self.bytes_share) * computing[name] + self.bytes_share / total(masks) for name in masks}


def fastest(squares: Params, times: dict[str, float], must: Masks, fixed_time: float) -> Masks:
    """The masks with the largest Gamma among those that keep `must`, and the best entry of each tensor.

    Args:
        squares: g^2 of every weight.
        times: of one weight, by tensor.
        must: what stays in any case.
        fixed_time: c, in the same unit.
    """
    must = {name: mask | best_entry(squares[name]) for name, mask in must.items()}
    kept = torch.cat([mask.flatten() for mask in must.values()])
    gain = torch.cat([squares[name].flatten() for name in must]).double()
    time = torch.cat([torch.full((mask.numel(),), times[name], dtype=torch.float64) for name, mask in must.items()])
    order = (gain / time.clamp(min=1e-300)).masked_fill(kept, -1.0).argsort(descending=True, stable=True)
    order = order[: int((~kept).sum())]
    gain_so_far = gain[kept].sum() + gain[order].cumsum(0) - gain[order]
    time_so_far = fixed_time + time[kept].sum() + time[order].cumsum(0) - time[order]
    better = gain[order] * time_so_far > gain_so_far * time[order]
    kept[order[: int(better.long().cumprod(0).sum())]] = True
    parts = kept.split([mask.numel() for mask in must.values()])
    return {name: part.view_as(mask) for part, (name, mask) in zip(parts, must.items(), strict=True)}


def _measure(state: ClientState, grads: Params) -> Params:
    """Add up squared gradients, on the side."""
    for name, square in state.extras.items():
        square.add_(grads[name].square())
    return grads


@dataclass(frozen=True)
class MeasuringSGD(MaskedSGD):
    """Masked SGD; where it is asked to, it reports the mean over its steps of every squared gradient."""

    def begin(self, assignment: Assignment, num_examples: int) -> ClientState:
        """Nothing measured yet."""
        state = super().begin(assignment, num_examples)
        measured = state.masks if MEASURE in assignment.extras else {}
        return state._replace(extras={name: torch.zeros_like(state.params[name]) for name in measured})

    def end(self, state: ClientState) -> Update:
        """The model, and squares."""
        squares = {name: square / max(int(state.num_steps), 1) for name, square in state.extras.items()}
        return replace(super().end(state), extras=squares)
