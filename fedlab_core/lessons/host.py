"""The process in which answers are judged (`sandbox`), seen from the one that grades."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from fedlab_core.lessons.sandbox import Limits, Verdict

GRACE_S = 5.0
"""How long a host may take to end its guest."""
ROOT = Path(__file__).parents[2]


class Host:
    """A process that judges answers, one after the other; a context manager. Starting takes some seconds."""

    def __init__(self) -> None:
        """Raises ValueError where processes cannot be forked."""
        if not hasattr(os, "fork"):
            raise ValueError("grading forks processes, which Windows cannot: use Linux, macOS or WSL")
        self._closed = False
        self._start()

    def __enter__(self) -> Host:
        return self

    def __exit__(self, *_: object) -> None:
        """End it at once, with the answer that it is judging: `judge`, in another thread, says that it was stopped."""
        self._closed = True
        self._end()

    def judge(self, notebook: Path, number: str, limits: Limits) -> Verdict:
        """The verdict on the answer to exercise `number` in `notebook`."""
        job = {"notebook": str(notebook.resolve()), "number": number, **asdict(limits)}
        assert self._process.stdin
        assert self._process.stdout
        with contextlib.suppress(OSError):
            self._process.stdin.write(json.dumps(job).encode() + b"\n")
            self._process.stdin.flush()
        if line := self._process.stdout.readline():
            return Verdict(**json.loads(line))
        if not self._closed:  # the system killed it, for want of memory perhaps
            self._end()
            self._start()
        return Verdict("stopped", "its process was killed by the system")

    def _start(self) -> None:
        # -P: nothing is imported from the folder in which one happens to be, which may be that of the submissions.
        command = [sys.executable, "-P", "-m", "fedlab_core.lessons.sandbox"]
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
        # In a session of its own: Ctrl-C is for the process that grades, which ends its hosts itself.
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, start_new_session=True
        )

    def _end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                assert pipe
                pipe.close()
