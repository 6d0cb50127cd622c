"""Processes that outlive the one that started them: Linux can hand them over, so that none is left behind.

Elsewhere these functions do nothing: a process that has left its group then goes on after its parent.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
MOST_GENERATIONS = 100


def adopt_orphans() -> None:
    """From now on this process is the parent of all its descendants whose own parent has ended."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """This process is killed as soon as its parent ends."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def kill_children() -> None:
    """Kill all children of this process, then theirs, which it has adopted, and so on."""
    for _ in range(MOST_GENERATIONS):
        children = _children()
        for child in children:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(child, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, 0)
        if not children:
            return


def _children() -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]
    except OSError:
        return []


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
