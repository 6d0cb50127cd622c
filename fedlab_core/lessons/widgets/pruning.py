"""Notebook 04: one trained network under any score, scope and sparsity."""

from __future__ import annotations

import plotly.graph_objects as go

from fedlab_core.lessons.one_network import Network, Score, Sharing, keep
from fedlab_core.lessons.widgets.explorer import Explorer, choice, steps
from fedlab_core.plots.pruning import mask_row, pruned_network
from fedlab_core.plots.style import format_percent

SPARSITIES = (0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998)
SCORES: dict[str, Score] = {"magnitude |w|": "magnitude", "random": "random", "SNIP |w g|": "snip"}
SHARINGS: dict[str, Sharing] = {"global": "global", "each layer alike": "layer", "ERK": "erk"}
STILL_SPARSITY = 0.9


def pruning_explorer(network: Network) -> Explorer:
    """Prune `network` at once: choose score, scope and sparsity; see a layer's mask and the density of all layers.

    Args:
        network: `fedlab_core.lessons.one_network.trained`. It is not tuned after the cut.
    """
    dense, names = network.accuracy(), list(network.weights)
    scores = {kind: network.scores(kind) for kind in SCORES.values()}
    controls = {
        "sparsity": steps("sparsity", 0.9, SPARSITIES),
        "score": choice("score", dict(SCORES)),
        "sharing": choice("scope", dict(SHARINGS)),
        "layer": choice("show", {name: name for name in names}),
    }

    def draw(sparsity: float, score: Score, sharing: Sharing, layer: str) -> tuple[go.Figure, str]:
        masks = keep(scores[score], sparsity, sharing)
        right = format_percent(network.accuracy(masks))
        text = f"Without any tuning {right} of the test images are right; dense: {format_percent(dense)}."
        return pruned_network(masks, layer), text

    def still() -> go.Figure:
        layer, cut = names[0], {title: keep(scores[kind], STILL_SPARSITY, "global") for title, kind in SCORES.items()}
        right = {title: format_percent(network.accuracy(masks)) for title, masks in cut.items()}
        sentence = f"{layer} at {format_percent(STILL_SPARSITY)} sparsity, by three scores"
        return mask_row({f"{title}: {right[title]} right": masks[layer] for title, masks in cut.items()}, sentence)

    return Explorer(draw, controls, still=still)
