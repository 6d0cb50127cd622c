"""Notebook 06: the schedule of FedSparsify, and the bytes that it lets travel."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from fedlab_core.budgets import rehearse
from fedlab_core.experiment import Experiment
from fedlab_core.lab import Federation
from fedlab_core.lessons.widgets.explorer import Explorer, slider, steps
from fedlab_core.plots.compare import schedule_curve
from fedlab_core.plots.style import format_bytes, format_percent
from fedlab_core.strategies.fedavg import FedAvg
from fedlab_core.types import RoundContext

EXPONENTS = (1, 2, 3, 4, 6, 9, 12)
STILL_EXPONENTS = (3, 1, 12)


def fedsparsify_explorer(base: Experiment) -> Explorer:
    """Sliders for n, F and S_T; the schedule, and the bytes predicted for it before anything runs.

    Args:
        base: an experiment with strategy fedsparsify-global; gives the model, the clients and T.
    """
    strategy: Any = base.strategy
    controls = {
        "final_sparsity": steps("final sparsity S_T", strategy.final_sparsity, (0.5, 0.8, 0.9, 0.95, 0.98, 0.99)),
        "exponent": steps("exponent n", strategy.exponent, EXPONENTS),
        "frequency": slider("rounds between purges F", strategy.frequency, 1, 10),
    }

    federation = Federation.of(base)
    dense = rehearsed_bytes(federation.under(FedAvg()))

    def draw(**values: float) -> tuple[go.Figure, str]:
        chosen = base.replace({f"strategy.{name}": value for name, value in values.items()})
        named = {_name(chosen): levels(chosen)}
        if chosen.hash != base.hash:
            named[f"at the start: {_name(base)}"] = levels(base)
        total = rehearsed_bytes(federation.under(chosen.strategy))
        text = (
            f"Predicted: {format_bytes(total)} travel in {base.federation.rounds} rounds, up and down, masks included; "
            f"dense models take {format_bytes(dense)}, {dense / total:.1f} times as much."
        )
        return schedule_curve(named), text

    return Explorer(draw, controls, still=lambda: _still(base))


def levels(experiment: Experiment) -> list[float]:
    """s_t for t = 1, ..., T; 0 where the strategy has no schedule."""
    rounds, seed = experiment.federation.rounds, experiment.federation.seed
    asked = (experiment.strategy.target_sparsity(RoundContext(t, rounds, seed)) for t in range(1, rounds + 1))
    return [level or 0.0 for level in asked]


def rehearsed_bytes(federation: Federation) -> int:
    """Bytes of a whole run, up and down: its messages are encoded, but nobody trains."""
    return sum(costs.upload_bytes + costs.download_bytes for costs in rehearse(federation))


def _name(experiment: Experiment) -> str:
    strategy: Any = experiment.strategy
    final = format_percent(strategy.final_sparsity)
    return f"n = {strategy.exponent:g}, F = {strategy.frequency}, S_T = {final}"


def _still(base: Experiment) -> go.Figure:
    """A straight line, the usual cube, and a schedule that prunes nearly everything at once."""
    variants = [base.replace({"strategy.exponent": n, "strategy.frequency": 1}) for n in STILL_EXPONENTS]
    return schedule_curve({_name(variant): levels(variant) for variant in variants})
