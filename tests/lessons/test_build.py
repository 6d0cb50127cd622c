"""The generator: what students get follows from the solutions, byte by byte."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from fedlab_core.lessons.build import SourceError, build, drifted, main, solution_notebook, student_notebook

SOURCE = '''# %% [markdown]
# # A title
#
# Text.

# %%
def double(x):
    """Twice x."""
    # BEGIN SOLUTION 01.1
    # 1. Take x.
    y = x
    for _ in range(1):
        # 2. Add it once more.
        y += x  # in place
    return y
    # END SOLUTION


# %%
double(2)

# %%
double(2)
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    solutions = tmp_path / "solutions"
    solutions.mkdir()
    (solutions / "01_double.py").write_text(SOURCE)
    return tmp_path


def change(folder: Path, old: str, new: str) -> Path:
    source = folder / "solutions" / "01_double.py"
    assert old in source.read_text()
    source.write_text(source.read_text().replace(old, new))
    return source


def test_the_student_gets_the_steps_and_an_error_for_the_code(folder: Path) -> None:
    title, exercise, *_ = student_notebook(folder / "solutions" / "01_double.py").cells
    assert (title.cell_type, title.source) == ("markdown", "# A title\n\nText.")
    assert exercise.source == "\n".join(
        [
            "def double(x):",
            '    """Twice x."""',
            "    # 1. Take x.",
            "        # 2. Add it once more.",
            '    raise NotImplementedError("exercise 01.1: replace this line by your code")',
        ]
    )


def test_the_solution_runs_and_shows_no_markers(folder: Path) -> None:
    exercise = solution_notebook(folder / "solutions" / "01_double.py").cells[1]
    assert "SOLUTION" not in exercise.source
    assert "y += x  # in place" in exercise.source


def test_notebooks_are_valid_and_carry_no_outputs_counts_or_time(folder: Path) -> None:
    (text,) = build(folder).values()
    notebook = nbformat.reads(text, 4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [(cell.outputs, cell.execution_count, cell.metadata) for cell in code] == [([], None, {})] * 3
    assert text.endswith("}\n")
    assert build(folder) == build(folder)


def test_a_change_in_one_cell_leaves_the_ids_of_the_others(folder: Path) -> None:
    source = folder / "solutions" / "01_double.py"
    before = [cell.id for cell in student_notebook(source).cells]
    change(folder, "# Text.", "# Another text.")
    after = [cell.id for cell in student_notebook(source).cells]
    assert before[0] != after[0]
    assert before[1:] == after[1:]
    assert len(set(after)) == len(after)


def test_the_code_of_a_solution_can_change_without_the_student_seeing_it(folder: Path) -> None:
    before = build(folder)
    change(folder, "y += x  # in place", "y = y + x")
    assert build(folder) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    # END SOLUTION\n", ""),
        ("    # BEGIN SOLUTION 01.1\n", ""),
        ("# BEGIN SOLUTION 01.1", "# BEGIN SOLUTION"),
        ("# BEGIN SOLUTION 01.1", "# Begin SOLUTION 01.1"),
        ("    y = x\n", "    # BEGIN SOLUTION 01.2\n    y = x\n"),
        ("    # END SOLUTION\n", "    # END SOLUTION\n    # END SOLUTION\n"),
    ],
)
def test_a_marker_without_a_partner_is_refused(folder: Path, old: str, new: str) -> None:
    change(folder, old, new)
    with pytest.raises(SourceError, match=r"01_double.py: .*SOLUTION"):
        build(folder)


def test_the_command_writes_then_finds_nothing_to_do(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(folder), "--check"]) == 1
    assert "01_double.ipynb is not what its solution gives" in capsys.readouterr().err
    assert main([str(folder)]) == 0
    assert main([str(folder), "--check"]) == 0
    assert drifted(folder) == []


def test_a_notebook_that_was_changed_or_has_no_source_is_found(folder: Path) -> None:
    main([str(folder)])
    notebook, stray = folder / "01_double.ipynb", folder / "02_stray.ipynb"
    stray.write_text(notebook.read_text())
    assert drifted(folder) == [stray]
    notebook.write_text(notebook.read_text().replace("Text.", "Text!"))
    assert drifted(folder) == [notebook, stray]


def test_a_folder_without_solutions_is_refused_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"there is no solution NN_name.py in {tmp_path / 'solutions'}\n"
