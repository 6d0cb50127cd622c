"""A helper: another process of this machine that does the clients' side of a round for its parent.

What passes between them is what passes between server and clients anyway: encoded downlinks and uplinks. A helper reads
tasks from a pipe and ends when that ends, so none outlives its parent, however the parent went.

    [length of the head] [head: JSON, with the sizes of the payloads] [payloads]

Where it can be done safely, on Linux in a program of one thread, a helper is forked: it is there at once and shares the
memory of its parent, the data above all. Elsewhere it is started like any program, which works on every system and
beside any threads, and is ready some seconds later.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import struct
import subprocess
import sys
import threading
import traceback
import warnings
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, Any, NamedTuple, Protocol

import torch

from fedlab_core.clients import Download, Report, client_side
from fedlab_core.experiment import Experiment
from fedlab_core.federation.trainer import OnStep
from fedlab_core.lab import Federation

_LENGTH = struct.Struct("<I")
_LOOK_S = 0.005


class HelperError(RuntimeError):
    """A helper ended or failed. The round is lost; the run can be resumed."""


class Unable(Exception):  # noqa: N818 - nothing is lost: whoever asked can do it
    """A helper does not know this experiment, a strategy of the user's own program for example."""


class Frame(NamedTuple):
    """One message between parent and helper."""

    head: dict[str, Any]
    payloads: list[bytes]


class _Process(Protocol):
    """A started helper, as `subprocess.Popen` has it."""

    pid: int
    stdin: IO[bytes] | None
    stdout: IO[bytes] | None

    def poll(self) -> int | None: ...
    def wait(self) -> int: ...
    def kill(self) -> None: ...


class Helper:
    """The parent's side of one helper. Call `listen` once all helpers are there: it starts a thread."""

    def __init__(self, process: _Process, knows: str = "", ready: bool = False) -> None:
        self.process = process
        self.ready = self.was_ready = ready
        self.spoke = threading.Event()
        self._knows = knows
        self._replies: queue.SimpleQueue[Frame | None] = queue.SimpleQueue()

    @classmethod
    def spawned(cls) -> Helper:
        """Started like any program; `ready` becomes true when it has said so."""
        command = [sys.executable, "-m", "fedlab_core.helpers"]
        one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
        return cls(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=one_thread))

    @classmethod
    def forked(cls, federation: Federation) -> Helper:
        """A copy of this process that knows `federation` already."""
        return cls(_Fork(federation), federation.experiment.hash, ready=True)

    def listen(self) -> None:
        """Take replies as they come, so that the helper never waits for us."""
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process.poll() is None

    def send(self, experiment: Experiment, round: int, downloads: Sequence[Download]) -> None:
        """Give it a share of the clients. Raises HelperError."""
        payloads = list({id(part): part for one in downloads for part in (one.payload, one.memory)}.values())
        which = {id(part): place for place, part in enumerate(payloads)}
        clients = [[one.client_id, which[id(one.payload)], which[id(one.memory)]] for one in downloads]
        head: dict[str, Any] = {"round": round, "clients": clients}
        if self._knows != experiment.hash:
            head["experiment"], self._knows = experiment.to_json(), experiment.hash
        try:
            write(_pipe(self.process.stdin), Frame(head, payloads))
        except OSError:
            raise self._dead(round) from None

    def receive(self, round: int, on_step: OnStep) -> list[Report]:
        """The reports of what was sent; `on_step` is asked while waiting. Raises HelperError, Unable."""
        while True:
            try:
                frame = self._replies.get(timeout=_LOOK_S)
                break
            except queue.Empty:
                on_step()
        if frame is None:
            raise self._dead(round)
        if "unable" in frame.head:
            raise Unable(frame.head["unable"])
        if "error" in frame.head:
            raise HelperError(f"a helper process failed in round {round}: {frame.head['error']}")
        return [Report(*report) for report in zip(frame.payloads, frame.head["effective_flops"], strict=True)]

    def close(self) -> None:
        """End it, whatever it is doing."""
        with suppress(OSError):
            _pipe(self.process.stdin).close()
        self.process.kill()
        self.process.wait()

    def _listen(self) -> None:
        with _pipe(self.process.stdout) as replies:
            while (frame := read(replies)) is not None:
                if self.ready:
                    self._replies.put(frame)
                self.ready = self.was_ready = True
                self.spoke.set()
        self.ready = False
        self.spoke.set()
        self._replies.put(None)

    def _dead(self, round: int) -> HelperError:
        code = self.process.wait()
        return HelperError(f"a helper process ended in round {round} (exit code {code}); the run can be resumed")


class _Fork:
    """A forked process."""

    def __init__(self, federation: Federation) -> None:
        tasks, to_child = os.pipe()
        from_child, replies = os.pipe()
        with warnings.catch_warnings():  # Python counts the sleeping threads of BLAS, which knows how to be forked
            warnings.simplefilter("ignore", DeprecationWarning)
            self.pid = os.fork()
        if not self.pid:
            os.close(to_child)
            os.close(from_child)
            _live(tasks, replies, federation)
        os.close(tasks)
        os.close(replies)
        self.stdin: IO[bytes] | None = os.fdopen(to_child, "wb")
        self.stdout: IO[bytes] | None = os.fdopen(from_child, "rb")
        self._ended = threading.Lock()
        self._code: int | None = None

    def poll(self) -> int | None:
        return self._collect(os.WNOHANG)

    def wait(self) -> int:
        code = self._collect(0)
        assert code is not None
        return code

    def kill(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)

    def _collect(self, how: int) -> int | None:
        with self._ended:
            if self._code is None:
                pid, status = os.waitpid(self.pid, how)
                self._code = os.waitstatus_to_exitcode(status) if pid else None
            return self._code


def may_fork() -> bool:
    """Only a program of one thread can be copied safely: another one's locks would stay locked in the copy."""
    return sys.platform == "linux" and threading.active_count() == 1


def write(stream: IO[bytes], frame: Frame) -> None:
    """Send a frame."""
    head = json.dumps({**frame.head, "sizes": [len(payload) for payload in frame.payloads]}).encode()
    stream.write(_LENGTH.pack(len(head)) + head)
    for payload in frame.payloads:
        stream.write(payload)
    stream.flush()


def read(stream: IO[bytes]) -> Frame | None:
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
    return Frame(head, payloads) if [len(payload) for payload in payloads] == head["sizes"] else None


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe


class _Orphaned(BaseException):
    """The parent is gone."""


def _serve(tasks: queue.SimpleQueue[Frame | None], gone: threading.Event, replies: IO[bytes], known: Any) -> None:
    """Tasks in, reports out. `known` is the federation of the last task, or None."""

    def leave_if_alone() -> None:
        if gone.is_set():
            raise _Orphaned

    while (task := tasks.get()) is not None:
        try:
            if "experiment" in task.head:
                known = _built(task.head["experiment"])
            parts = task.payloads
            downloads = [Download(client, parts[down], parts[own]) for client, down, own in task.head["clients"]]
            reports = client_side(known, downloads, known.context(task.head["round"]), leave_if_alone)
            reply = Frame({"effective_flops": [r.effective_flops for r in reports]}, [r.payload for r in reports])
        except _Orphaned:
            return
        except Unable as error:
            reply = Frame({"unable": str(error)}, [])
        except Exception as error:
            reply = Frame({"error": f"{type(error).__name__}: {error}"}, [])
        write(replies, reply)


def _built(text: str) -> Federation:
    try:
        return Federation.of(Experiment.parse(json.loads(text)))
    except Exception as error:
        raise Unable(f"{type(error).__name__}: {error}") from error


def _work(tasks_fd: int, replies_fd: int, federation: Federation | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    torch.set_num_threads(1)
    os.dup2(2, 1)  # whatever prints must disturb neither the replies nor what the parent prints
    tasks: queue.SimpleQueue[Frame | None] = queue.SimpleQueue()
    gone = threading.Event()

    def listen() -> None:
        with os.fdopen(tasks_fd, "rb", closefd=False) as requests:
            while (frame := read(requests)) is not None:
                tasks.put(frame)
        gone.set()
        tasks.put(None)

    threading.Thread(target=listen, daemon=True).start()
    with suppress(OSError), os.fdopen(replies_fd, "wb") as replies:
        if federation is None:
            write(replies, Frame({"ready": True}, []))
        _serve(tasks, gone, replies, federation)


def _live(tasks_fd: int, replies_fd: int, federation: Federation) -> None:
    """All that a fork does. It ends here: what the parent would do at its own end is not for the copy to do."""
    code = 1
    try:
        _work(tasks_fd, replies_fd, federation)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == "__main__":
    _work(0, os.dup(1), None)
