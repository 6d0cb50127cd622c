"""Predict, observe, explain: what came of a prediction, and why, as far as the rows of the run can tell.

Nothing is claimed that was not measured: that a purge cost accuracy is known, because every round is tested just before
and just after it; that two things happened in one round is said as just that.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from fedlab_core.metrics import MAE, Metric, metric_of
from fedlab_core.plots.records import Row
from fedlab_core.plots.style import format_gap, format_percent, format_score

Outcome = Literal["same", "worse", "fails"]

OUTCOMES: dict[Outcome, str] = {
    "same": "about as good as unpruned",
    "worse": "some points worse",
    "fails": "fails",
}


def outcome_limits(metric: Metric) -> tuple[float, float]:
    """How much worse than unpruned is still "about as good", and from where on it "fails": our choice.

    1 and 20 points of accuracy; 0.25 and 3 years.
    """
    return (0.25, 3.0) if metric is MAE else (0.01, 0.2)


def outcome_of(rows: Sequence[Row], dense: Sequence[Row] | None = None) -> Outcome:
    """How a run ended, against an unpruned one with the same other settings, or without one against its own best."""
    metric = metric_of(rows[-1])
    about, fails = outcome_limits(metric)
    loss = metric.gain(_reference(rows, dense), rows[-1][metric.test])
    return "same" if loss < about else "worse" if loss < fails else "fails"


def verdict_of_sketch(rows: Sequence[Row], end: float) -> str:
    """What was predicted for the last round, beside what it was."""
    metric = metric_of(rows[-1])
    reached = rows[-1][metric.test]
    said = f"You predicted {format_score(metric, end)}; the run ended at {format_score(metric, reached)}"
    if abs(reached - end) < metric.noticeable:
        return f"{said}, as you said"
    return f"{said}, {format_gap(metric, reached - end)} {'above' if reached > end else 'below'} it"


def verdict_of_outcome(rows: Sequence[Row], guess: Outcome, dense: Sequence[Row] | None = None) -> str:
    """Whether the outcome is the one that was predicted, and what it was measured against."""
    got, metric = outcome_of(rows, dense), metric_of(rows[-1])
    against = "the unpruned run" if dense else "its own best round, for there is no unpruned run to compare with"
    right = "as you said" if got == guess else f"not “{OUTCOMES[guess]}”"
    ends = f"{format_score(metric, rows[-1][metric.test])} against {format_score(metric, _reference(rows, dense))}"
    return f"Outcome: {OUTCOMES[got]}, {right} ({ends}, {against})"


def why(rows: Sequence[Row], dense: Sequence[Row] | None = None) -> str:
    """One sentence on what decided the end: the unpruned run, the worst round, the purge in it, the worst client.

    Args:
        rows: all rounds of the run.
        dense: those of a run without pruning whose other settings are the same.
    """
    metric = metric_of(rows[-1])
    parts = [_against_dense(rows, dense, metric)] if dense else []
    parts += [_worst_fall(rows, metric), _worst_client(rows[-1], metric)]
    sentence = "; ".join(part for part in parts if part)
    return sentence[0].upper() + sentence[1:]


def _reference(rows: Sequence[Row], dense: Sequence[Row] | None) -> float:
    """What an outcome is measured against."""
    metric = metric_of(rows[-1])
    value: float = dense[-1][metric.test] if dense else metric.best(rows)[metric.test]
    return value


def _against_dense(rows: Sequence[Row], dense: Sequence[Row], metric: Metric) -> str:
    ended, other = rows[-1][metric.test], dense[-1][metric.test]
    gain = metric.gain(ended, other)
    if abs(gain) < metric.noticeable:
        return f"the unpruned run with the same other settings ended level, at {format_score(metric, other)}"
    side = "better" if gain < 0 else "worse"
    return (
        f"the unpruned run with the same other settings ended at {format_score(metric, other)}, "
        f"{format_gap(metric, gain)} {side}"
    )


def _worst_fall(rows: Sequence[Row], metric: Metric) -> str:
    """The round in which the metric got most worse, what sparsity did in it, and what the purge itself took."""
    steps = list(pairwise(rows))
    falls = [metric.gain(old[metric.test], new[metric.test]) for old, new in steps]
    about, _ = outcome_limits(metric)
    if not falls or max(falls) < about:
        return f"in no round did the {metric.name} get worse by {format_gap(metric, about)} or more"
    before, after = steps[falls.index(max(falls))]
    said = f"the largest step back, {format_gap(metric, max(falls))}, came in round {after['round']}"
    if after["sparsity"] <= before["sparsity"]:
        return f"{said}, although nothing more was pruned in it"
    said += f", while sparsity went from {format_percent(before['sparsity'])} to {format_percent(after['sparsity'])}"
    cost = metric.gain(after[metric.before_purge], after[metric.test])
    if cost < metric.noticeable:
        return f"{said}, but the purge itself cost nothing there: the model was as good just before it"
    return f"{said}; the purge itself cost {format_gap(metric, cost)} there"


def _worst_client(row: Row, metric: Metric) -> str:
    """How far the worst client is behind the mean one; nothing where that is hardly."""
    worst, mean = row[metric.worst_client], row[metric.mean_client]
    about, _ = outcome_limits(metric)
    if worst is None or mean is None or not metric.gain(mean, worst) > about:
        return ""
    return f"the worst client is at {format_score(metric, worst)}, the mean client at {format_score(metric, mean)}"
