"""The real dashboard as a process of its own, for a real browser."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Self

import psutil

from tests.environment import unmeasured

ROOT = Path(__file__).parents[2]
START_S = 60.0


class Server:
    """`streamlit run app/main.py` on a free port, with a store of its own."""

    def __init__(self, folder: Path) -> None:
        self.store_path = folder / "runs.sqlite"
        self.log = folder / "server.log"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"http://localhost:{self.port}"
        command = [sys.executable, "-m", "streamlit", "run", "app/main.py", "--server.headless=true"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, f"--server.port={self.port}"],
                cwd=ROOT,
                env=unmeasured(FEDLAB_STORE=str(self.store_path)),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._wait_until_it_answers()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def kill(self) -> None:
        """What a crash or `kill -9` does: nothing of the server can clean up."""
        self.process.kill()
        self.process.wait()

    def workers(self) -> list[psutil.Process]:
        """The processes that this server has started."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/_stcore/health", timeout=5) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.1)
        raise TimeoutError(f"the dashboard did not start within {START_S} s:\n{self.log.read_text()}")
