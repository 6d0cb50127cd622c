"""Notebook 02: how a data set is spread over clients, and how unlike the clients' labels are then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from fedlab_core.data.federated import FederatedData
from fedlab_core.data.skew import mean_emd, mean_js_divergence
from fedlab_core.experiment import Experiment
from fedlab_core.lab import Federation
from fedlab_core.lessons.widgets.explorer import Explorer, choice, slider, steps
from fedlab_core.plots.data import label_heatmap
from fedlab_core.plots.theme import sheet

ALPHAS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
STILL_ALPHAS = (0.05, 0.5, 100)
STILL_BRIGHTEST = 3
"""Cells with so many times the mean are as bright as can be, in all three pictures alike."""
KINDS = {"Dirichlet": "dirichlet", "labels per client": "shards", "power-law sizes": "quantity", "IID": "iid"}
MATTERS = {"dirichlet": "alpha", "shards": "labels_per_client", "quantity": "size_power", "iid": ""}
"""The control that each kind of partition looks at, beside the number of clients and the seed."""


def partition_explorer(base: Experiment) -> Explorer:
    """Choose a partition and its strength; see who holds which labels, and how skewed that is.

    Args:
        base: gives the data set, and where the sliders stand at first.
    """
    data = base.data
    controls = {
        "partition": choice("partition", KINDS),
        "alpha": steps("alpha (log scale)", data.alpha, ALPHAS),
        "labels_per_client": slider("labels per client", data.labels_per_client, 1, 10),
        "size_power": slider("power of the sizes", data.size_power, 0, 3, 0.05),
        "num_clients": slider("clients K", data.num_clients, 2, 40),
        "seed": slider("seed", data.seed, 0, 20),
    }

    def draw(**values: Any) -> tuple[go.Figure, str]:
        split = _split(base, values)
        return label_heatmap(split.label_counts_KC, split.dataset.class_names), skew_sentence(split)

    return Explorer(draw, controls, still=lambda: _still(base), shows=_shown)


def skew_sentence(split: FederatedData) -> str:
    """Both skew measures and the range of sizes, in a line."""
    counts_KC, sizes_K = split.label_counts_KC, split.sizes
    return (
        f"Mean Jensen-Shannon divergence to all labels: {mean_js_divergence(counts_KC):.2f} bits of at most 1. "
        f"Mean earth mover's distance: {mean_emd(counts_KC):.2f} of at most 2. "
        f"Sizes: {int(sizes_K.min())} to {int(sizes_K.max())} examples."
    )


def _shown(partition: str, **_: Any) -> Sequence[str]:
    return "partition", MATTERS[partition], "num_clients", "seed"


def _split(base: Experiment, values: dict[str, Any]) -> FederatedData:
    return Federation.of(base.replace({f"data.{name}": value for name, value in values.items()})).data


def _still(base: Experiment) -> go.Figure:
    """Three strengths of Dirichlet skew, on one scale of colours."""
    splits = [_split(base, {"partition": "dirichlet", "alpha": alpha}) for alpha in STILL_ALPHAS]
    skews = [mean_js_divergence(split.label_counts_KC) for split in splits]
    names = [f"alpha = {alpha:g}: {skew:.2f} bits" for alpha, skew in zip(STILL_ALPHAS, skews, strict=True)]
    row = make_subplots(cols=len(splits), subplot_titles=names, shared_yaxes=True)
    for column, split in enumerate(splits, start=1):
        heatmap = label_heatmap(split.label_counts_KC, split.dataset.class_names).data[0]
        row.add_trace(heatmap, row=1, col=column)
    brightest = STILL_BRIGHTEST * float(splits[0].label_counts_KC.double().mean())
    row.update_traces(zmax=brightest, showscale=False)
    row.update_xaxes(title_text="client", showgrid=False)
    row.update_yaxes(type="category", autorange="reversed", showgrid=False).update_yaxes(title_text="label", col=1)
    row.update_annotations(font={"size": 13})
    weak, strong = STILL_ALPHAS[-1], STILL_ALPHAS[0]
    sentence = f"From alpha {strong:g} to {weak:g} the labels become alike: {skews[0]:.2f} to {skews[-1]:.2f} bits"
    look = sheet(sentence, key="still", dark=False, height=300).layout
    return row.update_layout(template=look.template, title=look.title, height=look.height, margin=look.margin)
