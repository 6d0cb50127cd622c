"""The clients of a round spread over processes of this machine: this one and its helpers.

The clients are split by their number of examples and the number of processes alone. A share whose helper is not ready
yet is computed here, so that the same bytes come out, whoever computed them.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache

import torch

from fedlab_core.clients import Download, Report, client_side
from fedlab_core.federation.trainer import OnStep, no_step_hook
from fedlab_core.helpers import Helper, HelperError, Unable, may_fork
from fedlab_core.lab import Federation
from fedlab_core.types import RoundContext

__all__ = ["MOST", "Crew", "HelperError", "crew", "default_processes", "one_thread", "split"]

MOST = 8
"""More processes than this gain little: the server's part of a round is not shared out."""


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one torch thread, and leave the setting as it was."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def default_processes() -> int:
    """As many as there are processors, or as the variable FEDLAB_PROCESSES says; at most `MOST`."""
    asked = os.environ.get("FEDLAB_PROCESSES", "")
    if asked.isdecimal() and int(asked):
        return min(int(asked), MOST)
    free = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(free, MOST)


@lru_cache
def crew(processes: int) -> Crew:
    """The processes of this program, started once and kept; they end with it."""
    shared = Crew(processes)
    atexit.register(shared.close)
    return shared


class Crew:
    """Runs the clients of a round in `processes` processes, this one included. Threads may share it."""

    def __init__(self, processes: int) -> None:
        self.processes = processes
        self._helpers: list[Helper] = []
        self._hopeless = False
        self._unknown: set[str] = set()
        self._busy = threading.Lock()

    def start(self, federation: Federation | None = None) -> None:
        """Start the helpers that are missing. Returns at once; those that are not forked are ready a little later.

        One that ends before it is ready is not started again: whatever is wrong, all can be computed here.
        """
        lost = [helper for helper in self._helpers if not helper.alive]
        for helper in lost:
            helper.close()
            self._hopeless |= not helper.was_ready
        self._helpers = [helper for helper in self._helpers if helper not in lost]
        missing = 0 if self._hopeless else self.processes - 1 - len(self._helpers)
        fork = federation is not None and may_fork()
        new = [Helper.forked(federation) if fork and federation else Helper.spawned() for _ in range(missing)]
        for helper in new:  # only now: listening takes a thread, and then nothing can be forked any more
            helper.listen()
        self._helpers += new

    def wait(self) -> None:
        """Wait until every helper that was started can take clients, or has ended."""
        for helper in self._helpers:
            if not helper.ready:
                helper.spoke.wait()

    def close(self) -> None:
        """End the helpers."""
        for helper in self._helpers:
            helper.close()
        self._helpers = []

    def __call__(
        self, federation: Federation, downloads: Sequence[Download], ctx: RoundContext, on_step: OnStep = no_step_hook
    ) -> list[Report]:
        """See `fedlab_core.clients.client_side`. Every process computes with one thread.

        Raises:
            HelperError: a helper died or could not do its part.
        """
        sizes = [int(federation.data.sizes[client]) for client, *_ in downloads]
        shares = split(sizes, min(self.processes, len(sizes)))
        reports: dict[int, Report] = {}

        def compute(share: Sequence[int]) -> None:
            with one_thread():
                done = client_side(federation, [downloads[place] for place in share], ctx, on_step)
            reports.update(zip(share, done, strict=True))

        mine = self._busy.acquire(blocking=False)  # another thread's round has the helpers: do all here
        try:
            if mine:
                self.start(federation)
            useful = mine and federation.experiment.hash not in self._unknown
            free = [helper for helper in self._helpers if helper.ready] if useful else []
            sent = list(zip(shares[1:], free, strict=False))
            try:
                for share, helper in sent:
                    helper.send(federation.experiment, ctx.round, [downloads[place] for place in share])
                for share in (shares[0], *shares[1 + len(sent) :]):
                    compute(share)
                for share, helper in sent:
                    try:
                        reports.update(zip(share, helper.receive(ctx.round, on_step), strict=True))
                    except Unable:
                        self._unknown.add(federation.experiment.hash)
                        compute(share)
            except BaseException:
                for _, helper in sent:  # it may be in the middle of something: start another one
                    helper.close()
                raise
        finally:
            if mine:
                self._busy.release()
        return [reports[place] for place in range(len(downloads))]


def split(sizes: Sequence[int], parts: int) -> list[list[int]]:
    """Places of the clients in each part: the longest first, each to the part that has least to do so far."""
    shares: list[list[int]] = [[] for _ in range(parts)]
    load = [0] * parts
    for place in sorted(range(len(sizes)), key=lambda place: (-sizes[place], place)):
        part = min(range(parts), key=lambda part: (load[part], part))
        shares[part].append(place)
        load[part] += sizes[place]
    return [sorted(share) for share in shares]
