"""Is this machine ready for the course? A table for notebook 00."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch

from fedlab_core.data.datasets import load_dataset
from fedlab_core.experiment import Experiment
from fedlab_core.lessons.checks.progress import progress_file
from fedlab_core.simulation import simulate

SLOW_ROUND_S = 3.0
"""Notebooks are planned for rounds well below this."""


class Finding(NamedTuple):
    """One line of the table: what was looked at, what was found, whether it is fine."""

    what: str
    found: str
    fine: bool


@dataclass(frozen=True, repr=False)
class Health:
    """The table; plain text anywhere, markdown in a notebook."""

    findings: tuple[Finding, ...]

    @property
    def fine(self) -> bool:
        """Whether everything is."""
        return all(finding.fine for finding in self.findings)

    def __repr__(self) -> str:
        lines = [f"{_mark(f)}  {f.what:20} {f.found}" for f in self.findings]
        return "\n".join([*lines, self._verdict()])

    def _repr_markdown_(self) -> str:
        cells = [(_mark(f), f.what, f.found.replace("|", "/")) for f in self.findings]
        rows = [f"| {' | '.join(cell)} |" for cell in [("", "what", "found"), (":-:", ":--", ":--"), *cells]]
        return "\n".join([*rows, "", self._verdict()])

    def _verdict(self) -> str:
        return "All is ready." if self.fine else "Something is missing; the lines with a cross say what."


def health() -> Health:
    """Look at Python, the packages, the data and the speed of this machine; takes about a second."""
    probes: dict[str, Callable[[], tuple[str, bool]]] = {
        "Python": lambda: (platform.python_version(), True),
        "PyTorch": lambda: (f"{torch.__version__}, {_count(torch.get_num_threads(), 'thread')}", True),
        "sliders": lambda: (f"ipywidgets {importlib.metadata.version('ipywidgets')}", True),
        "figures": lambda: (f"plotly {importlib.metadata.version('plotly')}", True),
        "data set digits": _digits,
        "one round, 20 clients": _round,
        "progress is saved in": _progress,
    }
    return Health(tuple(_probe(what, look) for what, look in probes.items()))


def _probe(what: str, look: Callable[[], tuple[str, bool]]) -> Finding:
    try:
        return Finding(what, *look())
    except Exception as error:  # whatever is wrong belongs into the table
        return Finding(what, f"{type(error).__name__}: {error}", False)


def _digits() -> tuple[str, bool]:
    data = load_dataset("digits")
    return f"{len(data.y_train_N):,} images to learn from, {len(data.y_test_N):,} to test with", True


def _round() -> tuple[str, bool]:
    rounds = simulate(Experiment())
    next(rounds)
    start = time.perf_counter()
    next(rounds)
    seconds = time.perf_counter() - start
    return f"{'fast enough' if seconds < SLOW_ROUND_S else f'{seconds:.1f} s: slow, but it will do'}", True


def _progress() -> tuple[str, bool]:
    folder = progress_file().parent
    while not folder.exists():
        folder = folder.parent
    return str(progress_file()), os.access(folder, os.W_OK)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _mark(finding: Finding) -> str:
    return "✓" if finding.fine else "✗"
