"""The instructor's guide knows every exercise and the minutes of every notebook."""

from __future__ import annotations

import re
from pathlib import Path

from fedlab_core.lessons.checks import exercises

from .cells import SOURCES

GUIDE = (Path(__file__).parents[2] / "docs" / "INSTRUCTORS.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """Cells of the table below a heading, without its head."""
    _, _, after = GUIDE.partition(heading)
    lines = [line for line in re.split(r"^#", after, flags=re.MULTILINE)[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_every_exercise_has_usual_wrong_answers_and_what_to_ask() -> None:
    key = {number: rows(f"### {number} ") for number in exercises()}
    assert {number: len(found) for number, found in key.items() if len(found) < 3} == {}
    assert [row for found in key.values() for row in found if len(row) != 3 or not all(row)] == []
    asked = [row[2] for found in key.values() for row in found]
    assert [question for question in asked if "?" not in question and not question.endswith(".")] == []


def test_notebooks_have_the_minutes_and_exercises_that_they_say() -> None:
    table = {row[0]: row for row in rows("## The fourteen notebooks")}
    assert len(table) == 14
    for source in SOURCES:
        text, number = source.read_text(encoding="utf-8"), source.stem[:2]
        minutes = re.search(r"About (\d+) minutes", text)
        assert minutes
        assert table[number][2] == minutes[1]
        asked = sorted(set(re.findall(r"BEGIN SOLUTION (\d\d\.\d)", text)))
        assert table[number][3] == ", ".join(asked)
        assert f"# # {number} · {table[number][1]}" in text


def test_one_class_fills_its_ninety_minutes() -> None:
    starts = [int(row[0]) for row in rows("## One class of 90 minutes")]
    assert starts[0] == 0
    assert starts == sorted(set(starts))
    assert 80 <= starts[-1] < 90
