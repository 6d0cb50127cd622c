"""A folder of submissions, graded: each exercise of each notebook in it, by the checks that students run themselves."""

from __future__ import annotations

import csv
import queue
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, get_args

from fedlab_core.lessons.checks import exercises
from fedlab_core.lessons.classroom import notebooks
from fedlab_core.lessons.host import Host
from fedlab_core.lessons.sandbox import Limits, Outcome, Verdict
from fedlab_core.processes import default_processes

LESSON = re.compile(r"(?<!\d)(\d\d)_(?=[a-z])")
"""How a notebook's name begins, perhaps after a student's name: `01_fedavg...`, `smith_01_fedavg...`."""
BEST_FIRST: tuple[Outcome, ...] = get_args(Outcome)


class Task(NamedTuple):
    """One exercise in one notebook of a student."""

    student: str
    notebook: Path
    number: str


class Mark(NamedTuple):
    """A task and what became of it."""

    task: Task
    verdict: Verdict


def tasks(folder: Path) -> list[Task]:
    """What there is to grade in `folder`, by student and exercise.

    A folder in it is a student, with notebooks at any depth; a notebook that lies loose is a student's, too, named by
    what stands before the number of the lesson. The lesson follows from the notebook's name.

    Raises:
        ValueError: no folder, or no notebook of the course in it.
    """
    if not folder.is_dir():
        raise ValueError(f"FOLDER is {str(folder)!r}; allowed is a folder of submissions")
    known, found = exercises(), []
    for file in sorted(folder.rglob("*.ipynb")):
        path, lesson = file.relative_to(folder), _lesson(file.name)
        hidden = any(part.startswith(".") for part in path.parts)  # .ipynb_checkpoints
        if lesson and not hidden and not file.is_symlink():
            before = file.name[: lesson.start()].strip(" _-.")
            name = path.parts[0] if len(path.parts) > 1 else before or "(no name)"
            student = unicodedata.normalize("NFC", name)  # two spellings of one name, from two systems
            found += [Task(student, file, number) for number in known if number.startswith(lesson[1])]
    if not found:
        raise ValueError(
            f"FOLDER is {str(folder)!r}, and no notebook of the course is in it; allowed is a folder with one folder a "
            "student, in which notebooks have their names from the course, like 01_fedavg_from_scratch.ipynb"
        )
    return sorted(found, key=lambda task: (task.student, task.number))


def left_out(folder: Path, todo: Iterable[Task]) -> list[str]:
    """Folders in which there is nothing to grade: somebody has handed in something else, or under another name."""
    students = {task.student for task in todo}
    folders = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    missed = [name for name in folders if unicodedata.normalize("NFC", name) not in students]
    return [name.encode("utf-8", "replace").decode() for name in missed]


def _lesson(name: str) -> re.Match[str] | None:
    """Where a notebook's own name begins: a name that the course has, else whatever looks like one."""
    found = list(LESSON.finditer(name))
    ours = tuple("_".join(file.stem.split("_")[:2]) for file in notebooks().values())
    known = [match for match in found if name.startswith(ours, match.start())]
    return next(iter(known or found), None)


def judged(todo: Sequence[Task], limits: Limits, hosts: int | None = None) -> Iterator[Mark]:
    """Judge every task; marks come as they are found, in any order.

    Args:
        todo: see `tasks`.
        limits: for each answer.
        hosts: processes that judge at the same time; by default as many as there are processors.
    """
    free: queue.SimpleQueue[Host] = queue.SimpleQueue()

    def judge(task: Task) -> Mark:
        host = free.get()
        try:
            return Mark(task, host.judge(task.notebook, task.number, limits))
        finally:
            free.put(host)

    count = min(hosts or default_processes(), len(todo))
    # Hosts are ended before the pool is, which waits for its threads: whoever stops early waits for no answer.
    with ThreadPoolExecutor(count) as pool, ExitStack() as stack:
        for _ in range(count):
            free.put(stack.enter_context(Host()))
        waiting = [pool.submit(judge, task) for task in todo]
        try:
            for done in as_completed(waiting):
                yield done.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def best(marks: Iterable[Mark]) -> dict[tuple[str, str], Mark]:
    """One mark for each student and exercise: of several notebooks, the one in which it went best counts."""
    chosen: dict[tuple[str, str], Mark] = {}
    for mark in sorted(marks, key=lambda mark: BEST_FIRST.index(mark.verdict.outcome), reverse=True):
        chosen[mark.task.student, mark.task.number] = mark
    return dict(sorted(chosen.items()))


def write_marks(marks: Iterable[Mark], file: Path) -> None:
    """A line for each student: how many exercises passed, then each exercise's outcome."""
    chosen = best(marks)
    numbers = sorted({number for _, number in chosen})
    students = sorted({student for student, _ in chosen})
    with file.open("w", newline="", encoding="utf-8", errors="replace") as stream:
        writer = csv.writer(stream)
        writer.writerow(["student", "passed", "of", *numbers])
        for student in students:
            outcomes = [chosen[student, n].verdict.outcome if (student, n) in chosen else "missing" for n in numbers]
            writer.writerow([_cell(student), outcomes.count("passed"), len(numbers), *outcomes])


def write_details(marks: Iterable[Mark], file: Path) -> None:
    """A line for each mark: which law, on which input, expected and got, and the first hint."""
    fields = ("law", "given", "expected", "got", "hint")
    with file.open("w", newline="", encoding="utf-8", errors="replace") as stream:
        writer = csv.writer(stream)
        writer.writerow(["student", "exercise", "outcome", *fields, "notebook"])
        for (student, number), (task, verdict) in best(marks).items():
            texts = [getattr(verdict, field) for field in fields]
            writer.writerow(map(_cell, [student, number, verdict.outcome, *texts, task.notebook.name]))


def _cell(text: str) -> str:
    """One line of text, which no spreadsheet takes for a formula."""
    text = " ".join(text.split())
    return f"'{text}" if text[:1] in {"=", "+", "-", "@"} else text
