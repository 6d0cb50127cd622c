"""Where clients pull: the length and the direction of their updates, and all of them on a plane."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from fedlab_core.plots.style import CIVIDIS, RUNS, VERMILLION, format_percent, theme
from fedlab_core.plots.theme import nothing_yet, sheet

if TYPE_CHECKING:
    from fedlab_core.drift import Drift

COMPUTE = "Press the button that computes the last rounds again."
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "star", "cross", "pentagon", "hexagon", "x")
"""One for each dominant label, in its order; they repeat after the last, with another colour beside them."""

ROOM = (0.05, 0.08)
"""Of the axes' lengths, across and up: what a client's number needs in a narrow figure."""


def drift_scatter(drift: Drift | None, *, dark: bool = False) -> go.Figure:
    """How long each client's update is, and how well it points where the server goes; of the last round.

    A client's number stands at its point where there is room; pointing at it shows the number always.

    Args:
        drift: `fedlab_core.drift.measure_drift`; without one, says what to do.
        dark: for a dark background.
    """
    if drift is None:
        return nothing_yet("No updates to compare", COMPUTE, key="drift", dark=dark)
    last = drift.rounds_R[-1]
    here = [place for place, round in enumerate(drift.rounds_N) if round == last]
    clients, norms, cosines = [drift.clients_N[i] for i in here], drift.norm_N[here], drift.cosine_N[here]
    step, look = float(drift.step_norm_R[-1]), theme(dark)
    figure = sheet(_drift_sentence(last, clients, norms.numpy(), cosines.numpy(), step), key="drift", dark=dark)
    low = min(0.0, float(np.nanmin(cosines.numpy())) if not cosines.isnan().all() else 0.0)
    alone = _alone(norms.numpy() / (max(float(norms.max()), step) or 1.0), cosines.numpy() / (1.12 - 1.1 * low))
    figure.add_scatter(
        name="client",
        x=norms.tolist(),
        y=[None if cosine != cosine else cosine for cosine in cosines.tolist()],
        mode="markers+text",
        text=[str(client) if free else "" for client, free in zip(clients, alone, strict=True)],
        textposition="top center",
        customdata=clients,
        marker={"color": look.kept, "size": 8, "symbol": "circle"},
        hovertemplate="client %{customdata}: length %{x:.3g}, cosine %{y:.2f}<extra></extra>",
    )
    side = "top left" if 2 * step > float(norms.max()) else "top right"
    said = {"text": "server's step", "bgcolor": look.surface}
    figure.add_vline(x=step, line=look.reference, annotation=said, annotation_position=side)
    figure.update_xaxes(title_text="length of the update", rangemode="tozero")
    figure.update_yaxes(title_text="cosine with the server's step", range=[1.1 * low - 0.02, 1.1])
    return figure.update_layout(showlegend=False)


def update_map(drift: Drift | None, labels: Mapping[int, str] | None = None, *, dark: bool = False) -> go.Figure:
    """The updates on the two axes along which they differ most; a client's rounds are joined by a line.

    Args:
        drift: `fedlab_core.drift.measure_drift`; without one, says what to do.
        labels: the label that most examples of a client have, by id: clients of one label have one symbol.
        dark: for a dark background.
    """
    if drift is None:
        return nothing_yet("No updates to draw", COMPUTE, key="updates", dark=dark)
    known, look = labels or {}, theme(dark)
    points, explained = drift.point_N2.numpy(), sum(drift.explained_2)
    figure = sheet(_map_sentence(drift, explained), key="updates", dark=dark, subtitle=_how(drift), height=460)
    groups = sorted({known.get(client, "") for client in drift.clients_N}, key=_by_number)
    for place, group in enumerate(groups):
        color, symbol = RUNS[place % len(RUNS)][0], SYMBOLS[place % len(SYMBOLS)]
        mine = sorted({client for client in drift.clients_N if known.get(client, "") == group})
        xs: list[float | None] = []
        ys: list[float | None] = []
        said: list[list[int]] = []
        for client in mine:
            rows = [i for i, other in enumerate(drift.clients_N) if other == client]
            xs += [*points[rows, 0].tolist(), None]  # a gap before the next client
            ys += [*points[rows, 1].tolist(), None]
            said += [*([client, drift.rounds_N[i]] for i in rows), [client, 0]]
        figure.add_scatter(
            name=f"mostly {group}" if group else "clients",
            x=xs,
            y=ys,
            mode="lines+markers",
            customdata=said,
            line={"color": color, "width": 1},
            marker={"color": color, "symbol": symbol, "size": 9},
            hovertemplate="client %{customdata[0]}, round %{customdata[1]}"
            + (f", mostly {group}" if group else "")
            + "<extra></extra>",
        )
    figure.add_scatter(
        name="server's step",
        x=drift.step_point_R2[:, 0].tolist(),
        y=drift.step_point_R2[:, 1].tolist(),
        mode="lines+markers",
        customdata=drift.rounds_R,
        line={"color": look.ink, "width": 2},
        marker={"color": VERMILLION, "symbol": "star", "size": 13, "line": {"color": look.ink, "width": 1}},
        hovertemplate="server's step of round %{customdata}<extra></extra>",
    )
    figure.update_xaxes(title_text=f"first axis ({format_percent(drift.explained_2[0])})")
    return figure.update_yaxes(title_text=f"second axis ({format_percent(drift.explained_2[1])})")


def drift_grid(cells: Mapping[tuple[str, str], tuple[float, float]], *, dark: bool = False) -> go.Figure:
    """How alike the directions of the clients' updates are, and how far apart their models end up, by setting.

    Args:
        cells: mean cosine and spread (`fedlab_core.drift.mean_cosine`, `spread`) by row and column, e.g. skew and
            local epochs; every row has every column.
        dark: for a dark background.
    """
    if not cells:
        return nothing_yet("No rounds to compare", "Run a round under each setting.", key="drift-grid", dark=dark)
    rows, columns = (list(dict.fromkeys(names)) for names in zip(*cells, strict=True))
    cosines = {cell: cosine for cell, (cosine, _) in cells.items()}
    low, high = min(cosines, key=cosines.__getitem__), max(cosines, key=cosines.__getitem__)
    ends = [f"{cosines[cell]:.2f} with {', '.join(cell)}" for cell in (low, high)]
    figure = sheet(
        f"Two clients' updates have cosine {ends[0]}, and {ends[1]}",
        key="drift-grid",
        dark=dark,
        subtitle="Colour: mean cosine over pairs of clients. Spread: distance of the clients' models to their mean.",
        height=170 + 60 * len(rows),
    )
    figure.add_heatmap(
        z=[[cells[row, column][0] for column in columns] for row in rows],
        x=columns,
        y=rows,
        text=[["cosine {:.2f}<br>spread {:.2f}".format(*cells[row, column]) for column in columns] for row in rows],
        texttemplate="%{text}",
        colorscale=CIVIDIS,
        zmin=0,
        zmax=1,
        colorbar={"title": {"text": "cosine"}},
        hovertemplate="%{y}, %{x}: %{text}<extra></extra>",
        xgap=2,
        ygap=2,
    )
    figure.update_xaxes(type="category", showgrid=False)
    return figure.update_yaxes(type="category", autorange="reversed", showgrid=False)


def _alone(across_N: np.ndarray, up_N: np.ndarray) -> np.ndarray:
    """For which points a number has room: no other point is within `ROOM`; places are shares of the axes."""
    near_NN = abs(across_N[:, None] - across_N) < ROOM[0]
    near_NN &= abs(up_N[:, None] - up_N) < ROOM[1]
    np.fill_diagonal(near_NN, False)
    return ~near_NN.any(1)


def _by_number(label: str) -> tuple[int, str]:
    return (int(label), "") if label.isdecimal() else (10**9, label)


def _how(drift: Drift) -> str:
    joined = " A line joins a client's rounds." if len(drift.rounds_R) > 1 else ""
    return f"PCA of the clients' updates. Symbol: the label that most of a client's examples have.{joined}"


def _map_sentence(drift: Drift, explained: float) -> str:
    first, last = drift.rounds_R[0], drift.rounds_R[-1]
    when = f"rounds {first} to {last}" if last > first else f"round {last}"
    if not explained:
        return f"The updates of {when} do not differ"
    return f"Two axes hold {format_percent(explained)} of what the {len(drift.rounds_N)} updates of {when} differ by"


def _drift_sentence(round: int, clients: list[int], norms: np.ndarray, cosines: np.ndarray, step: float) -> str:
    """The mean angle, who points away most, and how much of the clients' way cancels out."""
    known = ~np.isnan(cosines)
    if not known.any() or not step:
        return f"In round {round} nobody has moved"
    away = int(np.nanargmin(cosines))
    times = float(norms.mean()) / step
    return (
        f"In round {round} an update has cosine {np.nanmean(cosines):.2f} with the server's step on average, that of "
        f"client {clients[away]} the lowest, {cosines[away]:.2f}; updates are {times:.1f} times as long as that step"
    )
