"""FedDST (Bibikar et al. 2022): every client exchanges weights while it trains; the density stays what it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from fedlab_core.federation.programs import ClientProgram, ClientState, LocalSettings, MaskedSGD
from fedlab_core.pruning.densities import DENSITIES, largest
from fedlab_core.pruning.masks import full_masks, prunable_names
from fedlab_core.pruning.regrow import cosine_fraction, drop_and_grow
from fedlab_core.strategies.base import Knob, Strategy, hyper
from fedlab_core.types import Assignment, Batch, GradFn, Masks, Params, RoundContext, ServerState, Update

FRACTION = "exchange"
"""Extra of an assignment: the share of kept weights that clients exchange in this round."""


class FedDST(Strategy):
    """Sparse from the first round on. Every few rounds, clients drop their smallest weights and grow those with the
    largest gradients; the server joins the masks and keeps the largest weights of each layer, as many as before.
    """

    name: ClassVar[str] = "feddst"
    title: ClassVar[str] = "FedDST"
    source: ClassVar[str] = "Bibikar et al. 2022, arXiv 2112.09824; rules as in the code of FedPruning"
    knob: ClassVar[Knob | None] = Knob("final_sparsity")

    final_sparsity: float = hyper(
        0.8,
        symbol="S",
        ge=0,
        lt=1,
        fedavg=0,
        help="Fraction of the prunable weights that are gone in every round; useful from 0.5 to 0.95.",
    )
    densities: Literal["erk", "uniform"] = hyper(
        "erk", symbol="p_l", help="Small layers denser than large ones (erk), or all the same (uniform)."
    )
    every: int = hyper(
        2, symbol="ΔT", ge=1, help="Rounds between two exchanges of weights; 10 in runs of hundreds of rounds."
    )
    exchange: float = hyper(
        0.2, symbol="α", ge=0, le=1, help="Share of the kept weights that is exchanged first; falls along a cosine."
    )
    stop_after: float = hyper(
        0.75, symbol="T_end/T", gt=0, le=1, help="From this share of the rounds on, masks stay as they are."
    )

    def init(self, params: Params, ctx: RoundContext) -> tuple[Masks, dict[str, Any]]:
        """The largest initial weights of each layer."""
        return self._largest(params, full_masks(params, prunable_names(params))), {}

    def assign(self, server: ServerState, client_id: int, ctx: RoundContext) -> Assignment:
        """In a round of exchange, how much of it."""
        fraction = cosine_fraction(ctx.round, self.stop_after * ctx.num_rounds, self.exchange)
        extras = {FRACTION: torch.tensor(fraction)} if ctx.round % self.every == 0 and fraction else {}
        return Assignment(client_id, server.params, server.buffers, server.masks, extras)

    def program(self, settings: LocalSettings) -> ClientProgram:
        """SGD under a mask that changes once on the way."""
        return ExchangingSGD(settings)

    def update_masks(
        self, server: ServerState, updates: Sequence[Update], ctx: RoundContext
    ) -> tuple[Masks, dict[str, Any]]:
        """Whatever some client has kept may stay: the largest weights of the average, up to each layer's density."""
        union = {name: torch.stack([u.masks[name] for u in updates]).any(0) for name in server.masks}
        return self._largest({name: server.params[name] for name in union}, union), server.state

    def target_sparsity(self, ctx: RoundContext) -> float:
        """Constant."""
        return self.final_sparsity

    def _largest(self, params: Params, among: Masks) -> Masks:
        """By layer, up to its density. A weight that has just come may still be zero: it goes before those outside."""
        shares = DENSITIES[self.densities](params, tuple(among), 1 - self.final_sparsity)
        best = largest({name: params[name].abs().masked_fill(~mask, -1.0) for name, mask in among.items()}, shares)
        return {name: mask & best[name] for name, mask in among.items()}


@dataclass(frozen=True)
class ExchangingSGD(MaskedSGD):
    """Masked SGD; halfway through its steps, a client exchanges weights by the gradient of that step's batch."""

    def step(self, state: ClientState, batch: Batch, grad: GradFn, ctx: RoundContext) -> ClientState:
        """As `MaskedSGD.step`; once, the mask changes after it."""
        if FRACTION not in state.extras:
            return super().step(state, batch, grad, ctx)
        steps = -(-state.num_examples // self.settings.batch_size) * self.settings.local_epochs
        due = state.num_steps + 1 == (steps // 2).clamp(min=1)
        if not due.any():
            return super().step(state, batch, grad, ctx)
        grads = grad(state.params, state.buffers, batch).grads
        return _exchanged(super().step(state, batch, grad, ctx), grads, due)


def _exchanged(state: ClientState, grads: Params, due: Tensor) -> ClientState:
    """New masks for the clients for which it is time, stacked or one alone. What has come or gone starts at zero."""

    def exchange(weight: Tensor, grad: Tensor, mask: Tensor, fraction: Tensor, now: Tensor) -> Tensor:
        return drop_and_grow(weight, grad, mask, float(fraction)) if now else mask

    masks, keep = {}, {}
    for name, before in state.masks.items():
        given = (state.params[name], grads[name], before, state.extras[FRACTION], due)
        masks[name] = (
            torch.stack([exchange(*one) for one in zip(*given, strict=True)]) if due.dim() else exchange(*given)
        )
        keep[name] = masks[name].to(state.keep[name].dtype)
        stayed = keep[name] * before
        state.params[name].mul_(stayed)
        state.velocity[name].mul_(stayed)
    return state._replace(masks=masks, keep=keep)
