"""Does a sparser model give away less of its training data? The attack beside how over-fitted the model is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import NamedTuple

import plotly.graph_objects as go

from fedlab_core.metrics import ACCURACY, Metric
from fedlab_core.plots.records import Row
from fedlab_core.plots.style import BLUE, REDDISH_PURPLE, Line, format_gap, format_percent, theme
from fedlab_core.plots.theme import nothing_yet, sheet

LINES: dict[str, Line] = {
    "black-box": {"color": BLUE, "dash": "solid", "width": 2.5},
    "white-box": {"color": REDDISH_PURPLE, "dash": "dash", "width": 2.5},
}


class Level(NamedTuple):
    """One sparsity over the seeds: mean and standard deviation, which is 0 with a single seed."""

    sparsity: float
    mean: float
    spread: float


def attack_against_sparsity(rows: Sequence[Row], *, metric: Metric = ACCURACY, dark: bool = False) -> go.Figure:
    """AUC of membership inference above, the generalisation gap below, against sparsity.

    The axis is a logarithm of the weights that are left: from 90 % to 99 % is as far as from none to 90 %.

    Args:
        rows: of each run `sparsity`, `gap` (training minus test accuracy as a fraction, or test minus training error in
            years), and `auc`: areas by what the attacker has, {"black-box": 0.7, "white-box": 0.7}. Rows of equal
            sparsity are seeds; the band is one standard deviation to either side of their mean.
        metric: what the gap is a difference of: accuracies, or mean absolute errors.
        dark: for a dark background.
    """
    if not rows:
        step = "Run attack_membership on models of several sparsities: each is a point."
        return nothing_yet("No model has been attacked yet", step, key="attack", dark=dark)
    areas = {access: _levels(rows, [row["auc"][access] for row in rows]) for access in rows[0]["auc"]}
    gaps = _levels(rows, [row["gap"] for row in rows])
    subtitle = "Lines: means over seeds; bands: one standard deviation to either side"
    figure = sheet(_sentence(areas, gaps, metric), key="attack", dark=dark, subtitle=subtitle, height=520)
    for access, levels in areas.items():
        _add_band(figure, access, levels, LINES[access], "y")
    _add_band(figure, "generalisation gap", gaps, theme(dark).global_model, "y2")
    figure.add_hline(y=0.5, line=theme(dark).reference, yref="y")
    figure.add_annotation(text="guessing", x=1, xref="paper", xanchor="right", y=0.5, yanchor="bottom", showarrow=False)
    _set_axes(figure, [level.sparsity for level in gaps], metric)
    return figure


def attack_roc(rocs: Mapping[str, Sequence[float]], areas: Mapping[str, float], *, dark: bool = False) -> go.Figure:
    """ROC curves of membership inference: members found against non-members accused.

    Args:
        rocs: by what the attacker has, the true positive rates at false positive rates of 0, 1, ..., 100 %.
        areas: the AUC of the same; a mean over pairs of clients, where the curve is a mean over attackers.
        dark: for a dark background.
    """
    if not rocs:
        step = "Press Attack: the clients of the run try to recognise each other's training examples."
        return nothing_yet("No model has been attacked yet", step, key="roc", dark=dark)
    best = max(areas, key=lambda access: areas[access])
    found, area = format_percent(rocs[best][1]), f"{areas[best]:.2f}"
    sentence = f"The {best} attack finds {found} of the members where 1 % of the others are accused; its AUC is {area}"
    figure = sheet(sentence, key="roc", dark=dark, subtitle="Mean over the attacking clients", height=430)
    percents = [at / 100 for at in range(101)]
    figure.add_scatter(name="guessing", x=[0, 1], y=[0, 1], mode="lines", line=theme(dark).reference, hoverinfo="skip")
    for access, roc in rocs.items():
        line = {**LINES[access], "shape": "hv"}
        figure.add_scatter(name=access, x=percents, y=list(roc), mode="lines", line=line, hovertemplate="%{y:.1%}")
    figure.update_xaxes(title_text="non-members accused (false positive rate)", tickformat=".0%", range=[0, 1])
    figure.update_yaxes(title_text="members found (true positive rate)", tickformat=".0%", range=[0, 1.02])
    return figure.update_layout(hovermode="x unified")


def _set_axes(figure: go.Figure, sparsities: Sequence[float], metric: Metric) -> None:
    """Two panels, one above the other, over the same axis."""
    better = metric.higher_is_better
    title = "training minus test accuracy" if better else "test minus training error (years)"
    below = {"title_text": title, "rangemode": "tozero", "tickformat": ".0%" if better else ""}
    figure.update_layout(
        xaxis={
            "type": "log",
            "title_text": "sparsity (pruned / prunable weights)",
            "tickvals": [_place(sparsity) for sparsity in sparsities],
            "ticktext": [format_percent(sparsity) for sparsity in sparsities],
            "anchor": "y2",
        },
        yaxis={"title_text": "AUC of the attack", "domain": [0.54, 1]},
        yaxis2={**figure.layout.template.layout.yaxis.to_plotly_json(), **below, "domain": [0, 0.46], "anchor": "x"},
        hovermode="closest",
    )


def _place(sparsity: float) -> float:
    """Where a sparsity is on the axis: how many weights there were for each that is left."""
    return 1 / (1 - sparsity)


def _levels(rows: Sequence[Row], values: Sequence[float]) -> list[Level]:
    """Means and deviations by sparsity, ascending."""
    by_sparsity: dict[float, list[float]] = {}
    for row, value in zip(rows, values, strict=True):
        by_sparsity.setdefault(round(row["sparsity"], 3), []).append(value)
    return [
        Level(sparsity, fmean(seeds), stdev(seeds) if len(seeds) > 1 else 0.0)
        for sparsity, seeds in sorted(by_sparsity.items())
    ]


def _add_band(figure: go.Figure, name: str, levels: Sequence[Level], line: Line, axis: str) -> None:
    """A line of means, and around it a band one deviation wide to either side."""
    there, back = list(levels), list(reversed(levels))
    figure.add_scatter(
        x=[_place(level.sparsity) for level in there + back],
        y=[level.mean + level.spread for level in there] + [level.mean - level.spread for level in back],
        mode="lines",
        fill="toself",
        line={"width": 0},
        fillcolor=line["color"],
        opacity=0.2,
        hoverinfo="skip",
        showlegend=False,
        legendgroup=name,
        yaxis=axis,
    )
    figure.add_scatter(
        name=name,
        x=[_place(level.sparsity) for level in levels],
        y=[level.mean for level in levels],
        line=line,
        mode="lines+markers",
        marker={"color": line["color"], "size": 7},
        customdata=[level.sparsity for level in levels],
        hovertemplate="%{customdata:.1%} sparse: %{y:.3f}",
        legendgroup=name,
        yaxis=axis,
    )


def _sentence(areas: Mapping[str, Sequence[Level]], gaps: Sequence[Level], metric: Metric) -> str:
    """From the densest to the sparsest model, the attack and the gap."""
    levels = next(iter(areas.values()))
    first, last = levels[0], levels[-1]
    if first.sparsity == last.sparsity:
        return f"At {format_percent(first.sparsity)} sparsity the attack has an AUC of {first.mean:.2f}"
    before, after = (("-" if level.mean < 0 else "") + format_gap(metric, level.mean) for level in (gaps[0], gaps[-1]))
    return (
        f"At {format_percent(last.sparsity)} sparsity the attack has an AUC of {last.mean:.2f} "
        f"after {first.mean:.2f} at {format_percent(first.sparsity)}, and the gap is {after} after {before}"
    )
