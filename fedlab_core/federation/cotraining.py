"""What a device runs in DWNP: W-steps on the weights, and every few steps a theta-step on the hypernetwork.

L(W; a^0 a^n) + lambda (R(T(a^0), p_s) + R(T(a^0 a^n), p_d)): weights under drawn channels, hypernetwork and codes
through relaxed ones. To multiply a channel by a is to multiply the weights that read it, so that any trainer's gradient
will do. Gao et al., Device-Wise Federated Network Pruning, CVPR 2024, and its code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
from torch import Tensor

from fedlab_core.federation.programs import ClientState, MaskedSGD
from fedlab_core.models.hypernetwork import logits, soft, straight_through
from fedlab_core.pruning.budget import ChannelCosts, two_sided
from fedlab_core.types import Assignment, Batch, GradFn, Params, RoundContext, Update

HYPER, DEVICES = "hyper/", "hyper of devices/"
SERVER, OWN = "code/server", "code/own"
DRAWN, BUDGET = "drawn", "budget"
"""Names of extras: parameters of the hypernetwork, or of two; two codes; channels as 0 and 1; and p_d."""

REGULARISER = 4.0
"""lambda: 2 x reg_w with reg_w = 2, as in the code."""

BETAS, EPSILON, DECAY = (0.9, 0.999), 1e-8, 0.01
"""AdamW, PyTorch's defaults."""

_OPEN = "open/"


class ThetaSettings(NamedTuple):
    """The server's budget, the learning rate of theta, and local steps between two of its steps."""

    p_s: float
    rate: float
    interval: int


@dataclass(frozen=True)
class CoTraining(MaskedSGD):
    """Without extras masked SGD; with them v <- momentum v + a g(a W), W <- W - lr v, and theta-steps."""

    theta: ThetaSettings = field(default_factory=lambda: ThetaSettings(1.0, 0.001, 5))

    def begin(self, assignment: Assignment, num_examples: int) -> ClientState:
        """AdamW starts anew: m and v beside everything that it learns."""
        state = super().begin(assignment, num_examples)
        learned = {name: state.extras[name].clone() for name in _learned(state)}
        moments = {f"{kind}/{name}": torch.zeros_like(value) for name, value in learned.items() for kind in "mv"}
        return state._replace(extras={**state.extras, **learned, **moments})

    def step(self, state: ClientState, batch: Batch, grad: GradFn, ctx: RoundContext) -> ClientState:
        """One step on the weights, and every `interval` steps one on the hypernetwork."""
        if DRAWN not in state.extras:
            return super().step(state, batch, grad, ctx)
        state = _opened(state, ctx)
        weights = {name.removeprefix(_OPEN): a for name, a in state.extras.items() if name.startswith(_OPEN)}
        loss, grads, buffers = grad(_times(state.params, weights), state.buffers, batch)
        for name, g in _times(grads, weights).items():
            step = state.velocity[name].mul_(self.settings.momentum).add_(g)
            step = step * state.keep[name] if name in state.keep else step
            state.params[name].add_(step, alpha=-self.settings.learning_rate)
        self._perhaps_theta_step(state, batch, grad, ctx)
        return state._replace(
            buffers=buffers,
            loss_sum=state.loss_sum + loss.to(state.loss_sum.dtype),
            num_steps=state.num_steps + 1,
        )

    def end(self, state: ClientState) -> Update:
        """The weights, and what has been learned about channels."""
        return replace(super().end(state), extras={name: state.extras[name] for name in _learned(state)})

    def _perhaps_theta_step(self, state: ClientState, batch: Batch, grad: GradFn, ctx: RoundContext) -> None:
        """Every `interval` steps, and with the last one of a client that does not take so many."""
        done = state.num_steps + 1
        steps = -(-state.num_examples // self.settings.batch_size) * self.settings.local_epochs
        due = (done % self.theta.interval == 0) | ((steps < self.theta.interval) & (done == steps))
        if due.any():
            number = max(1, int(done.max()) // self.theta.interval)  # of stacked clients, all have taken as many steps
            self._theta_step(state, batch, grad, ctx, number, due)

    def _theta_step(
        self, state: ClientState, batch: Batch, grad: GradFn, ctx: RoundContext, number: int, due: Tensor
    ) -> None:
        """One step of AdamW on hypernetwork and codes, in place; stacked clients share one pass for dL/da."""
        costs, names = _costs(ctx), _learned(state)
        devices = [_Device.of(one, names, costs, ctx, number) for one in _each(state)]
        shares = [costs.read_shares([row.detach() for row in one.channels], one.params) for one in devices]
        grads = grad(_times(state.params, _together(state, shares)), state.buffers, batch).grads
        for place, one in enumerate(devices):
            if not due.flatten()[place]:
                continue
            own = {name: g[place] if state.client_id.dim() else g for name, g in grads.items()}
            loss = torch.stack(
                [
                    (row * d.to(row.dtype)).sum()
                    for row, d in zip(one.channels, costs.gradients(own, one.params), strict=True)
                ]
            ).sum()
            loss = loss + REGULARISER * (two_sided(one.share_s, self.theta.p_s) + two_sided(one.share_d, one.budget))
            found = torch.autograd.grad(loss, [one.theta[name] for name in names])
            for name, g in zip(names, found, strict=True):
                _adamw(one.extras, name, g, self.theta.rate, number)


class _Device(NamedTuple):
    """One device in a theta-step: leaves to differentiate, relaxed channels, and shares of FLOPs of hard ones."""

    params: Params
    extras: dict[str, Tensor]
    theta: dict[str, Tensor]
    channels: list[Tensor]
    share_s: Tensor
    share_d: Tensor
    budget: float

    @classmethod
    def of(
        cls, state: ClientState, names: Sequence[str], costs: ChannelCosts, ctx: RoundContext, number: int
    ) -> _Device:
        theta = {name: state.extras[name].detach().clone().requires_grad_() for name in names}
        generator = ctx.generator(f"theta {number}", int(state.client_id))

        def relaxed(network: Params, code_LE: Tensor) -> Tensor:
            o = torch.cat(logits(network, code_LE))
            return soft(o, torch.rand(len(o), generator=generator).to(o))

        y_s = relaxed(network_of_server(theta), theta.get(SERVER, state.extras[SERVER]))
        y_d = relaxed(network_of_devices(theta), theta[OWN])
        hard_s, hard_d = straight_through(y_s), straight_through(y_d)
        # Where the server has closed a channel, the device learns nothing about it.
        closed = y_s < 0.5
        both = y_s * torch.where(closed, 1.0, y_d)
        hard_both = hard_s.detach() * torch.where(closed, 1.0, hard_d)
        shares = (costs.share(costs.split(hard_s)), costs.share(costs.split(hard_both)))
        return cls(state.params, state.extras, theta, costs.split(both), *shares, float(state.extras[BUDGET]))


def network_of_server(tensors: Mapping[str, Tensor]) -> Params:
    """The hypernetwork that makes a^0."""
    return {name.removeprefix(HYPER): value for name, value in tensors.items() if name.startswith(HYPER)}


def network_of_devices(tensors: Mapping[str, Tensor]) -> Params:
    """The one that makes a^n: their own where there are two, else the server's."""
    own = {name.removeprefix(DEVICES): value for name, value in tensors.items() if name.startswith(DEVICES)}
    return own or network_of_server(tensors)


def _costs(ctx: RoundContext) -> ChannelCosts:
    return ChannelCosts.of_model(ctx.architecture, ctx.layer_flops)


def _learned(state: ClientState) -> list[str]:
    """Hypernetworks and codes; of two networks, the server's has a code that stays as it is."""
    two = any(name.startswith(DEVICES) for name in state.extras)
    codes = (OWN,) if two else (SERVER, OWN)
    return [name for name in state.extras if name.startswith((HYPER, DEVICES)) or name in codes]


def _opened(state: ClientState, ctx: RoundContext) -> ClientState:
    """With the drawn channels spread over the weights that read them; worked out once a round."""
    if any(name.startswith(_OPEN) for name in state.extras):
        return state
    costs = _costs(ctx)
    shares = [
        costs.read_shares([row.to(state.loss_sum.dtype) for row in costs.split(one.extras[DRAWN])], one.params)
        for one in _each(state)
    ]
    opened = {_OPEN + name: a.to(state.params[name].dtype) for name, a in _together(state, shares).items()}
    return state._replace(extras={**state.extras, **opened})


def _each(state: ClientState) -> list[ClientState]:
    """Stacked clients one by one, without copying; one that is alone as it is."""
    if not state.client_id.dim():
        return [state]

    def pick(named: dict[str, Tensor], place: int) -> dict[str, Tensor]:
        return {name: tensor[place] for name, tensor in named.items()}

    return [
        state._replace(client_id=client_id, params=pick(state.params, place), extras=pick(state.extras, place))
        for place, client_id in enumerate(state.client_id)
    ]


def _together(state: ClientState, named: Sequence[Params]) -> Params:
    """What belongs to clients one by one, stacked as the state is."""
    if not state.client_id.dim():
        return named[0]
    return {name: torch.stack([one[name] for one in named]) for name in named[0]}


def _times(tensors: Params, weights: Params) -> Params:
    return {name: value * weights[name] if name in weights else value for name, value in tensors.items()}


def _adamw(extras: dict[str, Tensor], name: str, g: Tensor, rate: float, number: int) -> None:
    value, m, v = extras[name], extras[f"m/{name}"], extras[f"v/{name}"]
    m.mul_(BETAS[0]).add_(g, alpha=1 - BETAS[0])
    v.mul_(BETAS[1]).addcmul_(g, g, value=1 - BETAS[1])
    spread = (v / (1 - BETAS[1] ** number)).sqrt_().add_(EPSILON)
    value.mul_(1 - rate * DECAY).addcdiv_(m, spread, value=-rate / (1 - BETAS[0] ** number))
