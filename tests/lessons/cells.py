"""The cells of the notebooks, run in this process: faster than a kernel, and with their names within reach."""

from __future__ import annotations

import ast
import io
import re
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any

from fedlab_core.lessons.build import solution_notebook
from fedlab_core.lessons.checks import exercises

from .answers import RIGHT

SOURCES = sorted((Path(__file__).parents[2] / "notebooks" / "solutions").glob("*.py"))
Names = dict[str, Any]
CLOSE = 0.02
"""Another machine rounds differently, and a few of the 359 test images may then be classed differently."""


def cells(source: Path) -> list[str]:
    """The code of a notebook, with our solutions."""
    return [cell.source for cell in solution_notebook(source).cells if cell.cell_type == "code"]


def text(source: Path) -> str:
    """What a notebook says, in one line."""
    return " ".join(source.read_text(encoding="utf-8").replace("\n#", " ").split())


def percent(sentence: str, said: str) -> float:
    """The fraction that the text gives, in whole percent, where `sentence` has its group."""
    found = re.search(sentence, said)
    assert found, f"the text does not say {sentence!r}"
    return int(found[1]) / 100


def notebook(number: str) -> Path:
    """The solution of a lesson, by its two digits."""
    (source,) = (source for source in SOURCES if source.stem.startswith(number))
    return source


def run(part: list[str], names: Names) -> Names:
    """Run cells one after the other; `names` has what they define, and `printed` what they printed."""
    with redirect_stdout(io.StringIO()) as printed:
        for cell in part:
            exec(compile(cell, "cell", "exec"), names)
    return names | {"printed": printed.getvalue()}


@cache
def finished(source: Path) -> Names:
    """All names of a notebook that has run to its end with our solutions."""
    return run(cells(source), {"__name__": "notebook"})


@cache
def finished_otherwise(source: Path) -> Names:
    """The same, but for each exercise the last of the right answers, the one that is most unlike ours."""
    names: Names = {"__name__": "notebook"}
    lesson = source.stem[:2]
    numbers = {one.name: number for number, one in exercises().items() if number.startswith(lesson)}
    for cell in cells(source):
        names = run([cell], names)
        defined = [node.name for node in ast.parse(cell).body if isinstance(node, ast.FunctionDef)]
        names |= {name: RIGHT[numbers[name]][-1] for name in defined if name in numbers}
    return names
