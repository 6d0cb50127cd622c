"""A time limit that works in notebooks and on every system: the work runs in a thread that can be told to give up."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from contextlib import suppress

NUDGES = 20
"""How often a thread is told to give up; an answer that catches everything needs more than once."""


class GiveUp(BaseException):
    """Raised inside work that took too long. No `Exception`, so that `except Exception` does not swallow it."""


class OutOfTimeError(Exception):
    """The work did not finish."""


def within(seconds: float, work: Callable[[], None]) -> None:
    """Run `work` in a thread of its own and wait for it; what it raises is raised here.

    Work that is still going after `seconds` is told to give up at its next line of Python. One that hangs inside a
    library cannot be stopped; it goes on as a daemon, which does not keep the interpreter alive.

    Raises:
        OutOfTimeError: it did not finish.
    """
    raised: list[BaseException] = []

    def run() -> None:
        with suppress(GiveUp):
            try:
                work()
            except BaseException as error:
                raised.append(error)

    thread = threading.Thread(target=run, name="fedlab-check", daemon=True)
    thread.start()
    try:
        thread.join(seconds)
        finished = not thread.is_alive()
    finally:
        _stop(thread)
    if not finished:
        raise OutOfTimeError
    if raised:
        raise raised[0]


def _stop(thread: threading.Thread) -> None:
    for _ in range(NUDGES):
        if not thread.is_alive():
            return
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(GiveUp))
        thread.join(0.05)
