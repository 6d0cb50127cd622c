"""Notebook 03: two clients with one weight, and the updates of real ones under skew and local epochs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import plotly.graph_objects as go

from fedlab_core.drift import Replay, mean_cosine, measure_drift, replay, spread
from fedlab_core.experiment import Experiment
from fedlab_core.lab import Federation
from fedlab_core.lessons.quadratics import PAIR, Method, fixed_point, optimum, settle
from fedlab_core.lessons.widgets.explorer import Explorer, choice, steps
from fedlab_core.plots.drift import drift_grid, drift_scatter
from fedlab_core.plots.quadratics import Walker, settling_curve, walk_picture
from fedlab_core.rounds import run_round
from fedlab_core.types import ServerState

STEPS = (1, 2, 3, 5, 10, 20, 50)
METHODS = {"FedAvg": "fedavg", "FedProx": "fedprox", "SCAFFOLD": "scaffold"}
RATE, MU = 0.25, 1.0

ALPHAS, EPOCHS = (0.1, 0.3, 1, 10, 100), (1, 2, 5, 10)
STILL_ALPHAS, STILL_EPOCHS = (0.1, 1, 100), (1, 5, 10)
WARM_UP = 3
"""Rounds of one epoch with alike clients before the one that is looked at: untrained, all would go the same way."""


def quadratics_explorer() -> Explorer:
    """Where FedAvg, FedProx and SCAFFOLD settle on two quadratic losses, and how the clients walk from there."""
    controls = {
        "method": choice("method", METHODS),
        "local": steps("local steps E", 5, STEPS),
        "rate": steps("learning rate η", RATE, (0.05, 0.1, RATE)),
        "mu": steps("pull μ", MU, (0, 0.1, 0.3, MU)),
    }

    def draw(method: Method, local: int, rate: float, mu: float) -> tuple[go.Figure, str]:
        settled = settle(PAIR, method, local, rate, mu)
        walkers = [Walker(f"client {k}", PAIR[at].loss, settled.walks[at]) for at, k in enumerate("AB")]
        gap = abs(settled.w - optimum(PAIR))
        text = f"After many rounds the server is at w = {settled.w:.4f}: {gap:.4f} away from the optimum."
        return walk_picture(walkers, optimum=optimum(PAIR)), text

    return Explorer(draw, controls, still=_still_settling, shows=_shown)


def _shown(method: Method, **_: Any) -> Sequence[str]:
    return ("method", "local", "rate", "mu") if method == "fedprox" else ("method", "local", "rate")


def _still_settling() -> go.Figure:
    """FedAvg beside FedProx and SCAFFOLD, by the formula for the first two."""
    ends = {
        "FedAvg": {local: fixed_point(PAIR, local, RATE) for local in STEPS},
        f"FedProx, μ = {MU:g}": {local: fixed_point(PAIR, local, RATE, MU) for local in STEPS},
        "SCAFFOLD": {local: settle(PAIR, "scaffold", local, RATE).w for local in STEPS},
    }
    return settling_curve(ends, optimum=optimum(PAIR), apart=sum(client.minimum for client in PAIR) / len(PAIR))


def drift_explorer(base: Experiment) -> Explorer:
    """Sliders for alpha and E: one round from the same model, and where each client's update points.

    Args:
        base: everything else.
    """
    server = started(base)

    @cache
    def round_of(alpha: float, epochs: int) -> Replay:
        return one_round(base, server, alpha, epochs)

    def draw(alpha: float, epochs: int) -> tuple[go.Figure, str]:
        one = round_of(alpha, epochs)
        cosine, apart = _measured(one)
        text = (
            f"alpha = {alpha:g}, E = {epochs}: two clients' updates have a mean cosine of {cosine:.2f}; their models "
            f"end {apart:.2f} from their mean."
        )
        return drift_scatter(measure_drift([one])), text

    def still() -> go.Figure:
        names = {
            (alpha, epochs): (f"alpha = {alpha:g}", f"E = {epochs}")
            for alpha in STILL_ALPHAS
            for epochs in STILL_EPOCHS
        }
        return drift_grid({name: _measured(round_of(*setting)) for setting, name in names.items()})

    local = base.federation.local_epochs
    controls = {
        "alpha": steps("alpha (log scale)", base.data.alpha, ALPHAS),
        "epochs": steps("local epochs E", local, EPOCHS),
    }
    return Explorer(draw, controls, still=still)


def started(base: Experiment) -> ServerState:
    """A model that has learnt a little from clients with alike data: the same start for every setting."""
    changes = {"data.partition": "iid", "strategy.name": "fedavg", "federation.local_epochs": 1}
    federation = Federation.of(base.replace(changes))
    server = federation.initial_state()
    for number in range(1, WARM_UP + 1):
        server = run_round(federation, server, federation.context(number)).state
    return server


def one_round(base: Experiment, server: ServerState, alpha: float, epochs: int) -> Replay:
    """A round of FedAvg from `server`, with another skew and other local epochs than `base` has."""
    changes = {"strategy.name": "fedavg", "data.alpha": alpha, "federation.local_epochs": epochs}
    (one,) = replay(Federation.of(base.replace(changes)), server, 1, 1)
    return one


def _measured(one: Replay) -> tuple[float, float]:
    return mean_cosine(one.sent.params, one.updates), spread(one.sent.params, one.updates)
