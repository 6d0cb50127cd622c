"""From the solutions to the students' notebooks: `python -m fedlab_core.lessons.build` writes them, `--check` compares.

A solution is a Python file in percent format (`notebooks/solutions/NN_name.py`) and the only source. Where a cell has

    # BEGIN SOLUTION 01.1
    # 1. a step, in words
    code
    # END SOLUTION

the student's cell keeps the comments as steps and has `raise NotImplementedError("exercise 01.1 ...")` for the code.
Nothing depends on time or machine: the same source gives the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import jupytext  # type: ignore[import-untyped]
import nbformat
from nbformat import NotebookNode

from fedlab_core.lessons.checks.exercise import STUB

BEGIN = re.compile(r"(?P<indent> *)# BEGIN SOLUTION (?P<number>\d\d\.\d)")
END = re.compile(r" *# END SOLUTION")
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


class SourceError(ValueError):
    """A solution that cannot be turned into a notebook: which file, what is wrong."""


class Piece(NamedTuple):
    """Consecutive lines of a cell: of the solution to exercise `number`, or (number "") of what surrounds one."""

    number: str
    indent: str
    lines: list[str]


Rewrite = Callable[[Piece], list[str]]


def student_notebook(source: Path) -> NotebookNode:
    """The notebook that students get: stubs instead of solutions."""
    return _notebook(source, _stub)


def solution_notebook(source: Path) -> NotebookNode:
    """The same notebook with the solutions in it, for instructors and tests."""
    return _notebook(source, lambda piece: piece.lines)


def text_of(notebook: NotebookNode) -> str:
    """The file as it is written."""
    text: str = nbformat.writes(notebook)
    return text + "\n"


def build(folder: Path) -> dict[Path, str]:
    """Text of every student notebook of `folder`, by the file it belongs into.

    Raises:
        SourceError: `folder` has no solutions, or the markers of one are unbalanced.
    """
    sources = sorted((folder / "solutions").glob("[0-9][0-9]_*.py"))
    if not sources:
        raise SourceError(f"there is no solution NN_name.py in {folder / 'solutions'}")
    return {folder / f"{source.stem}.ipynb": text_of(student_notebook(source)) for source in sources}


def drifted(folder: Path) -> list[Path]:
    """Student notebooks that are not what their source gives: changed, missing, or without a source."""
    wanted = build(folder)
    stale = {file for file, text in wanted.items() if not file.exists() or file.read_text("utf-8") != text}
    return sorted(stale | (set(folder.glob("*.ipynb")) - set(wanted)))


def _notebook(source: Path, rewrite: Rewrite) -> NotebookNode:
    cells, seen = [], Counter[str]()
    for cell in jupytext.read(source, fmt="py:percent").cells:
        is_code, text = cell.cell_type == "code", cell.source
        if is_code:
            text = "\n".join(line for piece in _pieces(source, text) for line in rewrite(piece))
        # The id follows from the text, so that a change in one cell leaves the ids of all others as they are.
        name = hashlib.blake2b(text.encode(), digest_size=6).hexdigest()
        seen[name] += 1
        new_cell = nbformat.v4.new_code_cell if is_code else nbformat.v4.new_markdown_cell
        cells.append(new_cell(text, id=name if seen[name] == 1 else f"{name}-{seen[name]}"))
    return nbformat.v4.new_notebook(cells=cells, metadata=METADATA)


def _pieces(source: Path, text: str) -> Iterator[Piece]:
    """Cut a cell at the markers, which are left out."""
    piece = Piece("", "", [])
    for line in text.split("\n"):
        begin, end = BEGIN.fullmatch(line), END.fullmatch(line)
        if (begin and piece.number) or (end and not piece.number) or (not (begin or end) and "SOLUTION" in line):
            rule = "a cell has pairs of '# BEGIN SOLUTION NN.N' and '# END SOLUTION'"
            raise SourceError(f"{source.name}: {line.strip()!r} is out of place; {rule}")
        if begin or end:
            yield piece
            piece = Piece(begin["number"], begin["indent"], []) if begin else Piece("", "", [])
        else:
            piece.lines.append(line)
    if piece.number:
        raise SourceError(f"{source.name}: the solution of {piece.number} has no '# END SOLUTION'")
    yield piece


def _stub(piece: Piece) -> list[str]:
    """What the student sees of a piece: a solution's comments, then the error that says what to do."""
    if not piece.number:
        return piece.lines
    steps = [line for line in piece.lines if line.strip().startswith("#")]
    todo = f'raise NotImplementedError("{STUB}{piece.number}: replace this line by your code")'
    return [*steps, piece.indent + todo]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m fedlab_core.lessons.build", description=__doc__.split("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("notebooks"), help="default: notebooks")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a notebook is not up to date")
    options = parser.parse_args(arguments)
    try:
        stale = drifted(options.folder)
        if options.check:
            for file in stale:
                print(
                    f"{file} is not what its solution gives; run python -m fedlab_core.lessons.build", file=sys.stderr
                )
            return 1 if stale else 0
        for file, text in build(options.folder).items():
            file.write_text(text, encoding="utf-8", newline="\n")
            print(file)
    except SourceError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
