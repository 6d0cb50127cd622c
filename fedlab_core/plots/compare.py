"""Several schedules, several runs, one picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from fedlab_core.metrics import ACCURACY, Metric, metric_of
from fedlab_core.plots.records import Row, X, x_axis
from fedlab_core.plots.style import format_gap, format_percent, format_score, run_style, theme
from fedlab_core.plots.theme import add_line, nothing_yet, set_from_zero, set_percent, set_x, sheet


def schedule_curve(sparsities: Mapping[str, Sequence[float]], title: str = "", *, dark: bool = False) -> go.Figure:
    """Sparsity that a schedule asks for in rounds 1, 2, ..., T.

    Args:
        sparsities: by name of the schedule, one number in [0, 1] a round; a single one is drawn thick and black.
        title: of the figure; by default a sentence on the first schedule.
        dark: for a dark background.
    """
    named = {name: list(values) for name, values in sparsities.items() if len(values)}
    if not named:
        step = "Choose a strategy that prunes on a schedule, for example FedSparsify-Global."
        return nothing_yet("No schedule to show", step, key="schedule", dark=dark)
    figure = sheet(title or _schedule_sentence(*next(iter(named.items()))), key="schedule", dark=dark)
    for index, (name, values) in enumerate(named.items()):
        line = theme(dark).global_model if len(named) == 1 else run_style(index)[0]
        add_line(figure, name, list(range(1, len(values) + 1)), values, line)
    set_x(figure, "round")
    set_percent(figure, "sparsity asked for (pruned / prunable)")
    return figure.update_traces(hovertemplate="%{y:.1%}", showlegend=len(named) > 1)


def accuracy_against(runs: Mapping[str, Sequence[Row]], x: X = "megabytes", *, dark: bool = False) -> go.Figure:
    """Where each run ended: accuracy of its last round, or error, against what it cost by then.

    Runs that were measured otherwise than the first are left out: years and percent share no axis.

    Args:
        runs: rows by name of the run.
        x: megabytes (up and down), density-weighted training FLOPs, sparsity, or rounds.
        dark: for a dark background.
    """
    key = f"runs/{x}"
    started = {name: rows for name, rows in runs.items() if rows}
    if not started:
        step = "Start a run on the page Run, or with the command fedlab run: it appears here."
        return nothing_yet("No run has finished a round yet", step, key=key, dark=dark)
    metric = metric_of(next(iter(started.values()))[-1])
    ends = {
        name: (x_axis(x).values(rows)[-1], rows[-1][metric.test])
        for name, rows in started.items()
        if metric_of(rows[-1]) is metric
    }
    figure = sheet(_ends_sentence(ends, x, metric), key=key, dark=dark)
    for index, (name, (cost, score)) in enumerate(ends.items()):
        marker = {**run_style(index)[1], "size": 12}
        figure.add_scatter(name=name, x=[cost], y=[score], mode="markers", marker=marker, cliponaxis=False)
    set_x(figure, x)
    figure.update_layout(hovermode="closest")
    scores = [score for _, score in ends.values()]
    if metric is ACCURACY:
        set_percent(figure, "accuracy on test data, last round", low=max(0.0, min(scores) - 0.1))
        return figure.update_traces(hovertemplate="%{x:.3s}: %{y:.1%}")
    set_from_zero(figure, f"{metric.name} on test data, last round (years)", max(scores))
    return figure.update_traces(hovertemplate="%{x:.3s}: %{y:.2f} years")


def _ends_sentence(ends: Mapping[str, tuple[float, float]], x: X, metric: Metric) -> str:
    """Which run ends best, and the cheapest that comes within two points, or a quarter of a year, of it."""
    best = max(ends, key=lambda name: metric.gain(ends[name][1], 0.0))
    cost, score = ends[best]
    where, lagging = ("highest", "below") if metric.higher_is_better else ("lowest", "above")
    sentence = f"{best} ends {where}, at {format_score(metric, score)}"
    close = 0.02 if metric is ACCURACY else 0.25
    near = [name for name in ends if metric.gain(score, ends[name][1]) <= close and ends[name][0] < cost]
    if x == "sparsity" or not near:
        return sentence
    cheap = min(near, key=lambda name: ends[name][0])
    lag, share = format_gap(metric, score - ends[cheap][1]), format_percent(ends[cheap][0] / cost)
    unit = {"megabytes": "megabytes", "flops": "FLOPs", "round": "rounds"}[x]
    return f"{sentence}; {cheap} is {lag} {lagging} with {share} of its {unit}"


def _schedule_sentence(name: str, values: Sequence[float]) -> str:
    if not values[-1]:
        return f"{name} asks for no sparsity in round {len(values)}"
    half = next(at for at, value in enumerate(values, start=1) if value >= values[-1] / 2)
    end = format_percent(values[-1])
    return f"{name} asks for {end} sparsity in round {len(values)}, and for half of that in round {half} already"
