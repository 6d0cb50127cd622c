"""Progress of tests goes into a file of their own."""

from pathlib import Path

import pytest

from fedlab_core.lessons.checks.progress import VARIABLE


@pytest.fixture(autouse=True)
def progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The progress file of this test, which does not exist yet."""
    file = tmp_path / "folder" / "progress.json"
    monkeypatch.setenv(VARIABLE, str(file))
    return file
