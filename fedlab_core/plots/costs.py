"""Three costs, never mixed: bytes of a message, FLOPs of a network, milliseconds on a machine; what a target took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from fedlab_core.metrics import Metric
from fedlab_core.plots.style import (
    byte_unit,
    format_bytes,
    format_flops,
    format_percent,
    format_score,
    run_style,
    theme,
)
from fedlab_core.plots.theme import nothing_yet, set_from_zero, set_percent, sheet

if TYPE_CHECKING:  # numbers only: drawing them must not wait for torch
    from fedlab_core.costs.target import CostsToTarget
    from fedlab_core.encodings import MessageBytes
    from fedlab_core.speed import NetworkFlops, Quartiles

_DENSE, _SENT, _NOMINAL, _BOUND = "dense", "shortest form", "values alone (nominal)", "entropy bound"
_NO_MESSAGES = (_NOMINAL, _BOUND)


def encoding_bars(message: MessageBytes, *, dark: bool = False) -> go.Figure:
    """Bytes of one model message in every encoding; counts that are no messages are hatched."""
    sizes, look = message.by_encoding, theme(dark)
    sent, bound = sizes[_SENT], sizes[_BOUND]
    gap = f"{format_percent(abs(sent / bound - 1))} {'above' if sent >= bound else 'below'} the entropy bound"
    title = (
        f"At {format_percent(message.sparsity)} sparsity the model takes {format_bytes(sent)}, "
        f"{format_percent(sent / sizes[_DENSE])} of dense; {gap}"
    )
    subtitle = "One message, really encoded. Hatched: counts that nobody can send." + (
        " Masks with structure may stay below the bound, which is one for random masks." if sent < bound else ""
    )
    figure = sheet(title, subtitle=subtitle, key="encodings", dark=dark, height=420)
    divisor, unit = byte_unit(sizes[_DENSE])
    colors = [look.kept if name == _SENT else look.gray for name in sizes]
    shapes = ["/" if name in _NO_MESSAGES else "" for name in sizes]
    figure.add_bar(
        x=[size / divisor for size in sizes.values()],
        y=list(sizes),
        orientation="h",
        marker={"color": colors, "pattern": {"shape": shapes, "fgcolor": look.surface, "solidity": 0.4}},
        text=[format_bytes(size) for size in sizes.values()],
        hovertemplate="%{y}: %{text}<extra></extra>",
        textposition="outside",
        cliponaxis=False,
    )
    figure.update_xaxes(
        title_text=f"bytes of the model message ({unit})", range=[0, 1.25 * max(sizes.values()) / divisor]
    )
    return figure.update_yaxes(autorange="reversed")


def encoding_sweep(
    points: Sequence[MessageBytes],
    own: MessageBytes | None = None,
    *,
    masks_alone: bool = False,
    dark: bool = False,
) -> go.Figure:
    """Bytes of the model message in every encoding, along the sparsity.

    Args:
        points: the same model at several sparsities.
        own: the model at hand, as a star.
        masks_alone: what is beyond the kept values: masks and headers.
        dark: for a dark background.
    """
    if not points:
        step = "Choose a model with units that can be pruned as a whole, or single weights."
        return nothing_yet("Nothing to sweep over", step, key="sweep", dark=dark)

    def height(point: MessageBytes, name: str) -> float:
        return point.by_encoding[name] - (point.by_encoding[_NOMINAL] if masks_alone else 0)

    names = [name for name in points[0].by_encoding if not (masks_alone and name in (_DENSE, _NOMINAL))]
    divisor, unit = byte_unit(max(height(point, name) for point in points for name in names))
    figure = sheet(_sweep_sentence(points, masks_alone), key=f"sweep/{masks_alone}", dark=dark, height=420)
    xs, style = [point.sparsity for point in points], iter(range(len(names)))
    for name in names:
        line, marker = run_style(next(style))
        if name == _SENT:
            line = theme(dark).global_model
        elif name in (_DENSE, _BOUND):
            line = {**theme(dark).reference, "dash": "longdash" if name == _DENSE else "dot"}
        marker = {**marker, "color": line["color"], "size": 5}
        ys = [height(point, name) / divisor for point in points]
        figure.add_scatter(name=name, x=xs, y=ys, mode="lines+markers", line=line, marker=marker, cliponaxis=False)
    if own:
        marker = {"size": 15, "symbol": "star", "color": theme(dark).ink}
        ys = [height(own, _SENT) / divisor]
        figure.add_scatter(name="this model", x=[own.sparsity], y=ys, mode="markers", marker=marker, cliponaxis=False)
    what = "masks and headers" if masks_alone else "model message"
    largest = max(y for trace in figure.data for y in trace.y)
    set_from_zero(figure, f"bytes of the {what} ({unit})", largest)
    figure.update_traces(hovertemplate=f"%{{y:.3g}} {unit}")
    figure.update_xaxes(title_text="sparsity (pruned / prunable weights)", tickformat=".0%", range=[-0.02, 1.02])
    return figure.update_layout(hovermode="x unified")


def _sweep_sentence(points: Sequence[MessageBytes], masks_alone: bool) -> str:
    last = points[-1]
    at, sent = format_percent(last.sparsity), last.by_encoding[_SENT]
    if masks_alone:
        beyond = sent - last.by_encoding[_NOMINAL]
        return f"At {at} sparsity saying which weights are kept takes {format_percent(beyond / sent)} of the message"
    return f"At {at} sparsity the message has {format_percent(sent / last.by_encoding[_DENSE])} of its dense bytes"


def flops_bars(flops: NetworkFlops, *, dark: bool = False) -> go.Figure:
    """FLOPs of a forward pass of one example, counted in three ways."""
    look = theme(dark)
    counts = {
        "dense": flops.dense,
        "weighted by density (theoretical)": flops.weighted,
        "slimmed network": flops.slimmed,
    }
    title = (
        f"Theoretical FLOPs are {format_percent(flops.weighted / flops.dense)} of dense ones, those of the slimmed "
        f"network {format_percent(flops.slimmed / flops.dense)}"
    )
    subtitle = "A forward pass of one example; a multiply-add (MAC) is two FLOPs. Training takes three times as many."
    figure = sheet(title, subtitle=subtitle, key="flops", dark=dark, height=340)
    figure.add_bar(
        x=list(counts.values()),
        y=list(counts),
        orientation="h",
        marker={
            "color": [look.gray, look.kept, look.kept],
            "pattern": {"shape": ["", "/", ""], "fgcolor": look.surface, "solidity": 0.4},
        },
        customdata=[
            [format_flops(count), format_flops(count / 2).replace("FLOPs", "MACs")] for count in counts.values()
        ],
        text=[format_flops(count) for count in counts.values()],
        hovertemplate="%{y}: %{customdata[0]}, %{customdata[1]}<extra></extra>",
        textposition="outside",
        cliponaxis=False,
    )
    figure.update_xaxes(title_text="FLOPs of a forward pass", tickformat="~s", range=[0, 1.45 * max(counts.values())])
    return figure.update_yaxes(autorange="reversed")


def latency_bars(times: Mapping[str, Quartiles], *, batch: int, dark: bool = False) -> go.Figure:
    """Measured milliseconds of each network: medians, whiskers from the first to the third quartile.

    Args:
        times: by name of the network; none before it is measured.
        batch: examples of the forward pass.
        dark: for a dark background.
    """
    if not times:
        step = "Press Measure: it takes a few seconds, on this machine, in one thread."
        return nothing_yet("No time has been measured yet", step, key="latency", dark=dark)
    said = ", ".join(f"{name} {one.median:.3g} ms" for name, one in times.items())
    subtitle = f"Median and quartiles; {batch} examples, one thread, time in which the processor computed."
    figure = sheet(said[0].upper() + said[1:], subtitle=subtitle, key="latency", dark=dark, height=340)
    look, medians = theme(dark), [one.median for one in times.values()]
    figure.add_bar(
        x=medians,
        y=list(times),
        orientation="h",
        marker={"color": [look.gray, *[look.kept] * (len(times) - 1)]},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [one.high - one.median for one in times.values()],
            "arrayminus": [one.median - one.low for one in times.values()],
            "color": look.ink,
        },
        hovertemplate="%{y}: %{x:.3g} ms<extra></extra>",
    )
    top = max(one.high for one in times.values())
    figure.update_xaxes(title_text="milliseconds of a forward pass, measured", range=[0, 1.1 * top])
    return figure.update_yaxes(autorange="reversed")


def target_bars(own: CostsToTarget, dense: CostsToTarget, *, said: str, dark: bool = False) -> go.Figure:
    """What a run took to reach a target, as shares of what the dense reference took.

    Args:
        own, dense: costs to the same target.
        said: from `target_sentence`.
        dark: for a dark background.
    """
    look = theme(dark)
    pairs = {
        "rounds": (own.round, dense.round),
        "bytes up": (own.upload_bytes, dense.upload_bytes),
        "bytes down": (own.download_bytes, dense.download_bytes),
        "FLOPs (theoretical)": (own.effective_flops, dense.effective_flops),
    }
    shares = {name: mine / theirs for name, (mine, theirs) in pairs.items() if theirs}
    figure = sheet(said, key="target", dark=dark, height=340)
    figure.add_bar(
        x=list(shares),
        y=list(shares.values()),
        marker={"color": look.kept},
        text=[format_percent(share) for share in shares.values()],
        hovertemplate="%{x}: %{text} of the dense run's<extra></extra>",
        textposition="outside",
        cliponaxis=False,
    )
    figure.add_hline(y=1, line=look.reference, annotation_text="dense reference", annotation_font_size=11)
    set_percent(figure, "share of what the dense run took")
    return figure.update_yaxes(range=[0, 1.15 * max(1.0, *shares.values())])


def target_sentence(
    metric: Metric, target: float, own: CostsToTarget | None, dense: CostsToTarget | None = None
) -> str:
    """What it took to reach a target: rounds, bytes, FLOPs; beside the dense reference, if there is one."""
    what = f"{metric.name} {'of' if metric.higher_is_better else 'of at most'} {format_score(metric, target)}"
    if own is None:
        return f"This run never reaches an {what}" if metric.higher_is_better else f"This run never reaches a {what}"
    rounds = f"{own.round} round{'s' * (own.round != 1)}"
    took = f"{rounds}, {format_bytes(own.bytes)} and {format_flops(own.effective_flops)} (theoretical)"
    start = f"{'An' if metric.higher_is_better else 'A'} {what} took {took}"
    if dense is None or not dense.bytes:
        return start
    return f"{start}: {format_percent(own.bytes / dense.bytes)} of the dense run's bytes"
