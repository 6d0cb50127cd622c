"""The health table finds what is missing and never fails itself."""

from pathlib import Path

import pytest

from fedlab_core.lessons import health
from fedlab_core.lessons.machine import Finding, Health


def test_a_ready_machine_is_called_ready() -> None:
    table = health()
    assert table.fine, table
    assert "1,438 images to learn from, 359 to test with" in repr(table)
    assert repr(table).endswith("All is ready.")


def test_the_table_is_markdown_in_a_notebook_and_a_bar_does_not_break_it() -> None:
    table = Health((Finding("data", "a | b", True), Finding("sliders", "PackageNotFoundError: ipywidgets", False)))
    lines = table._repr_markdown_().split("\n")
    assert lines[2:4] == ["| ✓ | data | a / b |", "| ✗ | sliders | PackageNotFoundError: ipywidgets |"]
    assert "Something is missing" in lines[-1]


def test_what_is_broken_becomes_a_line_with_a_cross(progress: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> None:
        raise OSError("the file is gone")

    monkeypatch.setattr("fedlab_core.lessons.machine.load_dataset", refuse)
    table = health()
    assert not table.fine
    assert ("data set digits", "OSError: the file is gone", False) in table.findings
