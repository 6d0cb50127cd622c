"""What tests find around them: the browser, the time they have, and the environment of processes that they start."""

from __future__ import annotations

import os
import shutil

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
"""The browser; None where there is none, and the tests that need it are skipped."""

PATIENCE_MS = int(os.environ.get("PATIENCE_MS", 300_000))
"""How long to wait for something to appear in it: machines that test are busy."""


def unmeasured(**more: str) -> dict[str, str]:
    """The environment, and `more`, without the request to count covered lines: counting makes a process slow, and
    what the dashboard or a notebook runs of the core is covered by the core's own tests."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")} | more
