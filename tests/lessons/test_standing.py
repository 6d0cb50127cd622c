"""The table of progress says what has passed, what was tried, and where to go on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fedlab_core.lessons import check, my_progress
from fedlab_core.lessons.checks import exercises

from .answers import RIGHT, WRONG


def test_nothing_is_passed_at_first() -> None:
    standing = my_progress()
    assert (standing.passed, standing.total) == (0, len(exercises()))
    assert standing.sentence.endswith("Go on with 00 · Setup and tour.")
    assert "✓" not in repr(standing)


def test_it_follows_the_checks() -> None:
    check("00.1", RIGHT["00.1"][0])
    check("02.1", WRONG["02.1"][0].answer)
    standing = my_progress()
    assert standing.sentence == f"1 of {len(exercises())} exercises passed. Go on with 01 · FedAvg from scratch."
    rows = {row["notebook"][:2]: row["exercises"] for row in standing.rows()}
    assert (rows["00"], rows["01"], rows["02"]) == ("✓ 00.1", "· 01.1", "✗ 02.1   · 02.2")
    assert "| 00 · Setup and tour | ✓ 00.1 |" in standing._repr_markdown_()


def test_who_has_passed_everything_is_told_so(progress: Path) -> None:
    progress.parent.mkdir()
    progress.write_text(json.dumps({number: {"passed": True, "broken": {}} for number in exercises()}))
    assert my_progress().sentence.endswith("That is the whole course.")


@pytest.mark.parametrize("text", ["", "{", '{"99.9": {"passed": true, "broken": {}}}'])
def test_a_damaged_or_foreign_file_counts_as_nothing(progress: Path, text: str) -> None:
    progress.parent.mkdir()
    progress.write_text(text)
    assert my_progress().passed == 0
