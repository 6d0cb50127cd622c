"""Notebook 05: what a sparsity saves of bytes and of FLOPs, by what is pruned and how the mask is encoded."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, get_args

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from fedlab_core.encodings import DENSE, SHORTEST, MessageBytes, Structure, message_bytes
from fedlab_core.experiment import Experiment
from fedlab_core.lab import Federation
from fedlab_core.lessons.widgets.explorer import Explorer, choice, steps
from fedlab_core.plots.savings import Saving, three_costs
from fedlab_core.plots.style import format_bytes, format_percent
from fedlab_core.plots.theme import sheet
from fedlab_core.pruning.masks import apply_masks, full_masks, prunable_names, purge
from fedlab_core.pruning.units import hidden_units, purge_units
from fedlab_core.speed import NetworkFlops, network_flops
from fedlab_core.types import Masks, ServerState

ENCODINGS = {
    "bitmap": "bitmap",
    "positions (COO)": "indices",
    "gaps (entropy coder)": "gaps",
    "the shortest for each layer": SHORTEST,
    "dense, zeros and all": DENSE,
}
SPARSITIES = (0.0, 0.2, 0.4, 0.6, 0.75, 0.9, 0.95, 0.99)
START = 0.9
WORDS = {"single weights": "scattered weights", "whole units": "whole units"}


class Point(NamedTuple):
    """One network at one sparsity: its message in every encoding, and its FLOPs."""

    message: MessageBytes
    flops: NetworkFlops

    def saving(self, encoding: str) -> Saving:
        """As shares of dense, with the mask in one encoding."""
        sizes, flops = self.message.by_encoding, self.flops
        message = sizes[encoding] / sizes[DENSE]
        return Saving(self.message.sparsity, message, flops.weighted / flops.dense, flops.slimmed / flops.dense)


def cost_explorer(base: Experiment) -> Explorer:
    """Choose what is pruned, the encoding and the sparsity; three costs, as shares of the dense network's.

    Args:
        base: gives the model and the shape of its input. Its weights are untrained: costs do not depend on values.
    """
    federation = Federation.of(base)
    server = federation.start().server
    structures: tuple[Structure, ...] = get_args(Structure)
    # Sixteen networks, worked out once: no slider has to wait.
    points = {
        structure: {at: _point(federation, server, _pruned(federation, server, structure, at)) for at in SPARSITIES}
        for structure in structures
    }
    controls = {
        "structure": choice("what is pruned", {WORDS[structure]: structure for structure in structures}),
        "encoding": choice("encoding of the mask", ENCODINGS),
        "sparsity": steps("sparsity", START, SPARSITIES),
    }

    def draw(structure: Structure, encoding: str, sparsity: float) -> tuple[go.Figure, str]:
        savings = {target: point.saving(encoding) for target, point in points[structure].items()}
        figure = three_costs(list(savings.values()), savings[sparsity])
        return figure, _text(points[structure][sparsity].message.by_encoding, encoding)

    return Explorer(draw, controls, still=partial(_still, points))


def _pruned(federation: Federation, server: ServerState, structure: Structure, target: float) -> Masks:
    """Weights by magnitude; or units with all that belongs to them, biases and norms included."""
    if structure == "single weights":
        return purge(server.params, full_masks(server.params, prunable_names(server.params)), target)
    everything = full_masks(server.params, prunable_names(server.params, include_vectors=True))
    return purge_units(server.params, everything, target, hidden_units(federation.model))


def _point(federation: Federation, server: ServerState, masks: Masks) -> Point:
    pruned = replace(server, params=apply_masks(server.params, masks), masks=masks)
    return Point(message_bytes(pruned.params, pruned.buffers, masks), network_flops(federation, pruned))


def _text(sizes: dict[str, float], encoding: str) -> str:
    dense, sent = format_bytes(sizes[DENSE]), sizes[encoding]
    shortest = sizes[SHORTEST]
    more = f"; the shortest forms take {format_bytes(shortest)}" if sent > 1.001 * shortest else ""
    return f"The message takes {format_bytes(sent)} of {dense} dense ({format_percent(sent / sizes[DENSE])}){more}."


def _still(points: dict[Structure, dict[float, Point]]) -> go.Figure:
    """Scattered weights beside whole units, each message in its shortest form."""
    row = make_subplots(cols=len(points), subplot_titles=[WORDS[one] for one in points], shared_yaxes=True)
    for column, of_structure in enumerate(points.values(), start=1):
        drawn = three_costs([point.saving(SHORTEST) for point in of_structure.values()])
        for trace in drawn.data:
            if trace.showlegend is not False:
                row.add_trace(trace.update(showlegend=column == 1), row=1, col=column)
    scattered, units = (of_structure[START].saving(SHORTEST) for of_structure in points.values())
    sentence = (
        f"Without {format_percent(scattered.sparsity)} of its weights, scattered, a network computes "
        f"{format_percent(scattered.computed)} of its FLOPs; without {format_percent(units.sparsity)} as whole units, "
        f"{format_percent(units.computed)}"
    )
    look: Any = sheet(sentence, key="still", dark=False, height=400).layout
    row.update_xaxes(title_text="sparsity", tickformat=".0%", range=[-0.02, 1.02])
    row.update_yaxes(tickformat=".0%", range=[0, 1.06]).update_yaxes(title_text="share of dense", col=1)
    row.update_annotations(font={"size": 13})
    margin = {**look.margin.to_plotly_json(), "t": look.margin.t + 14}
    return row.update_layout(
        template=look.template, title=look.title, height=look.height, margin=margin, legend=look.legend
    )
