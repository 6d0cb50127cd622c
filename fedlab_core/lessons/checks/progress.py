"""What a student has passed and how often each law was broken: a small JSON file that never leaves this machine."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

VARIABLE = "FEDLAB_PROGRESS"


def progress_file() -> Path:
    """The file named by FEDLAB_PROGRESS, else `.fedlab/progress.json` in the home folder."""
    return Path(os.environ.get(VARIABLE) or Path.home() / ".fedlab" / "progress.json")


def read_progress() -> dict[str, dict[str, Any]]:
    """By exercise: {"passed": bool, "broken": {law: times since it last passed}}; empty if the file cannot be read."""
    try:
        stored = json.loads(progress_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    entries = stored.items() if isinstance(stored, dict) else ()
    return {number: entry for number, entry in entries if _is_entry(entry)}


def record_pass(number: str) -> None:
    """The exercise is done; hints start again from the first should it break later. Raises OSError."""
    _write(number, {"passed": True, "broken": {}})


def record_failure(number: str, law: str) -> int:
    """Count a broken law and return how often it was broken. Raises OSError; the count is then of no use."""
    entry = read_progress().get(number, {"passed": False, "broken": {}})
    times = int(entry["broken"].get(law, 0)) + 1
    _write(number, {"passed": entry["passed"], "broken": {**entry["broken"], law: times}})
    return times


def _is_entry(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("passed"), bool)
        and isinstance(entry.get("broken"), dict)
        and all(isinstance(times, int) for times in entry["broken"].values())
    )


def _write(number: str, entry: dict[str, Any]) -> None:
    """Replace the file as a whole, so that no reader ever sees half of it."""
    file = progress_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**read_progress(), number: entry}, indent=1, sort_keys=True)
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=file.name)
    try:
        with open(handle, "w", encoding="utf-8") as opened:
            opened.write(text)
        os.replace(temporary, file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
