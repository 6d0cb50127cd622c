"""Each system's own virtual environment, made once and kept in `build/peers` (or where FEDLAB_PEERS says).

    python benchmarks/peers/environments.py

PyTorch is not installed again: a .pth file lets the environment see the packages of the Python that runs this, after
its own. That saves gigabytes, and all systems compute with the same PyTorch.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from functools import lru_cache
from pathlib import Path

REQUIREMENTS = {
    "flower": "flwr[simulation]==1.41.0",
    "pfl": "pfl[pytorch]==0.6.0",
    "fedlab": "fedlab==1.3.0",
}
PATIENCE_S = 1800


class NoEnvironment(RuntimeError):  # noqa: N818 - a reason to skip, no error of ours
    """A system cannot be installed here; the message says why."""


def folder() -> Path:
    """Where the environments are."""
    return Path(os.environ.get("FEDLAB_PEERS") or Path(__file__).parents[2] / "build" / "peers")


@lru_cache
def python_of(name: str) -> Path:
    """The Python of an environment, which is made if it is not there yet; "" is the Python that runs this.

    Raises:
        NoEnvironment: what pip had to say.
    """
    if not name:
        return Path(sys.executable)
    path, wanted = folder() / name, REQUIREMENTS[name]
    python, stamp = path / "bin" / "python", path / "installed.txt"
    if os.name == "nt":
        python = path / "Scripts" / "python.exe"
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"installing {wanted} into {path}", file=sys.stderr)
        venv.create(path, clear=True, with_pip=True)
        _see_our_packages(python)
        _install(python, wanted)
        stamp.write_text(wanted)  # last, so that an interrupted installation starts again
    return python


def _see_our_packages(python: Path) -> None:
    """A line in a .pth file is a folder to look into after the environment's own."""
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    found = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    # The name sorts behind pip's own files, so that these packages come last.
    (Path(found) / "zz_shared_packages.pth").write_text(sysconfig.get_path("purelib") + "\n")


def _install(python: Path, wanted: str) -> None:
    command = [python, "-m", "pip", "install", "--disable-pip-version-check", "--quiet", wanted]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        raise NoEnvironment(f"pip install {wanted} took longer than {PATIENCE_S} s") from None
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")] or ["pip failed"]
        raise NoEnvironment(f"pip install {wanted}: {errors[-1].removeprefix('ERROR: ')[:200]}")


def main() -> None:
    """Make all of them."""
    for name, wanted in REQUIREMENTS.items():
        try:
            print(f"{wanted}: {python_of(name)}")
        except NoEnvironment as reason:
            print(f"{wanted}: not installed, {reason}")


if __name__ == "__main__":
    main()
