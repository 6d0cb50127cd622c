"""Sweeps as text: one line a finished run, and a table of means over the seeds."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from fedlab_core.runs.estimate import in_words
from fedlab_core.runs.grid import Cell
from fedlab_core.runs.info import RunInfo
from fedlab_core.runs.store import RunStore
from fedlab_core.runs.sweeps import SweepInfo
from fedlab_core.runs.text import described, json_line, outcome, summary, table, totals

MEASURES = {
    "accuracy": "final_test_accuracy",
    "MAE": "final_test_mae",
    "sparsity": "final_sparsity",
    "up": "total_upload_bytes",
    "down": "total_download_bytes",
}
"""Columns of the table, and where their values are in a run's summary."""


def plan(cells: Sequence[Cell], processes: int, seconds: float) -> str:
    """What is about to happen: "24 runs of 30 rounds in 2 processes: about 2 min"."""
    rounds = sorted({cell.experiment.federation.rounds for cell in cells})
    span = f"{rounds[0]}" if len(rounds) == 1 else f"{rounds[0]} to {rounds[-1]}"
    return (
        f"{_count(len(cells), 'run')} of {span} round{'s' if rounds[-1] > 1 else ''} in "
        f"{_count(processes, 'process', 'es')}: {in_words(seconds)}"
    )


def run_line(info: RunInfo) -> str:
    """How a run of a sweep went."""
    rounds = f"{info.rounds_done}/{info.experiment.federation.rounds}"
    how = {
        "finished": outcome(info.last_row),
        "failed": info.error,
        "interrupted": "its process ended",
        "stopped": "as it was asked to",
    }
    why = how.get(info.status, "by another program")
    return f"run {info.run_id} {info.name}: {info.status} after {rounds} rounds: {why}"


def cell_summary(store: RunStore, sweep: SweepInfo, info: RunInfo) -> dict[str, Any]:
    """A run of a sweep for programs: its coordinates, and `summary`."""
    cell = sweep.grid.cells[info.cell or 0]
    return {"coordinates": cell.coordinates, **summary(store, info.run_id)}


def groups(store: RunStore, sweep: SweepInfo) -> list[dict[str, Any]]:
    """The cells that differ in nothing but seeds, together: mean and spread over those that are finished. A coordinate
    that a method lacks is None.

    The spread is the sample standard deviation; None for a single run. Bytes are those of whole runs.
    """
    runs = (info for info in store.list(sweep.sweep_id) if info.status == "finished")
    found = {info.cell: {**described(info), **totals(store, info.run_id)} for info in runs}
    together: dict[tuple[Any, ...], list[Cell]] = {}
    keys = [key for key in sweep.grid.axes if not key.endswith(".seed")]
    for cell in sweep.grid.cells:
        together.setdefault(tuple(cell.coordinates.get(key) for key in keys), []).append(cell)
    return [
        {
            "coordinates": dict(zip(keys, values, strict=True)),
            "runs": len(cells),
            **_means([found[cell.place] for cell in cells if cell.place in found]),
        }
        for values, cells in together.items()
    ]


def _means(summaries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    means: dict[str, Any] = {"finished": len(summaries)}
    for key in MEASURES.values():
        values = [one[key] for one in summaries if one[key] is not None]
        means[f"mean_{key}"] = statistics.fmean(values) if values else None
        means[f"spread_{key}"] = statistics.stdev(values) if len(values) > 1 else None
    return means


def sweep_table(sweep: SweepInfo, rows: Iterable[dict[str, Any]]) -> str:
    """`groups` for people."""
    keys = [key for key in sweep.grid.axes if not key.endswith(".seed")]
    rows = list(rows)
    # A sweep has accuracies or errors, seldom both.
    measures = {name: key for name, key in MEASURES.items() if name not in ("accuracy", "MAE") or _any(rows, key)}
    head = [*(sweep.grid.labels[key] for key in keys), "runs", *measures]
    lines = [
        [
            *(_coordinate(row["coordinates"][key]) for key in keys),
            f"{row['finished']}/{row['runs']}",
            *(_spread(row, key, _UNITS[name]) for name, key in measures.items()),
        ]
        for row in rows
    ]
    return table(head, lines)


def _coordinate(value: Any) -> str:
    return "-" if value is None else str(value)


def _any(rows: Iterable[dict[str, Any]], key: str) -> bool:
    return any(row[f"mean_{key}"] is not None for row in rows)


def sweep_end(store: RunStore, sweep: SweepInfo, as_json: bool) -> str:
    """What there is to say of a sweep when it is over: the means."""
    rows = groups(store, sweep)
    if not as_json:
        return sweep_table(sweep, rows)
    finished = sum(row["finished"] for row in rows)
    return json_line(
        {"sweep_id": sweep.sweep_id, "name": sweep.name, "runs": sweep.grid.size, "finished": finished, "groups": rows}
    )


def sweep_page(store: RunStore, sweep: SweepInfo) -> str:
    """Everything about a sweep: how far it is, its grid, the means."""
    rows = groups(store, sweep)
    finished = sum(row["finished"] for row in rows)
    axes = [f"  {key} = {', '.join(map(str, values))}" for key, values in sweep.grid.axes.items()]
    head = (
        f"sweep {sweep.sweep_id} {sweep.name}\n{finished} of {sweep.grid.size} runs finished, created {sweep.created}"
    )
    return "\n".join([head, "", *axes, "", sweep_table(sweep, rows)])


_Unit = tuple[float, str, str]
_UNITS: dict[str, _Unit] = {
    "accuracy": (100, ".1f", "%"),
    "MAE": (1, ".2f", "years"),
    "sparsity": (100, ".1f", "%"),
    "up": (1e-6, ".2f", "MB"),
    "down": (1e-6, ".2f", "MB"),
}


def _spread(row: dict[str, Any], key: str, unit: _Unit) -> str:
    factor, form, sign = unit
    mean, spread = row[f"mean_{key}"], row[f"spread_{key}"]
    if mean is None:
        return "-"
    more = "" if spread is None else f" ± {factor * spread:{form}}"
    return f"{factor * mean:{form}}{more} {sign}"


def _count(number: int, noun: str, plural: str = "s") -> str:
    return f"{number} {noun}{'' if number == 1 else plural}"
