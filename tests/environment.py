"""The environment of processes that tests start."""

from __future__ import annotations

import os


def unmeasured(**more: str) -> dict[str, str]:
    """The environment, and `more`, without the request to count covered lines: counting makes a process slow, and
    what the dashboard or a notebook runs of the core is covered by the core's own tests."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")} | more
