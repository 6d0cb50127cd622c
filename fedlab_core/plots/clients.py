"""Figures of the clients: how good the model is for each of them, and who took part when.

K clients, T rounds.
"""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from fedlab_core.metrics import ACCURACY, Metric
from fedlab_core.plots.style import VERMILLION, format_percent, theme
from fedlab_core.plots.theme import nothing_yet, set_from_zero, set_percent, sheet

WORST = 0.1
"""This share of the clients, one at least, is marked as the worst."""


def client_bars(
    scores_K: ArrayLike,
    *,
    metric: Metric = ACCURACY,
    worst_first: bool = True,
    most: int = 200,
    dark: bool = False,
) -> go.Figure:
    """How good the model is on each client's own test examples; the worst tenth stands out.

    Args:
        scores_K: accuracy or error by client, NaN for a client without test examples.
        metric: which of the two.
        worst_first: in this order, else in that of the clients.
        most: so many are drawn; the sentence is about all.
        dark: for a dark background.
    """
    scores = np.asarray(scores_K, dtype=float)
    tested = np.flatnonzero(~np.isnan(scores))
    if not len(tested):
        step = "Choose a data set or a split in which clients have test examples."
        return nothing_yet("No client has been tested", step, key="clients", dark=dark)
    ranked = _ranked(scores, metric)
    worst = set(worst_clients(scores, metric))
    order = (ranked if worst_first else tested)[:most]
    figure = sheet(_sentence(scores, ranked, metric), key="clients", dark=dark, height=320)
    look, digits = theme(dark), ".1%" if metric.higher_is_better else ".2f"
    for name, members, color, pattern in (
        (f"worst {WORST:.0%}", [k for k in order if k in worst], VERMILLION, "x"),
        ("others", [k for k in order if k not in worst], look.kept, ""),
    ):
        figure.add_bar(
            name=name,
            x=[str(k) for k in members],
            y=scores[members],
            marker={
                "color": color,
                "pattern": {"shape": pattern, "bgcolor": color, "fgcolor": "white", "solidity": 0.2},
            },
            hovertemplate=f"client %{{x}}: %{{y:{digits}}}<extra></extra>",
        )
    figure.add_hline(
        y=float(scores[tested].mean()), line=look.reference, annotation={"text": "mean", "bgcolor": look.surface}
    )
    named = {"categoryorder": "array", "categoryarray": [str(k) for k in order]}
    figure.update_xaxes(title_text="client", type="category", **named)
    if metric.higher_is_better:
        set_percent(figure, metric.name)
    else:
        set_from_zero(figure, f"{metric.name}, years", float(scores[tested].max()))
    return figure


def worst_clients(scores_K: ArrayLike, metric: Metric = ACCURACY) -> list[int]:
    """The worst tenth of the clients that have been tested, one at least if there is any, the worst first."""
    ranked = _ranked(np.asarray(scores_K, dtype=float), metric)
    return ranked[: max(1, round(WORST * len(ranked)))].tolist()


def _ranked(scores: np.ndarray, metric: Metric) -> np.ndarray:
    """Tested clients, the worst first; equal ones by number."""
    tested = np.flatnonzero(~np.isnan(scores))
    badness = -scores[tested] if metric.higher_is_better else scores[tested]
    return tested[np.argsort(-badness, kind="stable")]


def participation_heatmap(
    clients_T: Mapping[int, Sequence[int]],
    num_clients: int,
    *,
    dropped_T: Mapping[int, Mapping[int, str]] | None = None,
    dark: bool = False,
) -> go.Figure:
    """Which client took part in which round, and whose update was dropped.

    Args:
        clients_T: ids of those who took part, by round.
        num_clients: K, of the whole federation.
        dropped_T: by round and id, why those who were asked did not take part.
        dark: for a dark background.
    """
    if not clients_T:
        return nothing_yet("No round has been run yet", "Press Run.", key="participation", dark=dark)
    took_KT = np.zeros((num_clients, len(clients_T)))
    for place, clients in enumerate(clients_T.values()):
        took_KT[list(clients), place] = 1
    counts_K = took_KT.sum(1)
    never = int((counts_K == 0).sum())
    span = f"In {len(clients_T)} round{'s' * (len(clients_T) != 1)}"
    sentence = (
        f"{span} a client took part {counts_K.mean():.1f} times on average, {int(counts_K.min())} to "
        f"{int(counts_K.max())}; {never} of {num_clients} never"
    )
    if took_KT.all():
        sentence = f"{span} every client took part each time"
    gone = [(round, client, why) for round, reasons in (dropped_T or {}).items() for client, why in reasons.items()]
    sentence += f"; {len(gone)} update{'s were' if len(gone) > 1 else ' was'} dropped" if gone else ""
    figure = sheet(sentence, key="participation", dark=dark, height=180 + 10 * min(num_clients, 40))
    look = theme(dark)
    gap = 1 if took_KT.size <= 4000 else 0
    figure.add_heatmap(
        z=took_KT,
        x=list(clients_T),
        colorscale=look.no_or_yes,
        zmin=0,
        zmax=1,
        showscale=False,
        xgap=gap,
        ygap=gap,
        customdata=np.where(took_KT > 0, "took part", "did not"),
        hovertemplate="client %{y}, round %{x}: %{customdata}<extra></extra>",
    )
    if gone:
        rounds, clients, reasons = zip(*gone, strict=True)
        figure.add_scatter(
            name="dropped",
            x=rounds,
            y=clients,
            mode="markers",
            marker={"symbol": "x", "color": VERMILLION, "size": 7},
            customdata=[html.escape(why, quote=False) for why in reasons],
            hovertemplate="client %{y}, round %{x}, dropped: %{customdata}<extra></extra>",
            showlegend=False,
        )
    cross = "; cross: its update was dropped" if gone else ""
    figure.update_xaxes(title_text=f"round (blue: took part{cross})", showgrid=False, tickformat="d")
    return figure.update_yaxes(title_text="client", showgrid=False, tickformat="d", autorange="reversed")


def _sentence(scores: np.ndarray, ranked: np.ndarray, metric: Metric) -> str:
    def said(value: float) -> str:
        return format_percent(value) if metric.higher_is_better else f"{value:.2f} years"

    worst, best = ranked[0], ranked[-1]
    mean = float(scores[ranked].mean())
    if math.isclose(scores[worst], scores[best]):
        return f"The {metric.name} of every client is {said(mean)}"
    return (
        f"The {metric.name} of a client is {said(mean)} on average, from {said(float(scores[worst]))} "
        f"(client {worst}) to {said(float(scores[best]))} (client {best})"
    )
