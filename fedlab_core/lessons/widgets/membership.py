"""Notebook 11: an attack by loss on over-fitted models of several sparsities, trained when the explorer is made."""

from __future__ import annotations

import plotly.graph_objects as go

from fedlab_core.experiment import Experiment
from fedlab_core.lessons.attacked import Asked, ask, trained
from fedlab_core.lessons.widgets.explorer import Explorer, steps
from fedlab_core.plots.roc import Points, roc_beside_gap
from fedlab_core.plots.style import format_percent
from fedlab_core.privacy import roc_points

SPARSITIES = (0.0, 0.5, 0.9, 0.95, 0.99)
STILL = (0.0, 0.95)


def membership_explorer(base: Experiment) -> Explorer:
    """A slider for the final sparsity; ROC curve and generalisation gap beside those of the dense model.

    Args:
        base: an experiment with strategy fedsparsify-global, on data with classes. One run for each sparsity follows,
            with few training examples and noisy labels (`attacked.overfitted`).
    """
    models = {sparsity: _asked(base, sparsity) for sparsity in SPARSITIES}
    controls = {"sparsity": steps("final sparsity S_T", 0.9, SPARSITIES)}

    def draw(sparsity: float) -> tuple[go.Figure, str]:
        shown = models[sparsity]
        seen, unseen = shown.scores
        others = int((~shown.member_N).sum())
        text = (
            f"Right on {format_percent(seen)} of the training examples and {format_percent(unseen)} of the unseen "
            f"ones, gap {format_percent(shown.gap)}. {others} non-members were shown: 1 % of them is {others / 100:g}."
        )
        return _figure(models, (sparsity, 0.0)), text

    return Explorer(draw, controls, still=lambda: _figure(models, STILL))


def _asked(base: Experiment, sparsity: float) -> Asked:
    federation, last = trained(base.replace({"strategy.final_sparsity": sparsity}))
    return ask(federation, last.state)


def by_loss(shown: Asked) -> Points:
    """The attack: the smaller the loss, the sooner an example is taken for a member."""
    return roc_points(shown.member_N.numpy(), -shown.loss_N.numpy())


def _figure(models: dict[float, Asked], sparsities: tuple[float, ...]) -> go.Figure:
    shown = {_name(sparsity): models[sparsity] for sparsity in sparsities}
    scores = {name: one.scores for name, one in shown.items()}
    return roc_beside_gap({name: by_loss(one) for name, one in shown.items()}, scores)


def _name(sparsity: float) -> str:
    return f"{format_percent(sparsity)} sparse" if sparsity else "dense"
