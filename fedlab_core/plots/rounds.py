"""One round in one picture: what travels down, what happens on the clients, what travels up, merge and purge."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from fedlab_core.plots.records import Row
from fedlab_core.plots.style import DOWNLINK, SOLID_MARKER, UPLINK, Line, format_bytes, format_percent, theme
from fedlab_core.plots.theme import sheet

CLIENTS = 5
"""Clients in the picture, whatever their real number: three at work, two that sit this round out."""
WORKING = (0, 2, 3)
CLIENT_Y, SERVER_Y = 1.1, 4.0


def round_picture(row: Row | None = None, *, num_clients: int | None = None, dark: bool = False) -> go.Figure:
    """A round of federated learning with pruning, with the numbers of a real round where one is given.

    Args:
        row: a round; without one, or with round 0, the picture has no numbers.
        num_clients: K, all clients of the federation, sampled or not.
        dark: for a dark background.
    """
    ran = row if row is not None and row["clients"] else None
    figure = sheet(_sentence(ran, num_clients), key="picture", dark=dark, height=430)
    figure.update_xaxes(visible=False, range=[0, 10], fixedrange=True)
    figure.update_yaxes(visible=False, range=[0, 5.2], fixedrange=True)
    _add_server(figure, ran, dark)
    for client in range(CLIENTS):
        _add_client(figure, client, dark)
    _add_label(
        figure, 0.1, SERVER_Y + 0.2, f"<b>1 send</b><br>the global model<br>{_each(ran, 'download_bytes')}", "left"
    )
    _add_label(
        figure, 9.9, SERVER_Y + 0.2, f"<b>3 return</b><br>what was learned<br>{_each(ran, 'upload_bytes')}", "right"
    )
    _add_label(figure, 5, 0.25, "<b>2 train</b>: each client tunes the kept weights on its own data, which stay there")
    return figure


def _add_server(figure: go.Figure, row: Row | None, dark: bool) -> None:
    """The server with a small mask beside its text: what is pruned is light."""
    look = theme(dark)
    _add_box(figure, 2.6, SERVER_Y - 0.55, 7.4, SERVER_Y + 0.95, {"color": look.ink, "width": 2.5})
    purge = f"{format_percent(row['sparsity'])} are gone now" if row else "the smallest weights go"
    text = f"<b>server</b><br><b>4 merge</b>: average the models<br><b>5 purge</b>: {purge}"
    _add_label(figure, 4.35, SERVER_Y + 0.2, text)
    sparsity = row["sparsity"] if row else 0.6
    for cell in range(16):
        # 7 and 16 have no common divisor: the pruned cells are spread, and their share is the sparsity.
        color = look.pruned if 7 * cell % 16 < round(16 * sparsity) else look.kept
        left, bottom = 6.1 + 0.26 * (cell % 4), SERVER_Y - 0.26 + 0.25 * (cell // 4)
        figure.add_shape(
            type="rect", x0=left, x1=left + 0.24, y0=bottom, y1=bottom + 0.23, fillcolor=color, line={"width": 0}
        )


def _add_client(figure: go.Figure, client: int, dark: bool) -> None:
    look, middle = theme(dark), 1 + 2 * client
    working = client in WORKING
    line: Line = {"color": look.ink if working else look.gray, "width": 2 if working else 1}
    if not working:
        line["dash"] = "dot"
    _add_box(figure, middle - 0.75, CLIENT_Y - 0.5, middle + 0.75, CLIENT_Y + 0.5, line)
    _add_label(figure, middle, CLIENT_Y, "<b>client</b><br>own data" if working else "client<br>not sampled")
    if working:
        foot = 5 + 0.45 * (middle - 5)
        _add_arrow(figure, "downlink", (foot - 0.2, SERVER_Y - 0.6), (middle - 0.25, CLIENT_Y + 0.55), DOWNLINK)
        _add_arrow(figure, "uplink", (middle + 0.25, CLIENT_Y + 0.55), (foot + 0.3, SERVER_Y - 0.6), UPLINK)


def _add_arrow(figure: go.Figure, name: str, start: tuple[float, float], end: tuple[float, float], line: Line) -> None:
    """A line with an arrow head at its end; each name is once in the legend."""
    new = name not in {trace.name for trace in figure.data}
    figure.add_scatter(
        name=name,
        x=[start[0], end[0]],
        y=[start[1], end[1]],
        mode="lines+markers",
        line=line,
        marker={"symbol": "arrow", "size": [0, 13], "angleref": "previous", "color": line["color"], **SOLID_MARKER},
        showlegend=new,
        hoverinfo="skip",
    )


def _add_box(figure: go.Figure, x0: float, y0: float, x1: float, y1: float, line: dict[str, Any]) -> None:
    figure.add_shape(type="rect", x0=x0, y0=y0, x1=x1, y1=y1, line=line)


def _add_label(figure: go.Figure, x: float, y: float, text: str, anchor: str = "center") -> None:
    figure.add_annotation(x=x, y=y, text=text, xanchor=anchor, align=anchor, showarrow=False, font={"size": 12})


def _each(row: Row | None, field: str) -> str:
    return f"{format_bytes(row[field] / len(row['clients']))} each" if row else "in few bytes"


def _sentence(row: Row | None, num_clients: int | None) -> str:
    if row is None:
        return "One round: the server sends the model, clients train it on their data, the server merges and prunes"
    sampled = len(row["clients"])
    who = f"{sampled} of {num_clients} clients" if num_clients else f"{sampled} client{'s' * (sampled > 1)}"
    total, gone = format_bytes(row["upload_bytes"] + row["download_bytes"]), format_percent(row["sparsity"])
    return f"Round {row['round']}: {who} trained, {total} travelled, {gone} of weights are gone"
