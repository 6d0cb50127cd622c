"""One step of a round as a large picture for the projector: who acts, what travels, and what is pruned by now."""

from __future__ import annotations

import plotly.graph_objects as go

from fedlab_core.plots.drawing import Part, arrow, box, label, mask_cells
from fedlab_core.plots.style import (
    DOWNLINK,
    UPLINK,
    Line,
    format_bytes,
    format_percent,
    format_score,
    theme,
)
from fedlab_core.plots.theme import sheet
from fedlab_core.theatre import Scene

CLIENTS = 6
"""Clients in the picture; of more, the first."""

NAMES = {
    "send": "Send",
    "train": "Train",
    "prune": "Prune on the clients",
    "return": "Return",
    "merge": "Merge",
    "vote": "Vote",
    "purge": "Prune on the server",
    "devices": "Sub-networks",
}
"""What each step is called."""

_ON_SERVER = ("merge", "vote", "purge", "devices")
_ON_CLIENTS = ("train", "prune", "devices")
_SERVER_Y, _CLIENT_TOP, _CLIENT_BOTTOM = 4.9, 2.75, 0.5
_SIZE = 15


def scene_picture(scene: Scene, number: int, of: int, *, dark: bool = False) -> go.Figure:
    """The scene; what acts in it has thick lines.

    Args:
        scene: of `fedlab_core.theatre.scenes`.
        number: which step of the round it is, from 1 on.
        of: how many the round has.
        dark: for a dark background.
    """
    where = f"Round {scene.round}, step {number} of {of}: {NAMES[scene.step].lower()}"
    figure = sheet(scene_sentence(scene), key="theatre", dark=dark, subtitle=where, height=430)
    figure.update_layout(title_font_size=20, title_subtitle_font_size=15)
    figure.update_xaxes(visible=False, range=[0, 12], fixedrange=True)
    figure.update_yaxes(visible=False, range=[0, 5.9], fixedrange=True)
    drawn = range(min(CLIENTS, len(scene.clients)))
    shapes = [_frame(3.4, _SERVER_Y - 0.85, 8.6, _SERVER_Y + 0.85, scene.step in _ON_SERVER, dark)]
    shapes += mask_cells(scene.server_sparsity, 7.2, _SERVER_Y - 0.5, dark)
    texts = [label(5.2, _SERVER_Y, f"<b>server</b><br>{format_percent(scene.server_sparsity)} pruned", size=_SIZE + 2)]
    for place in drawn:
        middle = _middle(place, len(drawn))
        acts = scene.step in _ON_CLIENTS
        shapes.append(_frame(middle - 0.85, _CLIENT_BOTTOM, middle + 0.85, _CLIENT_TOP, acts, dark))
        if scene.client_sparsity is not None:
            shapes += mask_cells(scene.client_sparsity, middle - 0.52, _CLIENT_BOTTOM + 0.12, dark)
        name = f"<b>client {scene.clients[place]}</b><br>{_own(scene, place)}"
        texts.append(label(middle, 2.2, name, size=_SIZE - 1))
    if len(scene.clients) > CLIENTS:
        texts.append(label(6, 0.2, f"and {len(scene.clients) - CLIENTS} more clients", size=_SIZE))
    figure.update_layout(shapes=shapes, annotations=texts)
    return figure.add_traces([part for place in drawn for part in _arrow(scene, place, len(drawn))])


def scene_sentence(scene: Scene) -> str:
    """What happens, with the numbers of the round."""
    count, values = len(scene.clients), scene.values
    clients = f"{count} client{'s' * (count > 1)}"
    if scene.step == "send":
        return f"The server sends its model to {count} of {scene.num_clients} clients: {format_bytes(scene.total or 0)}"
    if scene.step == "train":
        gates = "; each image opens the channels that matter for it" if "gated layers" in values else ""
        return f"{clients} train on {sum(scene.each):,.0f} examples of their own, which stay where they are{gates}"
    if scene.step == "prune":
        asked = f"; the schedule asks for {format_percent(values['target'])}" if "target" in values else ""
        return f"Each client prunes its own model before it sends it{asked}"
    if scene.step == "return":
        mean = format_bytes((scene.total or 0) / count)
        return f"{clients} return {format_bytes(scene.total or 0)}, {mean} each on average"
    score = {name: format_score(scene.metric, values[name]) for name in ("before", "after") if name in values}
    if scene.step == "merge":
        return (
            f"The server merges {count} model{'s' * (count > 1)} into one; its {scene.metric.name} is {score['before']}"
        )
    if scene.step == "vote":
        return (
            f"{values['votes needed']:.0f} of {count} votes keep a weight; clients agree on "
            f"{format_percent(values['unanimous'])} of them, and {values.get('pruned', 0):,.0f} go"
        )
    if scene.step == "purge":
        grown = f" and {values['grown']:,.0f} come back" if values.get("grown") else ""
        gone = format_percent(scene.server_sparsity)
        return f"{values.get('pruned', 0):,.0f} weights go{grown}: {gone} are pruned, the {_score_now(scene, score)}"
    low, high = format_percent(min(scene.each)), format_percent(max(scene.each))
    kept = low if low == high else f"{low} to {high}"
    return f"Each device keeps a sub-network of its own: {kept} of the FLOPs of the whole network"


def scene_facts(scene: Scene) -> dict[str, str]:
    """The numbers of a scene by name, for people."""
    values = scene.values
    facts = {
        "clients": f"{len(scene.clients)} of {scene.num_clients}",
        "sparsity": format_percent(scene.server_sparsity),
    }
    if "target" in values:
        facts["the schedule asks for"] = format_percent(values["target"])
    if scene.total is not None:
        facts["bytes, all clients"] = format_bytes(scene.total)
    for name, words in (("before", "just before pruning"), ("after", "after the round")):
        if name in values:
            facts[f"{scene.metric.name}, {words}"] = format_score(scene.metric, values[name])
    if "training loss" in values:
        facts["training loss"] = f"{values['training loss']:.3g}"
    for name in ("pruned", "grown"):
        if name in values:
            facts[f"weights {name}"] = f"{values[name]:,.0f}"
    if "server's FLOPs" in values:
        facts["FLOPs of the server's network"] = format_percent(values["server's FLOPs"])
    return facts


def _score_now(scene: Scene, score: dict[str, str]) -> str:
    if score["before"] == score["after"]:
        return f"{scene.metric.name} stays {score['after']}"
    return f"{scene.metric.name} goes from {score['before']} to {score['after']}"


def _own(scene: Scene, place: int) -> str:
    """What is known of one client in this step."""
    if not scene.each:
        return f"{format_bytes(scene.total / len(scene.clients))}, mean" if scene.total is not None else ""
    value = scene.each[place]
    if scene.step == "send":
        return format_bytes(value)
    return f"{format_percent(value)} of FLOPs" if scene.step == "devices" else f"{value:,.0f} examples"


def _arrow(scene: Scene, place: int, drawn: int) -> list[Part]:
    """What travels to or from a client, if anything does."""
    if scene.step not in ("send", "return"):
        return []
    middle = _middle(place, drawn)
    foot = 6 + 0.4 * (middle - 6)
    top, bottom = _SERVER_Y - 0.9, _CLIENT_TOP + 0.05
    if scene.step == "send":
        return [arrow("downlink", (foot, middle), (top, bottom), DOWNLINK, place == 0)]
    return [arrow("uplink", (middle, foot), (bottom, top), UPLINK, place == 0)]


def _frame(x0: float, y0: float, x1: float, y1: float, acts: bool, dark: bool) -> Part:
    """The box of somebody: thick and solid where something is done, thin and dotted where not."""
    look = theme(dark)
    line: Line = {"color": look.ink, "width": 3.5} if acts else {"color": look.gray, "width": 1.5, "dash": "dot"}
    return box(x0, y0, x1, y1, line)


def _middle(place: int, drawn: int) -> float:
    return 6 + 2 * (place - (drawn - 1) / 2)
