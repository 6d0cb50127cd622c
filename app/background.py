"""Work that takes longer than a page may: a thread beside the pages does it, and the page that wants it looks in.

Nothing here knows what the work is. It tells how far it is by calling `say`; if nobody waits for it any more (a slider
has been moved on), that call ends it.
"""

from __future__ import annotations

import queue
import threading
import traceback
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

import streamlit as st

from app import session

POLL_S = 0.3
PATIENCE_S = 0.15
"""A page waits so long before it is drawn without a result: most are there by then."""

KEPT = 64
"""So many results are kept, for all windows together."""

Say = Callable[[str, float], None]
"""Tells what is being done, in words, and which share of it is done."""

Work = Callable[[Say], Any]


class _LeftError(Exception):
    """Nobody waits any more."""


class Job:
    """Something that is done in a thread. `error` is a sentence where it could not be done."""

    def __init__(self, work: Work) -> None:
        self.said, self.share = "Waiting for its turn …", 0.0
        self.result: Any = None
        self.error = ""
        self._waiting: set[str] = set()
        self._left = False
        self._lock = threading.Lock()
        self._work = work
        self._over = threading.Event()

    @property
    def done(self) -> bool:
        """Whether there is a result, or an error."""
        return self._over.is_set()

    def wait(self, seconds: float) -> bool:
        """Whether it is done, after so many seconds at most."""
        return self._over.wait(seconds)

    @property
    def left(self) -> bool:
        """Whether it was given up, because nobody waited any more."""
        return self._left

    def join(self, slot: str) -> bool:
        """Wait for it in this place; False if it has been given up."""
        with self._lock:
            self._waiting.add(slot)
            return not self._left

    def leave(self, slot: str) -> None:
        """Wait no more."""
        with self._lock:
            self._waiting.discard(slot)

    def carry_out(self) -> None:
        """Do it; called in the thread."""
        try:
            self._say("Beginning …", 0.0)
            self.result = self._work(self._say)
        except _LeftError:
            pass
        except ValueError as error:  # SettingError, DataError, PartitionError, training that diverges: one sentence
            self.error = str(error)
        except Exception:  # a mistake in the program: the thread has to live on
            traceback.print_exc()
            self.error = "something went wrong in this computation; the server's log says what"
        finally:
            self._over.set()

    def _say(self, words: str, share: float) -> None:
        with self._lock:
            self._left = not self._waiting
        if self._left:
            raise _LeftError
        self.said, self.share = words, min(1.0, share)


class Lane:
    """A thread that does one job after the other. It ends with the server, whatever it is doing."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        threading.Thread(target=self._work, daemon=True).start()

    def do(self, job: Job) -> None:
        """Soon."""
        self._jobs.put(job)

    def _work(self) -> None:
        while True:
            self._jobs.get().carry_out()


class Desk:
    """The jobs of all windows, by what is to be done; equal ones are done once."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[Hashable, Job] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, key: Hashable) -> Job | None:
        """The job of this key, if anybody has asked for it."""
        with self._lock:
            job = self._jobs.get(key)
            return None if job is None or job.left else job

    def want(self, slot: str, key: Hashable, work: Work, lane: Lane) -> Job:
        """The job of this key, begun if it is new. What the same slot wanted before is left, unless others wait."""
        with self._lock:
            job = self._jobs.get(key)
            for other in self._jobs.values():
                if other is not job:  # left for a moment, it might be given up just then
                    other.leave(slot)
            if job is not None and job.join(slot):
                self._jobs.move_to_end(key)
                return job
            job = self._jobs[key] = Job(work)
            job.join(slot)
            while len(self._jobs) > KEPT:
                self._jobs.popitem(last=False)
        lane.do(job)
        return job


@st.cache_resource(show_spinner=False)
def desk() -> Desk:
    """One for the server."""
    return Desk()


@st.cache_resource(show_spinner=False)
def lane(name: str) -> Lane:
    """Quick jobs need not wait for slow ones, and what measures time is alone in its lane."""
    return Lane()


def want(slot: str, key: Hashable, work: Work, lane_name: str = "quick") -> Job:
    """What this window needs in this place of a page; it replaces what was needed there before."""
    window = session.window()
    return desk().want(f"{window}:{slot}", key, work, lane(lane_name))


def find(key: Hashable) -> Job | None:
    """What some window has asked for."""
    return desk().find(key)


def watch(job: Job) -> None:
    """Say what is being done until it is done; then the page is drawn again."""
    st.fragment(_look, run_every=POLL_S)(job)


def _look(job: Job) -> None:
    if job.done:
        st.rerun()
    st.progress(job.share, text=job.said)
