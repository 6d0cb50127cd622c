"""A SuperLink and its SuperNodes as processes of this machine, for one run. Child: `python -m` this module.

Its parent holds the run and its standard input. When that ends, the run is over or the SuperLink is gone, every process
that was started here is ended, and nothing but the run store is left behind. Whoever may use this machine's loopback
reaches the SuperLink while it is up; for other machines see docs/DEPLOY.md.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil

from fedlab_core.runs.info import RunInfo
from fedlab_core.runs.store import RunError, RunStore

LOOK_S = 0.1
START_S = 180.0
"""So long the SuperLink may take until it answers, and then until it has begun with the run."""

CERTIFICATES = "FEDLAB_CERTIFICATES"
"""The variable with the file of the certificate authority that a SuperLink with TLS is checked against."""

APP = """\
[project]
name = "fedlab"
version = "0.1.0"
license = "Apache-2.0"

[tool.flwr.app]
publisher = "fedlab"

[tool.flwr.app.components]
serverapp = "fedlab_app.server:app"
clientapp = "fedlab_app.client:app"

[tool.flwr.app.config]
"""
"""A Flower app that is the package which is installed here; the repository's own app travels to other machines."""

MODULE = """\
from fedlab_core.flower import {side}_app

app = {side}_app.app
"""


def deploy(store: RunStore, info: RunInfo, holder: int, gone: threading.Event) -> None:
    """Carry a run out on Flower; returns when it is over, or `gone` is set.

    Args:
        info: the run, with `where` it is to be computed.
        holder: the number of the process that has claimed it.

    Raises:
        RunError: the SuperLink does not start, ends on the way, or refuses the run.
    """
    where = info.where
    with tempfile.TemporaryDirectory(prefix="fedlab-", ignore_cleanup_errors=True) as name, ExitStack() as stack:
        folder = Path(name)
        address = where.address
        superlink = None
        if not address:
            port, *ports = free_ports(1 + where.nodes)
            address = f"127.0.0.1:{port}"
            superlink = stack.enter_context(_process(folder, "superlink", _superlink(port)))
            _wait_until_up(superlink, port, gone)
            for number, own in enumerate(ports):
                command = _supernode(address, own, number, where.nodes, info)
                stack.enter_context(_process(folder, f"node{number}", command))
        _submit(folder, address, _run_config(store, info, holder))
        taken_by = time.monotonic() + START_S
        while not gone.is_set() and (pid := store.holder(info.run_id)) is not None:
            if superlink is not None and superlink.poll() is not None:
                raise RunError(f"the SuperLink ended (exit code {superlink.returncode}); the run can be resumed")
            if pid == holder and time.monotonic() > taken_by:
                raise RunError(f"the SuperLink at {address} has not begun with the run within {START_S:g} s")
            time.sleep(LOOK_S)


def free_ports(count: int) -> list[int]:
    """Ports that are free now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _superlink(port: int) -> list[str]:
    return ["flower-superlink", "--insecure", "--port", str(port), "--disable-runtime-dependency-installation"]


def _supernode(address: str, port: int, number: int, count: int, info: RunInfo) -> list[str]:
    settings = f"partition-id={number} num-partitions={count} data-path={json.dumps(info.experiment.data.path)}"
    if number in info.where.faults:
        settings += f" fault={json.dumps(info.where.faults[number])}"
    return ["flower-supernode", "--insecure", "--superlink", address, "--port", str(port), "--node-config", settings]


def _run_config(store: RunStore, info: RunInfo, holder: int) -> dict[str, str | int | float]:
    where = info.where
    run: dict[str, str | int | float] = {"run": info.run_id, "store": str(store.path.absolute()), "holder": holder}
    return {**run, "nodes": where.nodes, "deadline_s": where.deadline_s}


def _environment(folder: Path) -> dict[str, str]:
    """Flower's own files stay in `folder`; its programs and this package are found from there."""
    package, programs = Path(__file__).resolve().parents[2], Path(sys.executable).parent
    return {
        **os.environ,
        "FLWR_HOME": str(folder),
        "FLWR_TELEMETRY_ENABLED": "0",
        "OMP_NUM_THREADS": "1",
        "PATH": os.pathsep.join([str(programs), os.environ.get("PATH", "")]),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(package), os.environ.get("PYTHONPATH", "")])),
    }


@contextmanager
def _process(folder: Path, name: str, command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process whose output goes to a file of its own; at the end it and all that it has started are ended."""
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=_environment(folder), cwd=folder
        )
        try:
            yield process
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    family: list[psutil.Process] = []
    with suppress(psutil.NoSuchProcess):
        parent = psutil.Process(process.pid)
        family = [*parent.children(recursive=True), parent]
    for one in family:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    process.wait()


def _wait_until_up(process: subprocess.Popen[bytes], port: int, gone: threading.Event) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until and process.poll() is None and not gone.is_set():
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(LOOK_S)
    if not gone.is_set():
        raise RunError(f"the SuperLink did not start within {START_S:g} s")


def _submit(folder: Path, address: str, config: dict[str, str | int | float]) -> None:
    """Hand the run to the SuperLink as a Flower app."""
    from fedlab_core.flower.server_app import Settings

    app = folder / "app"
    (app / "fedlab_app").mkdir(parents=True)
    defaults = {**Settings().model_dump(), **config}
    lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in defaults.items())
    (app / "pyproject.toml").write_text(APP + lines)
    for side in ("server", "client"):
        (app / "fedlab_app" / f"{side}.py").write_text(MODULE.format(side=side))
    (folder / "config.toml").write_text(f'[superlink.here]\naddress = "{address}"\n{trust(address)}\n')
    command = ["flwr", "run", str(app), "here", "--format", "json"]
    done = subprocess.run(
        command, env=_environment(folder), cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode or '"success": true' not in done.stdout:
        raise RunError(f"the SuperLink at {address} refused the run: {' '.join((done.stdout + done.stderr).split())}")


def trust(address: str) -> str:
    """How the connection to a SuperLink is secured. Raises RunError: not at all, and it leaves this machine."""
    if certificates := os.environ.get(CERTIFICATES):
        return f"root-certificates = {json.dumps(str(Path(certificates).expanduser().absolute()))}"
    if address.rpartition(":")[0] in ("127.0.0.1", "localhost", "[::1]"):
        return "insecure = true"
    raise RunError(f"{address} is not on this machine; say in {CERTIFICATES} which certificate its SuperLink has")


def main(arguments: Sequence[str] | None = None) -> int:
    """Deploy one run for the parent at the other end of standard input."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", required=True)
    parser.add_argument("--run", required=True)
    parser.add_argument("--holder", required=True, type=int)
    options = parser.parse_args(arguments)
    gone = threading.Event()

    def listen() -> None:
        while os.read(0, 4096):
            pass
        gone.set()

    threading.Thread(target=listen, daemon=True).start()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: gone.set())
    with RunStore(options.store) as store:
        try:
            deploy(store, store.get(options.run), options.holder, gone)
        except RunError as error:
            print(error, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
