"""SCAFFOLD (Karimireddy et al. 2020): every client corrects its steps by how its data differ from everybody's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from fedlab_core.federation.programs import ClientProgram, ClientState, LocalSettings, MaskedSGD
from fedlab_core.strategies.base import Strategy
from fedlab_core.strategies.fednova import effective_steps
from fedlab_core.types import Assignment, Masks, Params, RoundContext, ServerState, Update

ALL, OWN, CHANGE = "control/", "own control/", "change of control/"
"""Names of tensors: c, which all download, c_k, which client k keeps, and c_k+ - c_k, which it uploads."""


class Scaffold(Strategy):
    """A control variate c_k says where client k pulls, c is the mean of all: steps are w <- w - lr (g - c_k + c).

    After training, c_k+ = c_k - c + (w - w_k) / (K lr) with K local steps (the paper's option II); the server adds the
    changes over the number of all clients to c. Twice the bytes of FedAvg, both ways, and every client keeps c_k.

    Our reading: with momentum, K is the effective number of steps, as in FedNova. Models are merged by numbers of
    examples, as everywhere here. Biases and norms have control variates, too; running statistics have none. A run keeps
    what all its clients keep, K times the model: many clients or a large model take much memory.
    """

    name: ClassVar[str] = "scaffold"
    title: ClassVar[str] = "SCAFFOLD"
    source: ClassVar[str] = "Karimireddy et al. 2020, arXiv 1910.06378, option II"
    of_clients: ClassVar[tuple[str, ...]] = (ALL, OWN)

    def init(self, params: Params, ctx: RoundContext) -> tuple[Masks, dict[str, Any]]:
        """All control variates start at zero."""
        masks, _ = super().init(params, ctx)
        own = {OWN + name: weight.new_zeros(ctx.num_clients, *weight.shape) for name, weight in params.items()}
        return masks, {ALL + name: torch.zeros_like(weight) for name, weight in params.items()} | own

    def assign(self, server: ServerState, client_id: int, ctx: RoundContext) -> Assignment:
        """The model, and c; c_k is there already."""
        control = {name: value for name, value in server.state.items() if name.startswith(ALL)}
        own = {name: value[client_id] for name, value in server.state.items() if name.startswith(OWN)}
        return replace(super().assign(server, client_id, ctx), extras=control, memory=own)

    def program(self, settings: LocalSettings) -> ClientProgram:
        """SGD on corrected gradients."""
        return MaskedSGD(settings, correct=_correct, report=_change)

    def update_masks(
        self, server: ServerState, updates: Sequence[Update], ctx: RoundContext
    ) -> tuple[Masks, dict[str, Any]]:
        """c <- c + (1/N) sum_k (c_k+ - c_k), over those who took part; N are all clients."""
        state = dict(server.state)
        for name in server.params:
            change = torch.stack([update.extras[CHANGE + name] for update in updates])
            state[ALL + name] = state[ALL + name] + change.sum(0) / ctx.num_clients
            own = state[OWN + name].clone()
            own[[update.client_id for update in updates]] += change
            state[OWN + name] = own
        return server.masks, state


def _correct(state: ClientState, grads: Params) -> Params:
    return {name: grad - state.extras[OWN + name] + state.extras[ALL + name] for name, grad in grads.items()}


def _change(state: ClientState, settings: LocalSettings) -> dict[str, Tensor]:
    """c_k+ - c_k = (w - w_k) / (K lr) - c."""
    scale = 1 / (effective_steps(state, settings) * settings.learning_rate)
    moved = {name: state.anchor[name] - weight for name, weight in state.params.items()}
    return {CHANGE + name: step * scale - state.extras[ALL + name] for name, step in moved.items()}
