"""What the titles of a run's curves say: one sentence on the latest round, computed from the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fedlab_core.metrics import ACCURACY, Metric, metric_of
from fedlab_core.plots.records import Row, column
from fedlab_core.plots.style import format_bytes, format_gap, format_percent, format_score

NOTICEABLE = 0.0005
"""Differences of sparsity below a twentieth of a point are not worth a sentence."""


def accuracy_sentence(rows: Sequence[Row]) -> str:
    """Where accuracy, or the error, stands against its own best, and how much is pruned."""
    row, metric = rows[-1], metric_of(rows[-1])
    reached = format_score(metric, row[metric.test])
    if row["round"] == 0:
        how = f"is right on {reached} of the test data" if metric is ACCURACY else f"is off by {reached} on average"
        return f"Before training, the global model {how}"
    best = metric.best(rows)
    fall = metric.gain(best[metric.test], row[metric.test])
    gone = f"{format_percent(row['sparsity'])} of weights are gone after" if row["sparsity"] else "After"
    start = f"{gone} round {row['round']}{';' if row['sparsity'] else ''} {_name(metric)} is {reached}"
    if fall < metric.noticeable:
        return f"{start}, its best so far"
    side = "below" if metric.higher_is_better else "above"
    return f"{start}, {format_gap(metric, fall)} {side} its best (round {best['round']})"


def _name(metric: Metric) -> str:
    return metric.name if metric is ACCURACY else f"the {metric.name}"


def comparison_sentence(rows: Sequence[Row], others: Mapping[str, Sequence[Row]]) -> str:
    """Where a run stands against the best of the others at the same round, or at their own last one."""
    now, metric = rows[-1]["round"], metric_of(rows[-1])
    others = {name: other for name, other in others.items() if metric_of(other[-1]) is metric}
    if not others:
        return accuracy_sentence(rows)
    then = {name: max(other, key=lambda row: (row["round"] <= now, row["round"])) for name, other in others.items()}
    best = max(then, key=lambda name: metric.gain(then[name][metric.test], 0.0))
    gap = rows[-1][metric.test] - then[best][metric.test]
    side = "above" if gap > 0 else "below"
    distance = f"{format_gap(metric, gap)} {side}" if abs(gap) >= metric.noticeable else "level with"
    reached = format_score(metric, rows[-1][metric.test])
    other = "" if then[best]["round"] == now else f" after its round {then[best]['round']}"
    return f"This run is at {reached} after round {now}, {distance} {best}{other}"


def loss_sentence(rows: Sequence[Row]) -> str:
    """Test and training loss, or that training diverged."""
    at = f"after round {rows[-1]['round']}"
    test, train = column(rows, "test_loss")[-1], column(rows, "train_loss")[-1]
    if test is None:
        return f"The test loss is no number any more {at}: training diverged; try a smaller learning rate"
    return f"The test loss is {test:.3g} {at}" + (f", the training loss {train:.3g}" if train is not None else "")


def bytes_sentence(rows: Sequence[Row], up: float, down: float, dense: float) -> str:
    """Bytes so far; with `dense`, one direction's dense bytes so far, their share of it."""
    sentence = f"{format_bytes(up)} went up and {format_bytes(down)} down by round {rows[-1]['round']}"
    share = f", {format_percent((up + down) / (2 * dense))} of what dense models take" if dense else ""
    return sentence + share


def sparsity_sentence(rows: Sequence[Row]) -> str:
    """How much is pruned, and whether that is what the schedule asks for."""
    row, target = rows[-1], rows[-1]["target_sparsity"]
    sentence = f"{format_percent(row['sparsity'])} of prunable weights are gone after round {row['round']}"
    if target is None:
        return f"{sentence}; no schedule asks for any"
    if abs(target - row["sparsity"]) < NOTICEABLE:
        return f"{sentence}, as the schedule asks"
    return f"{sentence}; the schedule asks for {format_percent(target)}"
