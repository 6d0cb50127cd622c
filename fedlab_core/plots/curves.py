"""A run round by round: accuracy, loss, bytes, sparsity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate

import plotly.graph_objects as go

from fedlab_core.left_out import dropped, is_skipped, total
from fedlab_core.metrics import ACCURACY, Metric, metric_of
from fedlab_core.plots.records import Row, X, column, last, x_axis
from fedlab_core.plots.sentences import (
    accuracy_sentence,
    bytes_sentence,
    comparison_sentence,
    loss_sentence,
    sparsity_sentence,
)
from fedlab_core.plots.style import DOWNLINK, PREDICTION, UPLINK, WORST_CLIENT, byte_unit, run_style, theme
from fedlab_core.plots.theme import add_line, no_rounds, set_from_zero, set_percent, set_x, sheet


def accuracy_curve(
    rows: Sequence[Row],
    *,
    x: X = "round",
    compare: Mapping[str, Sequence[Row]] | None = None,
    predicted: Sequence[tuple[float, float]] | None = None,
    dark: bool = False,
) -> go.Figure:
    """Test accuracy of the global model, its mean and worst client, and the dip at each purge.

    Of a regression, all of these are mean absolute errors in years. Compared runs that were measured otherwise are left
    out.

    Args:
        rows: the run.
        x: rounds, megabytes so far (up and down), density-weighted training FLOPs so far, or sparsity.
        compare: other runs by name, drawn on the same axis; the clients' lines then wait in the legend.
        predicted: what a person expects, as (round, accuracy in [0, 1] or error in years); drawn against rounds only.
        dark: for a dark background.
    """
    key = f"accuracy/{x}"
    if not rows:
        return no_rounds(key, dark)
    metric = metric_of(rows[-1])
    others = {name: run for name, run in (compare or {}).items() if run and metric_of(run[-1]) is metric}
    sentence = comparison_sentence(rows, others) if others else accuracy_sentence(rows)
    figure = sheet(sentence, key=key, dark=dark, subtitle=total(rows))
    xs = x_axis(x).values(rows)
    add_line(figure, "global model", xs, column(rows, metric.test), theme(dark).global_model)
    _add_clients(figure, rows, xs, dark, hidden=bool(others))
    _add_dips(figure, rows, xs, dark)
    _add_runs(figure, others, x, metric)
    if predicted and x == "round":
        at_rounds, scores = zip(*predicted, strict=True)
        add_line(figure, "your prediction", at_rounds, scores, PREDICTION)
    set_x(figure, x)
    if metric is ACCURACY:
        set_percent(figure, "accuracy on test data")
        figure.update_traces(hovertemplate="%{y:.1%}")
    else:
        drawn = [y for trace in figure.data for y in trace.y if y is not None]
        set_from_zero(figure, f"{metric.name} on test data (years)", max(drawn, default=0.0))
        figure.update_traces(hovertemplate="%{y:.2f} years")
    return _mark_left_out(figure, rows, xs, dark)


def loss_curve(rows: Sequence[Row], *, x: X = "round", dark: bool = False) -> go.Figure:
    """Test loss of the global model and training loss of the clients; a gap where a loss is no number."""
    key = f"loss/{x}"
    if not rows:
        return no_rounds(key, dark)
    test, train, xs = column(rows, "test_loss"), column(rows, "train_loss"), x_axis(x).values(rows)
    figure = sheet(loss_sentence(rows), key=key, dark=dark)
    add_line(figure, "test, global model", xs, test, theme(dark).global_model)
    add_line(figure, "training, mean of the clients", xs, train, theme(dark).mean_client)
    set_x(figure, x)
    set_from_zero(figure, "loss (mean over examples)", max(y for y in [*test, *train, 0.0] if y is not None))
    return figure.update_traces(hovertemplate="%{y:.3g}")


def bytes_ledger(
    rows: Sequence[Row], *, dense_bytes_per_round: float | None = None, title: str = "", dark: bool = False
) -> go.Figure:
    """Encoded bytes so far, up and down.

    Args:
        rows: the run.
        dense_bytes_per_round: what all clients of one round would send in one direction without pruning.
        title: of the figure; by default a sentence on the latest round.
        dark: for a dark background.
    """
    if not rows:
        return no_rounds("bytes", dark)
    rounds = [row["round"] for row in rows]
    up = list(accumulate(row["upload_bytes"] for row in rows))
    down = list(accumulate(row["download_bytes"] for row in rows))
    dense = [(dense_bytes_per_round or 0) * sent for sent in accumulate(int(at > 0) for at in rounds)]
    # The dashed line comes last, so that both are seen where they agree.
    lines = {"downlink": (down, DOWNLINK), "uplink": (up, UPLINK)}
    if dense_bytes_per_round:
        lines["dense, one direction"] = (dense, theme(dark).reference)
    largest = max(up[-1], down[-1], dense[-1])
    divisor, unit = byte_unit(largest)
    figure = sheet(title or bytes_sentence(rows, up[-1], down[-1], dense[-1]), key="bytes", dark=dark)
    for name, (values, line) in lines.items():
        add_line(figure, name, rounds, [value / divisor for value in values], line)
    set_x(figure, "round")
    set_from_zero(figure, f"encoded bytes so far ({unit})", largest / divisor)
    return figure.update_traces(hovertemplate=f"%{{y:.3g}} {unit}")


def sparsity_curve(rows: Sequence[Row], *, title: str = "", dark: bool = False) -> go.Figure:
    """Sparsity of the global model against what the schedule asks for; a gap where it asks for nothing.

    Args:
        rows: the run.
        title: of the figure; by default a sentence on the latest round.
        dark: for a dark background.
    """
    if not rows:
        return no_rounds("sparsity", dark)
    rounds, target = [row["round"] for row in rows], column(rows, "target_sparsity")
    figure = sheet(title or sparsity_sentence(rows), key="sparsity", dark=dark)
    add_line(figure, "global model", rounds, column(rows, "sparsity"), theme(dark).global_model)
    if last(target) is not None:
        add_line(figure, "target of the schedule", rounds, target, theme(dark).reference)
        # Rings around the thick line: a thin line would vanish where both agree.
        figure.data[-1].mode = "lines+markers"
        figure.data[-1].marker = {"symbol": "circle-open", "size": 9, "color": theme(dark).gray, "maxdisplayed": 16}
    set_x(figure, "round")
    set_percent(figure, "sparsity (pruned / prunable weights)")
    return figure.update_traces(hovertemplate="%{y:.1%}")


def _add_clients(figure: go.Figure, rows: Sequence[Row], xs: list[float], dark: bool, hidden: bool) -> None:
    metric = metric_of(rows[-1])
    for name, field, line in (
        ("mean client", metric.mean_client, theme(dark).mean_client),
        ("worst client", metric.worst_client, WORST_CLIENT),
    ):
        add_line(figure, name, xs, column(rows, field), line)
        figure.data[-1].visible = "legendonly" if hidden else True


def _add_dips(figure: go.Figure, rows: Sequence[Row], xs: list[float], dark: bool) -> None:
    """A ring at the accuracy, or error, just before each purge, joined to that just after."""
    metric = metric_of(rows[-1])
    columns = zip(xs, column(rows, metric.before_purge), column(rows, metric.test), strict=True)
    dips = [
        (at, before, after)
        for at, before, after in columns
        if before is not None and after is not None and abs(before - after) >= metric.noticeable
    ]
    if dips:
        line = {"color": theme(dark).gray, "width": 1, "dash": "dot"}
        dip_xs = [value for at, _, _ in dips for value in (at, at, None)]
        dip_ys = [value for _, before, after in dips for value in (before, after, None)]
        add_line(figure, "just before the purge", dip_xs, dip_ys, line)
        figure.data[-1].mode = "lines+markers"
        figure.data[-1].marker = {
            "symbol": "circle-open",
            "size": [7, 0, 0] * len(dips),
            "color": line["color"],
            "opacity": 1,
        }


def _mark_left_out(figure: go.Figure, rows: Sequence[Row], xs: list[float], dark: bool) -> go.Figure:
    """A triangle on the curve where updates were dropped, a square where a whole round was skipped."""
    scores = column(rows, metric_of(rows[-1]).test)
    places = {"clients dropped": [], "round skipped": []}  # type: dict[str, list[int]]
    for place, row in enumerate(rows):
        if dropped(row) or is_skipped(row):
            places["round skipped" if is_skipped(row) else "clients dropped"].append(place)
    for (name, at), symbol in zip(places.items(), ("triangle-down-open", "square-open"), strict=True):
        if at:
            figure.add_scatter(
                name=name,
                x=[xs[place] for place in at],
                y=[scores[place] for place in at],
                mode="markers",
                marker={"symbol": symbol, "size": 11, "color": theme(dark).gray, "line": {"width": 2}},
                customdata=[f"{len(dropped(rows[place]))} of {len(rows[place]['clients'])}" for place in at],
                hovertemplate="%{customdata}",
            )
    return figure


def _add_runs(figure: go.Figure, runs: Mapping[str, Sequence[Row]], x: X, metric: Metric) -> None:
    for index, (name, rows) in enumerate(runs.items()):
        line, marker = run_style(index)
        add_line(figure, name, x_axis(x).values(rows), column(rows, metric.test), line)
        figure.data[-1].mode = "lines+markers"
        figure.data[-1].marker = {**marker, "maxdisplayed": 10}
