"""Before a run: what a rehearsal says of it, and which settings keep a budget. Rows are those of `budgets.Outlook`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from fedlab_core.plots.curves import bytes_ledger, sparsity_curve
from fedlab_core.plots.records import Row, column
from fedlab_core.plots.style import (
    BLUISH_GREEN,
    VERMILLION,
    format_bytes,
    format_flops,
    format_percent,
    theme,
)
from fedlab_core.plots.theme import add_line, no_rounds, nothing_yet, set_from_zero, set_x, sheet


def planned_sparsity(rows: Sequence[Row], *, dark: bool = False) -> go.Figure:
    """What the schedule asks for round by round, and what a rehearsal makes of it."""
    if not rows:
        return no_rounds("sparsity", dark)
    last, target = rows[-1]["round"], rows[-1]["target_sparsity"]
    if target is not None and target > 0:
        half = next(row["round"] for row in rows if (row["target_sparsity"] or 0) >= target / 2)
        soon = f", and for half of that by round {half}" if half < last else ""
        title = f"The schedule asks for {format_percent(target)} sparsity in round {last}{soon}"
    elif rows[-1]["sparsity"]:
        title = f"No schedule: this method finds its own sparsity, {format_percent(rows[-1]['sparsity'])} in rehearsal"
    else:
        title = "No weight is to be pruned for good"
    return sparsity_curve(rows, title=title, dark=dark)


def planned_bytes(
    rows: Sequence[Row], *, dense_bytes_per_round: float, about: bool = False, dark: bool = False
) -> go.Figure:
    """Encoded bytes that the messages of a run will take, round by round, both ways.

    Args:
        rows: the rehearsal.
        dense_bytes_per_round: what all clients of one round would send in one direction without pruning.
        about: training decides on them, too.
        dark: for a dark background.
    """
    if len(rows) < 2:  # round 0 trains nothing
        return no_rounds("bytes", dark)
    up, down = (sum(row[way] for row in rows) for way in ("upload_bytes", "download_bytes"))
    last = rows[-1]["round"]
    share = (up + down) / (2 * dense_bytes_per_round * last)
    title = (
        f"{'About ' if about else ''}{format_bytes(up)} will go up and {format_bytes(down)} down in {last} rounds, "
        f"{format_percent(share)} of what dense models take"
    )
    return bytes_ledger(rows, dense_bytes_per_round=dense_bytes_per_round, title=title, dark=dark)


def planned_flops(rows: Sequence[Row], *, about: bool = False, dark: bool = False) -> go.Figure:
    """Training FLOPs of each round, weighted by density ("theoretical"), beside those of the same network dense.

    Args:
        rows: the rehearsal.
        about: training decides on them, too.
        dark: for a dark background.
    """
    trained = [row for row in rows if row["dense_flops"]]
    if not trained:
        return no_rounds("planned-flops", dark)
    weighted, dense = (column(trained, field) for field in ("effective_flops", "dense_flops"))
    share = sum(row["effective_flops"] for row in trained) / sum(row["dense_flops"] for row in trained)
    total = format_flops(sum(row["effective_flops"] for row in trained))
    title = (
        f"{'About ' if about else ''}{total} (theoretical, weighted by density) to train, "
        f"{format_percent(share)} of what dense training takes"
    )
    subtitle = "Theoretical: what a machine would do that skipped every zero. Time is saved by whole units only."
    figure = sheet(title, subtitle=subtitle, key="planned-flops", dark=dark)
    at = [row["round"] for row in trained]
    add_line(figure, "dense", at, dense, theme(dark).reference)
    add_line(figure, "weighted by density", at, weighted, theme(dark).global_model)
    set_x(figure, "round")
    set_from_zero(figure, "training FLOPs of a round", max(y for y in [*weighted, *dense] if y is not None))
    return figure.update_yaxes(tickformat="~s").update_traces(hovertemplate="%{y:.3s}FLOPs")


def density_bars(density: Mapping[str, float], *, round: int, about: bool = False, dark: bool = False) -> go.Figure:
    """Kept / all weights of every layer after the last round.

    Args:
        density: by tensor, in [0, 1].
        round: after which it is so.
        about: it depends on what the weights learn; untrained ones stand in for them.
        dark: for a dark background.
    """
    if not density:
        step = "Choose a strategy that prunes, and a model with weight matrices or kernels."
        return nothing_yet("No weights carry a mask here", step, key="density", dark=dark)
    thin, full = min(density, key=density.__getitem__), max(density, key=density.__getitem__)
    if density[thin] == density[full]:
        title = f"Every layer keeps {format_percent(density[full])} of its weights after round {round}"
    else:
        title = (
            f"After round {round} {thin} keeps {format_percent(density[thin])} of its weights, the least; "
            f"{full} {format_percent(density[full])}, the most"
        )
    subtitle = "Magnitudes of untrained weights stand in for trained ones: training decides." if about else ""
    figure = sheet(title, subtitle=subtitle, key="density", dark=dark, height=max(380, 150 + 26 * len(density)))
    names, look = [f"{name} · {format_percent(kept)}" for name, kept in density.items()], theme(dark)
    parts = {"kept": list(density.values()), "pruned": [1 - kept for kept in density.values()]}
    for (name, values), color in zip(parts.items(), (look.kept, look.pruned), strict=True):
        figure.add_bar(name=name, x=values, y=names, orientation="h", marker={"color": color})
    figure.update_traces(hovertemplate="%{y}: %{x:.1%}")
    figure.update_xaxes(title_text="share of the layer's weights", tickformat=".0%", range=[0, 1])
    figure.update_yaxes(autorange="reversed")
    return figure.update_layout(barmode="stack", legend_traceorder="normal")


def feasible_region(
    settings: Sequence[float],
    costs: Sequence[float],
    *,
    limit: float,
    chosen: tuple[float, float] | None,
    setting: str,
    cost: str,
    dark: bool = False,
) -> go.Figure:
    """What a strategy costs along its setting, the budget as a line, and the setting that is chosen.

    Args:
        settings, costs: rehearsed points; a share of the dense FLOPs, or bytes of a round.
        limit: the budget.
        chosen: setting and cost that keep it; None where nothing does.
        setting: what the setting is called.
        cost: "flops" or "bytes".
        dark: for a dark background.
    """
    if not settings:
        step = "Choose a strategy with a setting that decides what it costs."
        return nothing_yet("No setting to turn", step, key="region", dark=dark)
    unit, name = (1.0, "share of the dense FLOPs") if cost == "flops" else (1e6, "encoded bytes of a round (MB)")
    order = sorted(range(len(settings)), key=settings.__getitem__)
    xs, ys = [settings[at] for at in order], [costs[at] / unit for at in order]
    figure = sheet(_region_sentence(xs, ys, limit / unit, chosen, setting, cost), key="region", dark=dark)
    if chosen:
        cheapest = xs[ys.index(min(ys))]
        shade = {"fillcolor": BLUISH_GREEN, "opacity": 0.18, "line_width": 0}
        figure.add_vrect(min(chosen[0], cheapest), max(chosen[0], cheapest), annotation_text="feasible", **shade)
    figure.add_scatter(
        name="what each setting costs",
        x=xs,
        y=ys,
        mode="lines+markers",
        line=theme(dark).mean_client,
        marker={"size": 6, "symbol": "circle-open", "color": theme(dark).ink},
    )
    ends = [xs[0], xs[-1]]
    line = {"color": VERMILLION, "dash": "dash", "width": 2}
    figure.add_scatter(name="budget", x=ends, y=[limit / unit] * 2, mode="lines", line=line)
    if chosen:
        marker = {"size": 15, "symbol": "star", "color": theme(dark).ink}
        figure.add_scatter(name="chosen", x=[chosen[0]], y=[chosen[1] / unit], mode="markers", marker=marker)
    form = ".1%" if cost == "flops" else ".3g"
    figure.update_traces(hovertemplate=f"{setting} %{{x:.4g}}: %{{y:{form}}}", cliponaxis=False)
    figure.update_xaxes(title_text=setting)
    set_from_zero(figure, name, max(*ys, limit / unit))
    return figure.update_yaxes(tickformat=".0%" if cost == "flops" else "~g")


def _region_sentence(
    xs: Sequence[float],
    ys: Sequence[float],
    limit: float,
    chosen: tuple[float, float] | None,
    setting: str,
    cost: str,
) -> str:
    def say(amount: float) -> str:
        return format_percent(amount) if cost == "flops" else f"{amount:.3g} MB"

    if chosen is None:
        return f"No value of “{setting}” keeps to {say(limit)}: the cheapest one takes {say(min(ys))}"
    if max(ys) <= limit:
        return f"Every value of “{setting}” keeps to {say(limit)}: the dearest one takes {say(max(ys))}"
    cheap = xs[ys.index(min(ys))]
    side = "from" if cheap >= chosen[0] else "up to"
    return f"“{setting}” {side} {chosen[0]:.4g} keeps to {say(limit)}"
