"""Every notebook of the course, run from a fresh kernel as a student runs it; and the rules that all of them keep."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from fedlab_core.lessons.build import drifted, solution_notebook, student_notebook, text_of
from fedlab_core.lessons.checks import exercises
from tests.environment import unmeasured

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "notebooks"
SOURCES = sorted((FOLDER / "solutions").glob("*.py"))
LIMIT_S = 60
"""A notebook may compute for so long on two cores. Computing time is what is tested, for waiting is not its fault."""
PATIENCE_S = 240
MAX_LINES = 15
FRESH = """
import os, pathlib

def pytest_runtest_setup(item):
    pathlib.Path(os.environ["FEDLAB_PROGRESS"]).unlink(missing_ok=True)
"""
"""What one notebook has passed must not be seen in the next."""

each_notebook = pytest.mark.parametrize("source", SOURCES, ids=[source.stem for source in SOURCES])


def code(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def text(notebook: NotebookNode) -> str:
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def run(folder: Path, **notebooks: NotebookNode) -> list[NotebookNode]:
    """Execute notebooks under nbmake, each in a fresh kernel and with no progress made yet; the outputs are kept."""
    files = [folder / f"{name}.ipynb" for name in notebooks]
    for file, notebook in zip(files, notebooks.values(), strict=True):
        file.write_text(text_of(notebook), encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    (folder / "conftest.py").write_text(FRESH)
    command = [sys.executable, "-m", "pytest", "--nbmake", "--overwrite", f"--nbmake-timeout={PATIENCE_S}"]
    environment = unmeasured(FEDLAB_PROGRESS=str(folder / "progress.json"), OMP_NUM_THREADS="1")
    before = os.times()
    done = subprocess.run(
        [*command, "-q", "-p", "no:cacheprovider", *(file.name for file in files)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    assert spent < LIMIT_S * len(files)
    executed = [nbformat.read(file, as_version=4) for file in files]
    outputs = [output for notebook in executed for cell in code(notebook) for output in cell.outputs]
    assert [output.text for output in outputs if output.output_type == "stream" and output.name == "stderr"] == []
    return executed


def reports(notebook: NotebookNode) -> dict[str, str]:
    """What the check cells said, by exercise."""
    outputs = [output for cell in code(notebook) for output in cell.outputs if output.output_type == "execute_result"]
    said = [output.data["text/plain"] for output in outputs]
    return {line[:4]: line for line in said if re.match(r"\d\d\.\d ", line)}


def texts(notebook: NotebookNode) -> list[str]:
    """What each cell printed or gave as text, but for the reports of checks; figures are left to the eye."""
    # One print may arrive in one piece or in two: what counts is all that a cell has said.
    said = ["".join(out.get("text") or _plain(out) for out in cell.outputs) for cell in code(notebook)]
    return [words for words in said if not re.match(r"\d\d\.\d ", words)]


def _plain(output: NotebookNode) -> str:
    """The text of a result; a figure's is its whole data, which holds identifiers that are new each time."""
    return "" if "application/vnd.plotly.v1+json" in output.data else output.data.get("text/plain", "")


def asked(source: Path) -> set[str]:
    """The exercises of a notebook."""
    return set(re.findall(r"BEGIN SOLUTION (\d\d\.\d)", source.read_text(encoding="utf-8")))


@pytest.mark.slow
@each_notebook
def test_it_runs_solved_and_unsolved_and_says_the_same_both_times(source: Path, tmp_path: Path) -> None:
    """Until a student's function passes, the cells after it use ours: so both runs have to give the same texts."""
    solved, unsolved = run(tmp_path, solved=solution_notebook(source), unsolved=student_notebook(source))
    said = reports(solved)
    assert said.keys() == asked(source)
    assert [line for line in said.values() if "passed, all" not in line] == []
    said = reports(unsolved)
    assert said.keys() == asked(source)
    assert [line for line in said.values() if "not written yet" not in line] == []
    assert texts(unsolved) == texts(solved)


def test_the_students_notebooks_are_what_the_solutions_give() -> None:
    assert drifted(FOLDER) == [], "run python -m fedlab_core.lessons.build"


def test_every_exercise_is_asked_in_the_notebook_of_its_number() -> None:
    numbers = {source.stem[:2]: asked(source) for source in SOURCES}
    assert set().union(*numbers.values()) == set(exercises())
    assert all(number.startswith(lesson) for lesson, found in numbers.items() for number in found)


@each_notebook
def test_it_has_the_parts_of_every_lesson_in_their_order(source: Path) -> None:
    notebook = student_notebook(source)
    title, imports = notebook.cells[0].source, code(notebook)[0].source
    assert re.match(rf"# {source.stem[:2]} · ", title)
    assert len(re.findall(r"^- ", title, flags=re.MULTILINE)) == 3
    assert re.search(r"About \d+ minutes", title)
    assert "import" in imports
    places = [text(notebook).find(part) for part in ("## Predict", "**Expected", "## Reflect", "## Recap")]
    assert sorted(places) == places
    assert -1 not in places
    recap = text(notebook)[places[-1] :]
    assert len(re.findall(r"^\*\*\d\. ", recap, flags=re.MULTILINE)) == 3
    assert recap.count("<details><summary>Answer</summary>") == 3
    assert code(notebook)[-1].source.startswith("dashboard_link(")


@each_notebook
def test_every_exercise_has_a_stub_with_steps_and_a_check_cell_after_it(source: Path) -> None:
    cells = [cell.source for cell in code(student_notebook(source))]
    for number in asked(source):
        (at,) = (i for i, cell in enumerate(cells) if f"exercise {number}" in cell)
        function = re.findall(r"^def (\w+)", cells[at], flags=re.MULTILINE)[-1]
        assert "# 1. " in cells[at]
        assert f'check("{number}", {function})' in cells[at + 1]
        assert function == exercises()[number].name


@each_notebook
def test_cells_are_short_and_hide_nothing(source: Path) -> None:
    cells = code(student_notebook(source))
    assert [cell.source for cell in cells if len(cell.source.strip().split("\n")) > MAX_LINES] == []
    assert [cell.metadata for cell in cells if cell.metadata] == []


@each_notebook
def test_only_the_lab_torch_and_numpy_are_imported(source: Path) -> None:
    tree = ast.parse(source.read_text(encoding="utf-8"))
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {module.split(".")[0] for module in modules} <= {"fedlab_core", "torch", "numpy"}
