"""Worker processes, seen from both ends: `Child` is what the parent holds, `Parent` what the worker knows of it.

The parent writes lines to the child's standard input; its end means that the parent is gone, however it went. The child
answers on its standard output; the end of that means that the child is gone. So neither waits for a dead one.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import IO

CLOSE_S = 5.0
"""How long a worker may take to leave its run before it is killed."""

READY = "ready"
"""What a child says when it can take a run."""

OnLine = Callable[["Child", str | None], None]


class Child:
    """The parent's side of one worker. `on_line` gets every line that it says, and None at its end, in a thread.

    With `apart` the child does not get the Ctrl-C that the terminal sends to its parent, who tells it in time.
    """

    def __init__(
        self,
        store_path: Path,
        *options: str,
        on_line: OnLine | None = None,
        environment: Mapping[str, str] | None = None,
        apart: bool = False,
    ) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fedlab_core.runs.worker", "--store", str(store_path), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **(environment or {})},
            process_group=0 if apart else None,
        )
        self.ready = threading.Event()
        self._on_line = on_line
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.process.poll() is None

    def tell(self, line: str = "") -> None:
        """Say a line; one that died just now does not hear it."""
        with suppress(OSError):
            _pipe(self.process.stdin).write(line.encode() + b"\n")
            _pipe(self.process.stdin).flush()

    def hang_up(self) -> None:
        """Ask it to end: within a client step it leaves its run."""
        with suppress(OSError):  # what was not yet written goes to nobody
            _pipe(self.process.stdin).close()

    def _listen(self) -> None:
        """Read what the worker says, to its end, so that it never blocks on a full pipe."""
        with _pipe(self.process.stdout) as lines:
            for line in lines:
                text = line.decode(errors="replace").strip()
                if text == READY:
                    self.ready.set()
                if self._on_line is not None:
                    self._on_line(self, text)
        if self._on_line is not None:
            self._on_line(self, None)


def end_all(children: Iterable[Child]) -> None:
    """Ask them all to end, and wait until they have; who takes too long is killed. Their runs can be resumed."""
    children = list(children)
    for child in children:
        child.hang_up()
    for child in children:
        with suppress(subprocess.TimeoutExpired):
            child.process.wait(CLOSE_S)
        child.process.kill()
        child.process.wait()


class Parent:
    """The child's view of its parent: whether it is there, whether it said something, and what."""

    def __init__(self) -> None:
        self.gone = False
        self.spoke = threading.Event()
        self.lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        """What it said; an empty line at its end, so that nobody waits in vain."""
        threading.Thread(target=self._read, daemon=True).start()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._end)

    def say(self, line: str) -> None:
        """A line to the parent. If nobody hears it, the end of standard input follows."""
        with suppress(OSError):
            os.write(1, line.encode() + b"\n")

    def _read(self) -> None:
        # Not sys.stdin: its lock, held by a thread, makes the interpreter stumble when it ends.
        rest = b""
        while text := os.read(0, 4096):
            *lines, rest = (rest + text).split(b"\n")
            for line in lines:
                self.lines.put(line.decode(errors="replace"))
            self.spoke.set()
        self.gone = True
        self.lines.put("")
        self.spoke.set()

    def _end(self, number: int, frame: FrameType | None) -> None:
        self.gone = True  # no more than this: the interrupted code may hold the lock of `spoke`


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe
