"""Runs as text, for terminals and for programs that read their output."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fedlab_core.costs.target import costs_to_target
from fedlab_core.left_out import counts, merged, note, total
from fedlab_core.metrics import ACCURACY, MAE, metric_of
from fedlab_core.runs.info import RunInfo
from fedlab_core.runs.share import command_line
from fedlab_core.runs.store import RunStore
from fedlab_core.runs.sweeps import SweepInfo

Row = Mapping[str, Any]

MILESTONES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
"""Accuracies of which a run's page says what they cost."""
MILESTONES_YEARS = (5.5, 5.0, 4.5, 4.0, 3.5, 3.0, 2.5, 2.0)
"""The same for errors of a regression."""

_ROUND_HEAD = ("loss", "sparsity", "up", "down", "clients", "seconds")
_RUN_HEAD = ("run", "status", "rounds", "on test data", "sparsity", "created (UTC)", "strategy", "data", "name")


def json_line(value: Any) -> str:
    """One line of JSON that every reader accepts: what is no finite number becomes null."""
    return json.dumps(_finite(value), allow_nan=False)


def summary(store: RunStore, run_id: str) -> dict[str, Any]:
    """How a run ended: totals, and the hash of its newest state; equal hash = bit-identical weights and masks."""
    info = store.get(run_id)
    hash = store.state(run_id)[1].sha256() if info.last_row else None
    return {**described(info), **totals(store, run_id), "state_sha256": hash}


def totals(store: RunStore, run_id: str) -> dict[str, float]:
    """What a run has cost, over all of its own rounds."""
    rows = store.rows(run_id)
    dropped, _, skipped = counts(rows)
    return {
        "total_upload_bytes": sum(row["upload_bytes"] for row in rows),
        "total_download_bytes": sum(row["download_bytes"] for row in rows),
        "total_s": sum(row["round_s"] for row in rows),
        "dropped_updates": dropped,
        "skipped_rounds": skipped,
    }


def described(info: RunInfo) -> dict[str, Any]:
    """What a list says about a run, ready for `json_line`."""
    last = info.last_row or {}
    return {
        "run_id": info.run_id,
        "name": info.name,
        "status": info.status,
        "rounds_done": info.rounds_done,
        "rounds": info.experiment.federation.rounds,
        "final_test_accuracy": last.get("test_accuracy"),
        "final_test_mae": last.get("test_mae"),
        "final_sparsity": last.get("sparsity"),
        "created": info.created,
        "parent_id": info.parent_id,
        "parent_round": info.parent_round,
        "sweep_id": info.sweep_id,
        "experiment_hash": info.experiment.hash,
        "error": info.error,
    }


def runs_table(runs: Sequence[RunInfo], sweeps: Sequence[SweepInfo] = ()) -> str:
    """One line a run; one for all runs of each of these sweeps, where the newest of them is."""
    left = {sweep.sweep_id: sweep for sweep in sweeps}
    begun = {info.sweep_id for info in runs}
    lines = [_sweep_line(sweep, []) for sweep in sweeps if sweep.sweep_id not in begun]
    known = set(left)
    for info in runs:
        if info.sweep_id not in known:
            lines.append(_run_line(info))
        elif sweep := left.pop(info.sweep_id, None):
            lines.append(_sweep_line(sweep, [other for other in runs if other.sweep_id == info.sweep_id]))
    return table(_RUN_HEAD, lines)


def _run_line(info: RunInfo) -> tuple[str, ...]:
    last, experiment = info.last_row or {}, info.experiment
    done = f"{info.rounds_done}/{experiment.federation.rounds}"
    reached, gone = score(last), percent(last.get("sparsity"))
    what = (experiment.strategy.name, experiment.data.dataset, info.name)
    return info.run_id, info.status, done, reached, gone, _minute(info.created), *what


def _sweep_line(sweep: SweepInfo, runs: Sequence[RunInfo]) -> tuple[str, ...]:
    finished = sum(info.status == "finished" for info in runs)
    status = "running" if any(info.status == "running" for info in runs) else "sweep"
    base = sweep.grid.base
    what = (base.strategy.name, base.data.dataset, f"{sweep.name}, {finished}/{sweep.grid.size} runs over ")
    return sweep.sweep_id, status, "", "", "", _minute(sweep.created), *what[:2], what[2] + ", ".join(sweep.grid.axes)


def _minute(created: str) -> str:
    return created[:16].replace("T", " ")


def run_page(info: RunInfo, rows: Sequence[Row]) -> str:
    """Everything about one run: how it is, its settings, its rounds."""
    origin = f", forked from {info.parent_id} after round {info.parent_round}" if info.parent_id else ""
    head = [f"run {info.run_id} {info.name}".rstrip(), f"{info.status}{origin}, created {info.created}"]
    head += [info.error] if info.error else []
    machine = [f"{key}: {value}" for key, value in {**info.machine, "where": info.where.text()}.items()]
    settings = [f"  {key} = {value}" for key, value in info.experiment.settings().items()]
    again = [] if info.parent_id else ["", f"again: {command_line(info.experiment)}"]
    parts = [
        *head,
        "; ".join(machine),
        "",
        *settings,
        *again,
        "",
        rounds_table(rows),
        *_left_out(rows),
        *_milestones(rows),
    ]
    return "\n".join(parts)


def _left_out(rows: Sequence[Row]) -> list[str]:
    """Whose updates were dropped: one line a round that had any, and one for all."""
    lines = [f"round {row['round']}: {said}" for row in rows if (said := note(row))]
    return ["", *lines, f"in all: {total(rows)}"] if lines else []


def _milestones(rows: Sequence[Row]) -> list[str]:
    """What it took to reach round accuracies or errors: one line each, for those that were reached after round 0."""
    metric = metric_of(rows[0]) if rows else ACCURACY
    targets = MILESTONES if metric is ACCURACY else MILESTONES_YEARS
    reached = [(target, costs_to_target(rows, target)) for target in targets]
    lines = [
        (
            score({metric.test: target}),
            str(costs.round),
            megabytes(costs.upload_bytes),
            megabytes(costs.download_bytes),
            f"{costs.effective_flops / 1e9:.1f} GFLOP",
        )
        for target, costs in reached
        if costs and costs.round > rows[0]["round"]
    ]
    return ["", table(("to reach", "rounds", "up", "down", "training, effective"), lines)] if lines else []


def rounds_table(rows: Iterable[Row]) -> str:
    """One line a round."""
    rows = list(rows)
    lines = [
        (
            str(row["round"]),
            score(row),
            f"{row['test_loss']:.3f}",
            percent(row["sparsity"]),
            megabytes(row["upload_bytes"]),
            megabytes(row["download_bytes"]),
            _clients(row),
            f"{row['round_s']:.2f}",
        )
        for row in rows
    ]
    return table(("round", metric_of(rows[0]).short if rows else ACCURACY.short, *_ROUND_HEAD), lines)


def _clients(row: Row) -> str:
    """How many took part: 20, or 18/20 where two of those who were asked were dropped."""
    asked, came = len(row["clients"]), len(merged(row))
    return str(asked) if came == asked else f"{came}/{asked}"


def outcome(row: Row | None) -> str:
    """The newest round in a few words."""
    if row is None:
        return "no round yet"
    return f"test {metric_of(row).short} {score(row)}, sparsity {percent(row['sparsity'])}"


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell."""
    widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in (head, *lines)
    )


def percent(share: float | None) -> str:
    """0.9734 -> 97.3 %."""
    return "-" if share is None else f"{100 * share:.1f} %"


def score(row: Row) -> str:
    """What a round reached on the test data: 97.3 %, or 3.42 years; "-" where there is no round yet."""
    if row.get(MAE.test) is not None:
        return f"{row[MAE.test]:.2f} years"
    return percent(row.get(ACCURACY.test))


def megabytes(size: int) -> str:
    """Bytes in units of 10^6."""
    return f"{size / 1e6:.2f} MB"


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(entry) for key, entry in value.items()}
    return [_finite(entry) for entry in value] if isinstance(value, list | tuple) else value
