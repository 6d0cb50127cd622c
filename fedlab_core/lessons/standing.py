"""How far a student has come: which exercises of the course have passed on this machine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from fedlab_core.lessons.checks.exercise import STUB
from fedlab_core.lessons.checks.progress import read_progress
from fedlab_core.lessons.classroom import notebooks, title_of


class Lesson(NamedTuple):
    """A notebook: `01 · FedAvg from scratch`, and for each of its exercises whether it has passed (None: not tried)."""

    title: str
    exercises: dict[str, bool | None]


@dataclass(frozen=True, repr=False)
class Standing:
    """All lessons; plain text anywhere, a table in a notebook."""

    lessons: tuple[Lesson, ...]

    @property
    def passed(self) -> int:
        """How many exercises have passed."""
        return sum(passed is True for lesson in self.lessons for passed in lesson.exercises.values())

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(len(lesson.exercises) for lesson in self.lessons)

    @property
    def sentence(self) -> str:
        """Where the student stands, in words."""
        begun = next((lesson for lesson in self.lessons if not all(lesson.exercises.values())), None)
        ahead = f"Go on with {begun.title}." if begun else "That is the whole course."
        return f"{self.passed} of {self.total} exercises passed. {ahead}"

    def rows(self) -> list[dict[str, str]]:
        """A row for each lesson: its title, and its exercises with a mark."""
        return [
            {"notebook": lesson.title, "exercises": "   ".join(f"{_mark(p)} {n}" for n, p in lesson.exercises.items())}
            for lesson in self.lessons
        ]

    def __repr__(self) -> str:
        rows = self.rows()
        widest = max((len(row["notebook"]) for row in rows), default=0)
        lines = [f"{row['notebook']:{widest}}   {row['exercises']}" for row in rows]
        return "\n".join([*lines, self.sentence])

    def _repr_markdown_(self) -> str:
        lines = [f"| {row['notebook']} | {row['exercises']} |" for row in self.rows()]
        legend = "✓ passed, ✗ tried, · not tried yet"
        return "\n".join(["| notebook | exercises |", "|:--|:--|", *lines, "", f"{self.sentence} ({legend})"])


def my_progress() -> Standing:
    """What `check` has written into the progress file of this machine."""
    stored = read_progress()
    passed = {number: entry["passed"] for number, entry in stored.items()}
    return Standing(tuple(Lesson(title, {n: passed.get(n) for n in numbers}) for title, numbers in _lessons().items()))


@lru_cache
def _lessons() -> dict[str, list[str]]:
    """The exercises of each notebook, read from its stubs: asking the checks would import half of the lab."""
    asked = re.compile(rf"{STUB}(\d\d\.\d):")
    return {title_of(file): asked.findall(file.read_text(encoding="utf-8")) for file in notebooks().values()}


def _mark(passed: bool | None) -> str:
    return "·" if passed is None else "✓" if passed else "✗"
