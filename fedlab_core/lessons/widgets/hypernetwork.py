"""Notebook 08: a hypernetwork learns the budgets of a server and of three devices, from nothing but the regulariser."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import plotly.graph_objects as go
import torch
from torch import Tensor

from fedlab_core.experiment import Experiment
from fedlab_core.lab import Federation
from fedlab_core.lessons.checks.lesson_08_merge import merge
from fedlab_core.lessons.widgets.explorer import Explorer, slider
from fedlab_core.models.hypernetwork import OFFSET, init_codes, init_hypernetwork, logits, soft, straight_through
from fedlab_core.plots.subnetworks import subnetworks
from fedlab_core.pruning.budget import ChannelCosts, two_sided
from fedlab_core.types import seeded_generator

STEPS, EVERY = 80, 10
"""Steps of the hypernetwork, and how many of them the slider takes at once."""

START = (0.8, 0.25, 0.5, 0.7)
"""Budgets of the server and of the three devices at first."""

EULER = 0.5772
"""The mean of a Gumbel number: what stands for the noise where gates are to be the same each time."""


def hypernetwork_explorer(base: Experiment) -> Explorer:
    """Sliders for p_s, for p_d of each of three devices, and for how long the hypernetwork has learnt.

    Args:
        base: an experiment with strategy dwnp; gives the model, the width of the hypernetwork and the seed.
    """
    federation = Federation.of(base)
    costs = ChannelCosts.of_model(federation.model, federation.layer_flops)
    strategy: Any = base.strategy

    @lru_cache(maxsize=64)
    def learned(budgets: tuple[float, ...]) -> list[list[Tensor]]:
        return learn_budgets(costs, budgets, width=strategy.width, seed=base.federation.seed)

    controls = {"p_s": slider("server p_s", START[0], 0.1, 1, 0.05)}
    controls |= {f"p_{d}": slider(f"device {d}: p_d", p, 0.1, 1, 0.05) for d, p in enumerate(START[1:])}
    controls["steps"] = slider("steps of the hypernetwork", STEPS, 0, STEPS, EVERY)

    def draw(steps: int, **chosen: float) -> tuple[go.Figure, str]:
        budgets = tuple(chosen.values())
        return _picture(costs, learned(budgets)[steps // EVERY], budgets), _remark(steps, budgets)

    return Explorer(draw, controls, still=lambda: _picture(costs, learned(START)[-1], START))


def learn_budgets(costs: ChannelCosts, budgets: Sequence[float], *, width: int, seed: int) -> list[list[Tensor]]:
    """Logits [1 + devices, all channels] after 0, EVERY, ... steps; each as a list of rows.

    AdamW on hypernetwork and codes, on draws of hard gates, with a learning rate that falls to 0. There are no data:
    how many channels stay is learnt, which ones is left to chance.
    """
    draw = seeded_generator("hypernetwork explorer", seed)
    network = init_hypernetwork(costs.sizes, width, draw)
    codes = init_codes(len(budgets) - 1, len(costs.sizes), draw)
    leaves = [leaf.requires_grad_() for leaf in (*network.values(), codes)]
    optimiser = torch.optim.AdamW(leaves, lr=0.05)
    fall = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.1, STEPS)
    every = torch.func.vmap(lambda code_LE: torch.cat(logits(network, code_LE)))
    seen = []
    for step in range(STEPS + 1):
        o_DC = every(codes)
        if step % EVERY == 0:
            seen.append(list(o_DC.detach()))
        a_DC = straight_through(soft(o_DC, torch.rand(o_DC.shape, generator=draw)))
        shares = [costs.share(costs.split(a_DC[0]))]
        shares += [costs.share(costs.split(a_DC[0].detach() * own)) for own in a_DC[1:]]
        terms = [two_sided(share, budget) for share, budget in zip(shares, budgets, strict=True)]
        optimiser.zero_grad()
        (terms[0] + torch.stack(terms[1:]).mean()).backward()
        optimiser.step()
        fall.step()
    return seen


def networks_of(costs: ChannelCosts, o: Sequence[Tensor]) -> list[Tensor]:
    """From logits to the channels of server and devices, bool [C]; with a mean noise instead of a draw."""
    hard = [costs.split(row + EULER + OFFSET >= 0) for row in o]
    rows = [costs.split(row) for row in o]
    everything = [torch.ones_like(row) for row in hard[0]]
    server = merge(everything, hard[0], rows[0])
    devices = [merge(server, own, row) for own, row in zip(hard[1:], rows[1:], strict=True)]
    return [torch.cat(layers) for layers in (server, *devices)]


def _picture(costs: ChannelCosts, o: Sequence[Tensor], budgets: Sequence[float]) -> go.Figure:
    kept = networks_of(costs, o)
    shares = [float(costs.share(costs.split(row.float()))) for row in kept]
    names = ["server", *(f"device {d}" for d in range(len(kept) - 1))]
    return subnetworks(names, torch.stack(kept).numpy(), costs.sizes, shares, budgets)


def _remark(steps: int, budgets: Sequence[float]) -> str:
    if not steps:
        return (
            "Before learning, nearly all gates are open, for everybody: the offset of 3 starts from the full network."
        )
    if max(budgets[1:]) > budgets[0]:
        return "A device cannot keep more than the server does: a budget above p_s is out of reach."
    return "No data were used: how many channels stay is learnt here, which ones is left to chance."
