"""All layers, or all clients, at once: density by layer and round, changes by layer, overlap of clients' masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from fedlab_core.plots.records import Row
from fedlab_core.plots.style import CIVIDIS, GROWN_SINCE, PRUNED_SINCE, format_percent, theme
from fedlab_core.plots.theme import no_rounds, nothing_yet, sheet

if TYPE_CHECKING:
    from fedlab_core.types import Masks


def layer_density_heatmap(rows: Sequence[Row], *, dark: bool = False) -> go.Figure:
    """Density (kept / all weights) of every layer in every round; the first layer on top.

    A layer that a round does not have (it was cut) leaves a gap.
    """
    if not rows:
        return no_rounds("density", dark)
    latest = rows[-1]["layer_density"]
    if not latest:
        return _nothing_prunable("density", dark)
    names = list(dict.fromkeys(name for row in rows for name in row["layer_density"]))
    thin, full = min(latest, key=latest.__getitem__), max(latest, key=latest.__getitem__)
    sentence = (
        f"After round {rows[-1]['round']} {thin} keeps {format_percent(latest[thin])} of its weights, the least; "
        f"{full} keeps {format_percent(latest[full])}, the most"
    )
    figure = sheet(sentence, key="density", dark=dark, height=140 + 34 * len(names))
    density = [[row["layer_density"].get(name) for row in rows] for name in names]
    hover = "%{y}, round %{x}: %{z:.1%} kept<extra></extra>"
    bar = {"title": {"text": "kept"}, "tickformat": ".0%"}
    figure.add_heatmap(
        z=density, x=[row["round"] for row in rows], y=names, colorscale=CIVIDIS, zmin=0, zmax=1, colorbar=bar
    )
    figure.update_traces(hovertemplate=hover)
    figure.update_xaxes(title_text="round", showgrid=False, tickformat="d")
    return figure.update_yaxes(autorange="reversed", showgrid=False)


def kept_changes_bars(before: Masks | None, after: Masks, *, dark: bool = False) -> go.Figure:
    """Shares of each layer: kept in both, grown since `before`, pruned since, pruned in both; counts beside the names.

    Args:
        before, after: masks with the same names and shapes; without `before`, only what is kept is shown.
        dark: for a dark background.
    """
    if not after:
        return _nothing_prunable("changes", dark)
    totals, counts = [mask.numel() for mask in after.values()], _count_changes(before or after, after)
    pruned, grown = sum(counts["pruned since"]), sum(counts["grown since"])
    kept = (sum(counts["kept"]) + grown) / sum(totals)
    changed = f"{pruned:,} weights were pruned and {grown:,} grown; " if before else ""
    sentence = f"{changed}{format_percent(kept)} of all are kept"
    figure = sheet(sentence, key="changes", dark=dark, height=150 + 40 * len(totals))
    changes = zip(after, counts["pruned since"], counts["grown since"], strict=True)
    layers = [f"{name}<br>{_change_text(lost, gained)}" if before else name for name, lost, gained in changes]
    look = theme(dark)
    marks = ((look.kept, ""), (GROWN_SINCE, "+"), (PRUNED_SINCE, "x"), (look.pruned, ""))
    for (name, numbers), (color, mark) in zip(counts.items(), marks, strict=True):
        _add_bars(figure, name, layers, numbers, totals, color, mark)
    figure.update_xaxes(title_text="share of the layer's weights", tickformat=".0%", range=[0, 1])
    figure.update_yaxes(autorange="reversed")
    return figure.update_layout(barmode="stack", legend_traceorder="normal")


def overlap_heatmap(
    names: Sequence[str], iou_KK: ArrayLike, *, of: str = "weights", does: str = "keeps", dark: bool = False
) -> go.Figure:
    """Overlap of the kept weights of every two clients.

    Args:
        names: of the K clients.
        iou_KK: intersection over union in [0, 1], K x K (`pruning.masks.overlaps`).
        of, does: what overlaps, and what a client does with it, in the sentence.
        dark: for a dark background.

    Raises:
        ValueError: not one row and one column a name.
    """
    overlap_KK = np.asarray(iou_KK, dtype=float)
    if overlap_KK.size == 0 and not names:
        step = "Run a method with a mask for each client, for example FedSparsify-Local."
        return nothing_yet("No masks to compare", step, key="overlap", dark=dark)
    if overlap_KK.shape != (len(names), len(names)):
        raise ValueError(f"iou_KK has shape {overlap_KK.shape}; allowed is {(len(names), len(names))}, one a name")
    figure = sheet(_overlap_sentence(names, overlap_KK, of, does), key="overlap", dark=dark, height=480)
    bar = {"title": {"text": "IoU"}}
    figure.add_heatmap(z=overlap_KK, x=list(names), y=list(names), colorscale=CIVIDIS, zmin=0, zmax=1, colorbar=bar)
    figure.update_traces(hovertemplate="%{y} and %{x}: %{z:.2f}<extra></extra>")
    figure.update_xaxes(showgrid=False, type="category")
    return figure.update_yaxes(showgrid=False, type="category", autorange="reversed")


def _nothing_prunable(key: str, dark: bool) -> go.Figure:
    step = "Choose a strategy that prunes, and a model with weight matrices or kernels."
    return nothing_yet("No weights carry a mask here", step, key=key, dark=dark)


def _count_changes(before: Masks, after: Masks) -> dict[str, list[int]]:
    """Weights of each layer by what became of them, in the order of the bars."""
    pairs = [(before[name].cpu().numpy(), mask.cpu().numpy()) for name, mask in after.items()]
    return {
        "kept": [int(np.count_nonzero(old & new)) for old, new in pairs],
        "grown since": [int(np.count_nonzero(~old & new)) for old, new in pairs],
        "pruned since": [int(np.count_nonzero(old & ~new)) for old, new in pairs],
        "pruned before": [int(np.count_nonzero(~old & ~new)) for old, new in pairs],
    }


def _change_text(pruned: int, grown: int) -> str:
    return f"−{pruned:,} +{grown:,}" if pruned or grown else "unchanged"


def _add_bars(
    figure: go.Figure, name: str, layers: list[str], counts: list[int], totals: list[int], color: str, mark: str
) -> None:
    figure.add_bar(
        name=name,
        x=[count / total for count, total in zip(counts, totals, strict=True)],
        y=layers,
        orientation="h",
        customdata=counts,
        marker={"color": color, "pattern": {"shape": mark, "bgcolor": color, "fgcolor": "white", "solidity": 0.2}},
        hovertemplate=f"%{{customdata:,}} weights {name} (%{{x:.1%}})<extra></extra>",
    )


def _overlap_sentence(names: Sequence[str], overlap_KK: np.ndarray, of: str, does: str) -> str:
    first, second = np.triu_indices(len(names), k=1)
    if not len(first):
        return f"{names[0]} is the only one: nothing to compare it with"
    pairs = overlap_KK[first, second]
    least = int(pairs.argmin())
    both = format_percent(float(pairs.mean()))
    return (
        f"Of the {of} that either of two clients {does}, both {does.removesuffix('s')} {both} on average; "
        f"{names[first[least]]} and {names[second[least]]} the fewest, {format_percent(float(pairs[least]))}"
    )
