"""Notebook 12: choose three methods, seeds and a budget; every seed is a dot, at equal rounds and at equal bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from fedlab_core.experiment import Experiment
from fedlab_core.lessons.comparison import Run, accuracy_at, compare
from fedlab_core.lessons.widgets.explorer import Explorer, choice, slider, steps
from fedlab_core.plots.seeds import Panel, seed_dots
from fedlab_core.plots.style import format_bytes
from fedlab_core.runs.until import total_bytes
from fedlab_core.strategies import strategy_class

DENSE = "fedavg"
PRUNING = ("fedsparsify-global", "one-shot", "snip", "feddst", "random")
MOST_SEEDS = 3
SHARES = (13, 24, 30, 45, 60, 80, 100)
SHARE, STILL_SHARE = 60, 24


def comparison_explorer(base: Experiment) -> Explorer:
    """Three methods beside FedAvg, the number of seeds, and a byte budget as a share of what the dense run spends.

    Args:
        base: everything but method and seeds, with a strategy that has a `final_sparsity`; all methods get it.
    """
    names = {_title(name): name for name in PRUNING}
    controls = {
        "first": choice("method", names),
        "second": choice("method", _beginning(names, 1)),
        "third": choice("method", _beginning(names, 2)),
        "seeds": slider("seeds", MOST_SEEDS, 1, MOST_SEEDS),
        "share": steps("byte budget, % of dense", SHARE, SHARES),
    }

    def draw(first: str, second: str, third: str, seeds: int, share: float) -> tuple[go.Figure, str]:
        return _draw(base, (first, second, third), seeds, share)

    return Explorer(draw, controls, still=lambda: _draw(base, PRUNING[:3], MOST_SEEDS, STILL_SHARE)[0])


def _draw(base: Experiment, chosen: Sequence[str], seeds: int, share: float) -> tuple[go.Figure, str]:
    methods = {_title(name): {"strategy.name": name} for name in dict.fromkeys((DENSE, *chosen))}
    runs = [run for run in compare(base, methods, range(MOST_SEEDS)) if run.experiment.federation.seed < seeds]
    dense = min(total_bytes(run.rows) for run in runs if run.method == _title(DENSE))
    budget = share / 100 * dense
    panels = {
        f"equal rounds ({base.federation.rounds})": _by_method(runs, lambda run: run.rows[-1]["test_accuracy"]),
        f"equal bytes ({format_bytes(budget)})": _by_method(runs, lambda run: accuracy_at(run.rows, budget)),
    }
    short = dict.fromkeys(run.method for run in runs if total_bytes(run.rows) < budget)
    over = f" Done before it was spent: {', '.join(short)}." if short else ""
    read = {run.method: run.trial(int(budget)).rounds for run in runs if run.experiment.federation.seed == 0}
    paid = ", ".join(f"{name} {rounds}" for name, rounds in read.items())
    return seed_dots(panels), f"Rounds that {format_bytes(budget)} pay for (seed 0): {paid}.{over}"


def _by_method(runs: Sequence[Run], read: Any) -> Panel:
    panel: dict[str, list[float]] = {}
    for run in runs:
        panel.setdefault(run.method, []).append(read(run))
    return panel


def _beginning(names: Mapping[str, str], place: int) -> dict[str, str]:
    """The same choices, another one first."""
    pairs = list(names.items())
    return dict(pairs[place:] + pairs[:place])


def _title(name: str) -> str:
    return strategy_class(name).title
