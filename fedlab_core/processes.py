"""The clients of a round spread over processes of this machine: this one and its helpers.

What passes between them is what passes between server and clients anyway: encoded downlinks and uplinks. A helper reads
tasks from its standard input and ends when that ends, so none outlives its parent, however the parent went. A helper is
started like any program, not forked: it works the same on every system and beside any threads.

    [length of the head] [head: JSON, with the sizes of the payloads] [payloads]

The clients are split by their number of examples and the number of processes alone. A share whose helper is not ready
yet is computed here, so that the same bytes come out, whoever computed them.
"""

from __future__ import annotations

import atexit
import json
import os
import queue
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import IO, Any, NamedTuple

import torch

from fedlab_core.experiment import Experiment
from fedlab_core.federation.trainer import OnStep, no_step_hook
from fedlab_core.rounds import Download, Federation, Report, client_side
from fedlab_core.types import RoundContext

MOST = 8
"""More processes than this gain little: the server's part of a round is not shared out."""

_LENGTH = struct.Struct("<I")
_LOOK_S = 0.005


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one torch thread, and leave the setting as it was."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class HelperError(RuntimeError):
    """A helper ended or failed. The round is lost; the run can be resumed."""


class _Frame(NamedTuple):
    head: dict[str, Any]
    payloads: list[bytes]


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
        self._helpers: list[_Helper] = []
        self._hopeless = False
        self._busy = threading.Lock()

    def start(self) -> None:
        """Start the helpers that are missing. Returns at once; they are ready a little later.

        One that ends before it is ready is not started again: whatever is wrong, all can be computed here.
        """
        lost = [helper for helper in self._helpers if not helper.alive]
        for helper in lost:
            helper.close()
            self._hopeless |= not helper.was_ready
        self._helpers = [helper for helper in self._helpers if helper not in lost]
        while len(self._helpers) < self.processes - 1 and not self._hopeless:
            self._helpers.append(_Helper())

    def wait(self) -> None:
        """Wait until every helper that was started can take clients, or has ended."""
        for helper in self._helpers:
            helper.spoke.wait()

    def close(self) -> None:
        """End the helpers."""
        for helper in self._helpers:
            helper.close()
        self._helpers = []

    def __call__(
        self, federation: Federation, downloads: Sequence[Download], ctx: RoundContext, on_step: OnStep = no_step_hook
    ) -> list[Report]:
        """See `fedlab_core.rounds.client_side`. Every process computes with one thread.

        Raises:
            HelperError: a helper died or could not do its part.
        """
        sizes = [int(federation.data.sizes[client]) for client, _ in downloads]
        shares = split(sizes, min(self.processes, len(sizes)))
        mine = self._busy.acquire(blocking=False)  # another thread's round has the helpers: do all here
        try:
            if mine:
                self.start()
            free = [helper for helper in self._helpers if helper.ready] if mine else []
            sent = list(zip(shares[1:], free, strict=False))
            reports: dict[int, Report] = {}
            try:
                for share, helper in sent:
                    helper.send(federation.experiment, ctx.round, [downloads[place] for place in share])
                for share in (shares[0], *shares[1 + len(sent) :]):
                    with one_thread():
                        done = client_side(federation, [downloads[place] for place in share], ctx, on_step)
                    reports.update(zip(share, done, strict=True))
                for share, helper in sent:
                    reports.update(zip(share, helper.receive(ctx.round, on_step), strict=True))
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


class _Helper:
    """The parent's side of one helper."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fedlab_core.processes"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        self._replies: queue.SimpleQueue[_Frame | None] = queue.SimpleQueue()
        self.ready = self.was_ready = False
        self.spoke = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def send(self, experiment: Experiment, round: int, downloads: Sequence[Download]) -> None:
        payloads = list({id(payload): payload for _, payload in downloads}.values())
        which = {id(payload): place for place, payload in enumerate(payloads)}
        clients = [[client, which[id(payload)]] for client, payload in downloads]
        head = {"experiment": experiment.to_json(), "round": round, "clients": clients}
        try:
            _write(_pipe(self._process.stdin), _Frame(head, payloads))
        except OSError:
            raise self._dead(round) from None

    def receive(self, round: int, on_step: OnStep) -> list[Report]:
        """The reports of what was sent; `on_step` is asked while waiting."""
        while True:
            try:
                frame = self._replies.get(timeout=_LOOK_S)
                break
            except queue.Empty:
                on_step()
        if frame is None:
            raise self._dead(round)
        if "error" in frame.head:
            raise HelperError(f"a helper process failed in round {round}: {frame.head['error']}")
        return [Report(*report) for report in zip(frame.payloads, frame.head["effective_flops"], strict=True)]

    def close(self) -> None:
        with suppress(OSError):
            _pipe(self._process.stdin).close()
        self._process.kill()
        self._process.wait()

    def _listen(self) -> None:
        with _pipe(self._process.stdout) as replies:
            while (frame := _read(replies)) is not None:
                if self.ready:
                    self._replies.put(frame)
                self.ready = self.was_ready = True
                self.spoke.set()
        self.ready = False
        self.spoke.set()
        self._replies.put(None)

    def _dead(self, round: int) -> HelperError:
        code = self._process.wait()
        return HelperError(f"a helper process ended in round {round} (exit code {code}); the run can be resumed")


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe


def _write(stream: IO[bytes], frame: _Frame) -> None:
    head = json.dumps({**frame.head, "sizes": [len(payload) for payload in frame.payloads]}).encode()
    stream.write(_LENGTH.pack(len(head)) + head)
    for payload in frame.payloads:
        stream.write(payload)
    stream.flush()


def _read(stream: IO[bytes]) -> _Frame | None:
    """The next frame; None at the end, also in the middle of a frame: the other side is gone."""
    length = stream.read(_LENGTH.size)
    if len(length) < _LENGTH.size:
        return None
    text = stream.read(_LENGTH.unpack(length)[0])
    try:
        head = json.loads(text)
    except ValueError:
        return None
    payloads = [stream.read(size) for size in head["sizes"]]
    return _Frame(head, payloads) if [len(payload) for payload in payloads] == head["sizes"] else None


class _Orphaned(BaseException):
    """The parent is gone."""


def _serve(tasks: queue.SimpleQueue[_Frame | None], gone: threading.Event, replies: IO[bytes]) -> None:
    def leave_if_alone() -> None:
        if gone.is_set():
            raise _Orphaned

    _write(replies, _Frame({"ready": True}, []))
    federation: Federation | None = None
    while (task := tasks.get()) is not None:
        try:
            text = task.head["experiment"]
            if federation is None or federation.experiment.to_json() != text:
                federation = Federation.of(Experiment.parse(json.loads(text)))
            downloads = [(client, task.payloads[place]) for client, place in task.head["clients"]]
            reports = client_side(federation, downloads, federation.context(task.head["round"]), leave_if_alone)
            reply = _Frame({"effective_flops": [r.effective_flops for r in reports]}, [r.payload for r in reports])
        except _Orphaned:
            return
        except Exception as error:
            reply = _Frame({"error": f"{type(error).__name__}: {error}"}, [])
        _write(replies, reply)


def main() -> None:
    """A helper."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    torch.set_num_threads(1)
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints must not disturb the replies
    tasks: queue.SimpleQueue[_Frame | None] = queue.SimpleQueue()
    gone = threading.Event()

    def listen() -> None:
        with os.fdopen(0, "rb", closefd=False) as requests:
            while (frame := _read(requests)) is not None:
                tasks.put(frame)
        gone.set()
        tasks.put(None)

    threading.Thread(target=listen, daemon=True).start()
    with suppress(OSError):
        _serve(tasks, gone, replies)


if __name__ == "__main__":
    main()
