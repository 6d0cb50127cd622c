"""What the titles of a run's curves say: one sentence on the latest round, computed from the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fedlab_core.plots.records import Row, column
from fedlab_core.plots.style import format_bytes, format_percent, format_points

NOTICEABLE = 0.0005
"""Differences of accuracy below a twentieth of a point are not worth a sentence or a marker."""


def accuracy_sentence(rows: Sequence[Row]) -> str:
    """Where accuracy stands against its own best, and how much is pruned."""
    row, accuracy = rows[-1], format_percent(rows[-1]["test_accuracy"])
    if row["round"] == 0:
        return f"Before training, the global model is right on {accuracy} of the test data"
    best = max(rows, key=lambda row: row["test_accuracy"])
    fall = best["test_accuracy"] - row["test_accuracy"]
    gone = f"{format_percent(row['sparsity'])} of weights are gone after" if row["sparsity"] else "After"
    start = f"{gone} round {row['round']}{';' if row['sparsity'] else ''} accuracy is {accuracy}"
    if fall < NOTICEABLE:
        return f"{start}, its best so far"
    return f"{start}, {format_points(fall)} below its best (round {best['round']})"


def comparison_sentence(rows: Sequence[Row], others: Mapping[str, Sequence[Row]]) -> str:
    """Where accuracy stands against the best of the other runs at the same round, or at their own last one."""
    now = rows[-1]["round"]
    then = {name: max(other, key=lambda row: (row["round"] <= now, row["round"])) for name, other in others.items()}
    best = max(then, key=lambda name: then[name]["test_accuracy"])
    gap = rows[-1]["test_accuracy"] - then[best]["test_accuracy"]
    side = "above" if gap > 0 else "below"
    distance = f"{format_points(gap)} {side}" if abs(gap) >= NOTICEABLE else "level with"
    accuracy = format_percent(rows[-1]["test_accuracy"])
    other = "" if then[best]["round"] == now else f" after its round {then[best]['round']}"
    return f"This run is at {accuracy} after round {now}, {distance} {best}{other}"


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
