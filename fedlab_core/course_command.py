"""`fedlab course`: a copy of the notebooks for a class, and grades for what comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fedlab_core.arguments import guarded, whole_number

course = typer.Typer(help="The notebooks: a copy for a class, and grades.", no_args_is_help=True)

TITLE = "Pruning in federated learning"


@course.command()
@guarded
def new(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the copy goes; a new folder.")],
    lessons: Annotated[
        list[str], typer.Option("--lesson", metavar="NN", help="A notebook, e.g. 01; may be repeated. Default: all.")
    ] = [],  # noqa: B006 - typer copies it
    title: Annotated[str, typer.Option("--title", help="The headline of its README.")] = TITLE,
) -> None:
    """Make a copy of the course for a class: notebooks without solutions, and how to hand in."""
    from fedlab_core.lessons.classroom import new_class

    for file in new_class(folder, lessons, title):
        typer.echo(file)


@course.command()
@guarded
def grade(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="One folder a student, with notebooks in it.")],
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="The table of marks.")] = Path("grades.csv"),
    seconds: Annotated[str, typer.Option("--seconds", metavar="N", help="Time for an answer.")] = "10",
    megabytes: Annotated[str, typer.Option("--megabytes", metavar="N", help="Memory for an answer.")] = "1000",
) -> None:
    """Run all checks over a folder of submissions; writes FILE, and beside it the reasons, as FILE-details.csv.

    Each answer runs in a process of its own with limits on time and memory. That holds endless loops and the like,
    and not someone who is out to do harm.
    """
    from tqdm import tqdm

    from fedlab_core.lessons.grade import Mark, judged, left_out, tasks, write_details, write_marks
    from fedlab_core.lessons.sandbox import Limits

    limits = Limits(whole_number("--seconds", seconds, 1, 600), whole_number("--megabytes", megabytes, 100, 100_000))
    if not to.name:
        raise ValueError(f"--to is {str(to)!r}; allowed is the name of a file")
    todo = tasks(folder)
    details = to.with_name(f"{to.stem}-details.csv")
    with to.open("a"), details.open("a"):
        pass  # what cannot be written is said now, and not after all the work
    marks: list[Mark] = []
    try:
        for mark in tqdm(judged(todo, limits), total=len(todo), desc="answers", unit="answer"):
            marks.append(mark)
    finally:
        write_marks(marks, to)
        write_details(marks, details)
    passed = sum(mark.verdict.outcome == "passed" for mark in marks)
    students = len({task.student for task in todo})
    if nothing := left_out(folder, todo):
        typer.echo(f"No notebook of the course is in: {', '.join(nothing)}", err=True)
    typer.echo(f"{students} students, {passed} of {len(todo)} answers passed: {to}, and why: {details}")
