"""One round in one picture: what travels down, what happens on the clients, what travels up, merge and purge."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from fedlab_core.left_out import dropped
from fedlab_core.plots.drawing import Part, arrow, box, label, mask_cells
from fedlab_core.plots.records import Row
from fedlab_core.plots.style import DOWNLINK, UPLINK, Line, format_bytes, format_percent, theme
from fedlab_core.plots.theme import sheet

CLIENTS = range(5)
"""Clients in the picture, whatever their real number."""
SOME = (0, 2, 3)
"""Which of them work in a round that samples; the others sit it out."""
CLIENT_Y, SERVER_Y = 1.1, 4.2


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
    server = box(2.6, SERVER_Y - 0.75, 7.4, SERVER_Y + 0.75, {"color": theme(dark).ink, "width": 2.5})
    working = CLIENTS if ran and len(ran["clients"]) == num_clients else SOME
    clients = [_client_box(client, client in working, dark) for client in CLIENTS]
    figure.update_layout(shapes=[server, *clients, *_small_mask(ran, dark)], annotations=_labels(ran, working))
    return figure.add_traces([arrow for client in working for arrow in _arrows(client)])


def _labels(row: Row | None, working: Sequence[int]) -> list[Part]:
    """The five steps, in the order of the round, and what each box is."""
    purge = f"{format_percent(row['sparsity'])} are gone now" if row else "the smallest weights go"
    sent, returned = _each(row, "download_bytes"), _each(row, "upload_bytes")
    train = "<b>2 train</b>: each client tunes the kept weights on its own data, which stay there"
    server = f"<b>server</b><br><b>4 merge</b>: average the models<br><b>5 purge</b>: {purge}"
    client = ("client<br>not sampled", "<b>client</b><br>own data")
    return [
        label(0.1, SERVER_Y, f"<b>1 send</b><br>the global model<br>{sent}", "left"),
        label(5, 0.25, train),
        label(9.9, SERVER_Y, f"<b>3 return</b><br>what was learned<br>{returned}", "right"),
        label(4.35, SERVER_Y, server),
        *[label(_middle(k), CLIENT_Y, client[k in working]) for k in CLIENTS],
    ]


def _small_mask(row: Row | None, dark: bool) -> list[Part]:
    """Sixteen weights in the server's box; as many are pruned as the model is sparse, but one is left while any is."""
    return mask_cells(row["sparsity"] if row else 0.6, 6.1, SERVER_Y - 0.49, dark)


def _client_box(client: int, works: bool, dark: bool) -> Part:
    look, middle = theme(dark), _middle(client)
    line: Line = {"color": look.ink, "width": 2} if works else {"color": look.gray, "dash": "dot"}
    return box(middle - 0.75, CLIENT_Y - 0.5, middle + 0.75, CLIENT_Y + 0.5, line)


def _arrows(client: int) -> list[Part]:
    """Down to the client and up again; one of each is named in the legend."""
    middle, top, bottom = _middle(client), SERVER_Y - 0.8, CLIENT_Y + 0.55
    foot = 5 + 0.45 * (middle - 5)
    ends = {"downlink": ((foot - 0.2, middle - 0.25), (top, bottom), DOWNLINK)}
    ends["uplink"] = ((middle + 0.25, foot + 0.3), (bottom, top), UPLINK)
    return [arrow(name, xs, ys, line, client == CLIENTS[0]) for name, (xs, ys, line) in ends.items()]


def _middle(client: int) -> float:
    return 1.0 + 2 * client


def _each(row: Row | None, field: str) -> str:
    return f"{format_bytes(row[field] / len(row['clients']))} each" if row else "in few bytes"


def _sentence(row: Row | None, num_clients: int | None) -> str:
    if row is None:
        return "One round: the server sends the model, clients train it on their data, the server merges and prunes"
    sampled = len(row["clients"])
    who = f"{sampled} of {num_clients} clients" if num_clients else f"{sampled} client{'s' * (sampled > 1)}"
    total, gone = format_bytes(row["upload_bytes"] + row["download_bytes"]), format_percent(row["sparsity"])
    lost = f", {len(dropped(row))} of them in vain" if dropped(row) else ""
    return f"Round {row['round']}: {who} trained{lost}, {total} travelled, {gone} of weights are gone"
