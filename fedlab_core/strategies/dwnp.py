"""DWNP (Gao et al. 2024): a hypernetwork gives every device its own sub-network, within its own budget of FLOPs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from fedlab_core.federation.aggregation import holders_mean, weighted_mean
from fedlab_core.federation.cotraining import (
    BUDGET,
    DEVICES,
    DRAWN,
    HYPER,
    OWN,
    SERVER,
    CoTraining,
    ThetaSettings,
    network_of_devices,
    network_of_server,
)
from fedlab_core.federation.programs import ClientProgram, LocalSettings
from fedlab_core.models.hypernetwork import WIDTH, init_codes, init_fixed_code, init_hypernetwork, logits, soft
from fedlab_core.pruning.budget import ChannelCosts
from fedlab_core.pruning.masks import full_masks, prunable_names
from fedlab_core.strategies.base import Knob, Strategy, hyper
from fedlab_core.types import Assignment, Buffers, Masks, Params, RoundContext, ServerState, Update


class DWNP(Strategy):
    """Server and devices choose channels: a device computes with those that both keep. Choosing is learned beside the
    weights, by a hypernetwork that turns a code per device into its channels; then what the server does not keep is
    cut for good, and every device tunes its sub-network.

    Our reading: a device draws its sub-network once a round, judges it on
    the batch at hand, and starts AdamW anew each round; when channels are fixed, those that are likeliest to be kept
    are, up to the budget, also for devices that were never asked. A fork after that moment has missed the learning.
    """

    name: ClassVar[str] = "dwnp"
    title: ClassVar[str] = "DWNP"
    source: ClassVar[str] = "Gao et al., Device-Wise Federated Network Pruning, CVPR 2024"
    knob: ClassVar[Knob | None] = Knob("p_d", saves=("flops",), learned=("flops",), at_least="p_s")

    p_s: float = hyper(
        0.8, symbol="p_s", gt=0.05, le=1, help="Share of the FLOPs that the server's network keeps; 0.3 to 0.9."
    )
    p_d: float = hyper(
        0.5,
        symbol="p_d",
        gt=0.05,
        le=1,
        help="Share of the FLOPs that a device's sub-network keeps, on average; not above the server's; 0.2 to 0.8.",
    )
    spread: float = hyper(
        0.0,
        symbol="",
        ge=0,
        le=0.9,
        help="Unequal devices: budgets run evenly from p_d (1 - spread) to p_d (1 + spread), from first to last.",
    )
    start_after: float = hyper(
        0.1, symbol="", ge=0, le=1, help="Share of the rounds in which only weights are trained, before channels are."
    )
    prune_after: float = hyper(
        0.6, symbol="", ge=0, le=1, help="After this share of the rounds channels are fixed, and the server's cut."
    )
    interval: int = hyper(
        5, symbol="", ge=1, help="Local steps between two steps of the hypernetwork; 5 to 10 in the paper's code."
    )
    rate: float = hyper(0.001, symbol="η", gt=0, le=1, help="Learning rate of the hypernetwork and the codes (AdamW).")
    width: int = hyper(
        WIDTH,
        symbol="H",
        ge=2,
        le=512,
        help="Width of the hypernetwork; 128 in the paper, as large as a ResNet-56. It travels, too: small is cheap.",
    )
    shared_hn: bool = hyper(
        True,
        symbol="",
        help="One hypernetwork for server and devices, as in the poster; or one for the server, with a code that is "
        "not learned, and another for all devices, as in the code: twice the bytes.",
    )

    def init(self, params: Params, ctx: RoundContext) -> tuple[Masks, dict[str, Any]]:
        """All kept. The memory is the hypernetwork, the codes, and the channels of server (row 0) and devices.

        Raises:
            ValueError: a model without hidden channels.
        """
        costs = self._costs(ctx)
        generator, devices = ctx.generator("hypernetwork"), ctx.num_clients
        network = init_hypernetwork(costs.sizes, self.width, generator, weight_norm=not self.shared_hn)
        state = {HYPER + name: value for name, value in network.items()}
        state["codes"] = init_codes(devices, len(costs.sizes), generator)
        if not self.shared_hn:
            second = init_hypernetwork(costs.sizes, self.width, generator)
            state |= {DEVICES + name: value for name, value in second.items()}
            state["codes"][0] = init_fixed_code(len(costs.sizes), generator)
        dtype = next(iter(params.values())).dtype
        state = {name: value.to(dtype) for name, value in state.items()}
        state["channels"] = torch.ones(1 + devices, sum(costs.sizes), dtype=torch.uint8)
        return full_masks(params, prunable_names(params, include_vectors=True)), state

    def assign(self, server: ServerState, client_id: int, ctx: RoundContext) -> Assignment:
        """While channels are learned: the hypernetwork, two codes, and a draw of channels. Then: the sub-network."""
        if self._fixed(ctx):
            masks = self.device_masks(server, client_id, ctx)
            return Assignment(client_id, server.params, server.buffers, masks)
        extras = {}
        if self._learning(ctx):
            extras = {name: value for name, value in server.state.items() if name.startswith((HYPER, DEVICES))}
            extras |= {SERVER: server.state["codes"][0], OWN: server.state["codes"][1 + client_id]}
            extras |= {DRAWN: self._draw(server, client_id, ctx), BUDGET: torch.tensor(self.budget(client_id, ctx))}
        return Assignment(client_id, server.params, server.buffers, server.masks, extras)

    def program(self, settings: LocalSettings) -> ClientProgram:
        """W-steps and theta-steps; once channels are fixed, SGD on the sub-network."""
        return CoTraining(settings, slimmable=True, theta=ThetaSettings(self.p_s, self.rate, self.interval))

    def aggregate(self, updates: Sequence[Update], previous: ServerState) -> Params:
        """The mean over those who have a weight; a weight that none of them has stays."""
        merged = holders_mean(updates)
        for name in previous.masks:
            held = torch.stack([update.masks[name] for update in updates]).any(0)
            merged[name] = torch.where(held, merged[name], previous.params[name])
        return merged

    def aggregate_buffers(self, updates: Sequence[Update], previous: ServerState) -> Buffers:
        """As the weights: a channel's running statistics come from those who have the channel."""
        owners = {name: f"{name.rpartition('.')[0]}.weight" for name in previous.buffers}
        held = [
            replace(
                u, params=u.buffers, masks={name: u.masks[owner] for name, owner in owners.items() if owner in u.masks}
            )
            for u in updates
        ]
        return self.aggregate(held, replace(previous, params=previous.buffers, masks=held[0].masks))

    def training_flops(self, masks: Masks, ctx: RoundContext) -> float:
        """While channels are learned, every `interval`-th step is done twice; the hypernetwork is not counted."""
        flops = super().training_flops(masks, ctx)
        return flops * (1 + 1 / self.interval) if self._learning(ctx) else flops

    def update_masks(
        self, server: ServerState, updates: Sequence[Update], ctx: RoundContext
    ) -> tuple[Masks, dict[str, Any]]:
        """The mean of the hypernetworks; at the end of learning, everybody's channels and the cut."""
        if self._fixed(ctx):
            return server.masks, server.state
        state = dict(server.state)
        if self._learning(ctx):
            equal = [replace(update, params=update.extras, masks={}, num_examples=1) for update in updates]
            mean = weighted_mean(equal)
            codes = state["codes"].clone()
            codes[0] = mean.pop(SERVER, codes[0])
            mean.pop(OWN)
            for update in updates:
                codes[1 + update.client_id] = update.extras[OWN]
            state |= {**mean, "codes": codes}
        if ctx.round < self._last_round(ctx):
            return server.masks, state
        costs = self._costs(ctx)
        state["channels"] = self.channels(ServerState(server.params, server.buffers, server.masks, state), ctx)
        return costs.masks(costs.split(state["channels"][0]), server.masks), state

    def channels(self, server: ServerState, ctx: RoundContext) -> Tensor:
        """Who keeps which channels without noise, uint8 [1 + devices, all channels]; row 0 is the server.

        Each within its budget: the likeliest to be kept, so many that the share of FLOPs is nearest to the target.
        Where the server has dropped a channel, no device has it.
        """
        costs, codes = self._costs(ctx), server.state["codes"]
        networks = network_of_server(server.state), network_of_devices(server.state)
        base = fit(costs, _among(logits(networks[0], codes[0]), costs.alive(server.masks)), self.p_s)
        rows = [torch.cat(base)]
        for device in range(len(codes) - 1):
            o = _among(logits(networks[1], codes[1 + device]), base)
            rows.append(torch.cat(fit(costs, o, self.budget(device, ctx))))
        return torch.stack(rows).to(torch.uint8)

    def device_masks(self, server: ServerState, client_id: int, ctx: RoundContext) -> Masks:
        """The masks of one device's sub-network."""
        costs = self._costs(ctx)
        return costs.masks(costs.split(server.state["channels"][1 + client_id]), server.masks)

    def personal(self, server: ServerState, client_id: int, ctx: RoundContext) -> Masks | None:
        """Devices are tested on their own sub-networks, once there are any."""
        return None if server.state["channels"].all() else self.device_masks(server, client_id, ctx)

    def budget(self, client_id: int, ctx: RoundContext) -> float:
        """p_d of a device, at most p_s."""
        place = 2 * client_id / max(1, ctx.num_clients - 1) - 1
        return min(self.p_s, self.p_d * (1 + self.spread * place))

    def remarks(self, num_rounds: int) -> list[str]:
        """Says so where there is nothing to learn from, or where budgets cannot be."""
        if round(self.prune_after * num_rounds) <= round(self.start_after * num_rounds):
            return ["Channels are fixed before they are learned: prune_after has to come later than start_after."]
        if self.p_d * (1 + self.spread) > self.p_s:
            return [f"A device cannot keep more than the server: budgets above p_s = {self.p_s:g} are lowered to it."]
        return []

    def _learning(self, ctx: RoundContext) -> bool:
        return ctx.round > round(self.start_after * ctx.num_rounds) and not self._fixed(ctx)

    def _last_round(self, ctx: RoundContext) -> int:
        """The round at whose end channels are fixed."""
        return max(1, round(self.prune_after * ctx.num_rounds))

    def _fixed(self, ctx: RoundContext) -> bool:
        return ctx.round > self._last_round(ctx)

    def _costs(self, ctx: RoundContext) -> ChannelCosts:
        return ChannelCosts.of_model(ctx.architecture, ctx.layer_flops)

    def _draw(self, server: ServerState, client_id: int, ctx: RoundContext) -> Tensor:
        """A draw of the channels that both keep, uint8: a^0 is the same for all devices of a round."""
        costs, codes = self._costs(ctx), server.state["codes"]
        drawn, alive = [], costs.alive(server.masks)
        base, device = network_of_server(server.state), network_of_devices(server.state)
        for network, code, who in ((base, codes[0], -1), (device, codes[1 + client_id], client_id)):
            o = torch.cat(_among(logits(network, code), alive))
            uniform = torch.rand(len(o), generator=ctx.generator("gumbel", who))
            drawn.append(soft(o, uniform) >= 0.5)
        both = costs.split(drawn[0] & drawn[1])
        o_own = costs.split(o)
        return torch.cat([row if row.any() else own == own.max() for row, own in zip(both, o_own, strict=True)]).byte()


def _among(o: Sequence[Tensor], alive: Sequence[Tensor]) -> list[Tensor]:
    """-inf for channels that are gone."""
    return [row.masked_fill(~there, -torch.inf) for row, there in zip(o, alive, strict=True)]


def fit(costs: ChannelCosts, o: Sequence[Tensor], target: float) -> list[Tensor]:
    """The channels above one threshold on o, the same in all layers, whose share of FLOPs is nearest to `target`.

    -inf marks channels that cannot be kept. Each layer keeps its best one.
    """
    values = torch.cat(list(o)).unique()
    values = values[values.isfinite()]

    def at(place: int) -> list[Tensor]:
        return [(row >= values[place]) | ((row == row.max()) & row.isfinite()) for row in o]

    low, high = 0, len(values) - 1  # the share falls as the threshold rises
    while low < high:
        middle = (low + high) // 2
        if float(costs.share([row.float() for row in at(middle)])) > target:
            low = middle + 1
        else:
            high = middle
    candidates = [at(place) for place in {max(0, low - 1), low}]
    return min(candidates, key=lambda a: abs(float(costs.share([row.float() for row in a])) - target))
