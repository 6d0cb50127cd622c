"""Runs that are measured once: every result is written down as it comes, and is known the next time.

A run is known by its settings that differ from the defaults: a new one whose default changes nothing leaves it known.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from machine import machine
from tqdm import tqdm

from fedlab_core.experiment import Experiment

Row = dict[str, Any]
"""One result; `settings` says of which run."""


def key_of(experiment: Experiment) -> str:
    """The settings of a run in one line, without folders of this machine."""
    query = {name: value for name, value in experiment.to_query().items() if name != "data.path"}
    return json.dumps(query, sort_keys=True)


def measure_all(
    results: Path,
    jobs: Mapping[str, tuple[Any, ...]],
    measure: Callable[..., list[Row]],
    processes: int,
    usable: Callable[[Row], bool] = lambda row: True,
) -> dict[str, Row]:
    """Results by settings: what is known already, and the rest.

    Args:
        results: where they are written down.
        jobs: arguments of `measure` by the settings of the run; several runs may come from one call.
        measure: does the work of one call in a process of its own.
        processes: runs side by side.
        usable: whether a known result will do.
    """
    known = {row["settings"]: row for row in rows_of(results) if usable(row)}
    missing = dict.fromkeys(arguments for settings, arguments in jobs.items() if settings not in known)
    for row in _measured(missing, measure, processes):
        known[row["settings"]] = row
        write(results, list(known.values()))
    return known


def rows_of(results: Path) -> list[Row]:
    """What has been written down."""
    return json.loads(results.read_text())["runs"] if results.exists() else []


def write(results: Path, rows: list[Row]) -> None:
    """The results file, with the machine that added to it last."""
    results.parent.mkdir(exist_ok=True)
    results.write_text(json.dumps({"machine": machine(), "runs": rows}, indent=1) + "\n")


def _measured(missing: Iterable[tuple[Any, ...]], measure: Callable[..., list[Row]], processes: int) -> Iterator[Row]:
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        pending = [pool.submit(measure, *arguments) for arguments in missing]
        for done in tqdm(as_completed(pending), total=len(pending), desc="runs"):
            yield from done.result()
