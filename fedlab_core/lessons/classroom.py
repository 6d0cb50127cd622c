"""A copy of the course for a class: notebooks without solutions, and a page that says how to hand in."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
README = """# {title}

| notebook | minutes |
|---|---|
{table}

1. Install fedlab_core as its README says: `make setup`.
2. Copy this folder, and name the copy after yourself.
3. `make notebooks FOLDER=path/of/your/copy` opens it in JupyterLab. Work through the notebooks in their order.
4. Keep the names of the notebooks and of the functions. A check below each exercise says whether your function is
   right, and gives a hint if not.
5. Save the notebooks and hand in the folder.
"""


def notebooks() -> dict[str, Path]:
    """The students' notebooks by their two digits; empty where the course was not installed with the library."""
    return {file.name[:2]: file for file in sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))}


def new_class(folder: Path, lessons: Sequence[str], title: str) -> list[Path]:
    """Make `folder` with the students' notebooks and a README; returns the files.

    Args:
        folder: must not exist yet, or be empty.
        lessons: two digits each, as in ("00", "01"); none means all.
        title: the headline of the README.

    Raises:
        ValueError: the folder has something in it, there is no such lesson, or the notebooks are not there.
    """
    if not (known := notebooks()):
        raise ValueError(f"the notebooks are not where they should be: {NOTEBOOKS} (they are part of the repository)")
    if unknown := [lesson for lesson in lessons if lesson not in known]:
        raise ValueError(f"--lesson is {unknown[0]!r}; allowed is one of {', '.join(known)}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"FOLDER is {str(folder)!r}, where there is something already; allowed is a new folder")
    chosen = [file for lesson, file in known.items() if not lessons or lesson in lessons]
    folder.mkdir(parents=True, exist_ok=True)
    files = [Path(shutil.copy(file, folder)) for file in chosen]
    table = "\n".join(f"| {title_of(file)} | {_minutes(file)} |" for file in chosen)
    readme = folder / "README.md"
    readme.write_text(README.format(title=title, table=table), encoding="utf-8")
    return [readme, *files]


def title_of(notebook: Path) -> str:
    """`01 · FedAvg from scratch`, from the notebook's first line."""
    return _found(r"# (\d\d · [^\"\\]+)", notebook)


def _minutes(notebook: Path) -> str:
    return _found(r"About (\d+) minutes", notebook)


def _found(pattern: str, notebook: Path) -> str:
    found = re.search(pattern, notebook.read_text(encoding="utf-8"))
    return found[1] if found else ""
