"""Answers of others, judged where they can do little harm: each in a process of its own, with little time and memory.

This is the program of a host (`host.Host`), which has loaded the checks. For each answer it forks a guest, in which the
student's code runs: in an empty folder, without input and output, with limits on time, memory and files. The guest's
report comes back as JSON, and its process group is killed, whatever it did; on Linux all that it has started, too. That
guards against accidents and pranks, endless loops, `os._exit`, ten gigabytes at once; it is no fortress. Code that is
out for it could reach files and network as the user who grades, or forge its own report: grade what strangers send in a
container that has nothing to lose.

Forking is what makes it quick, so it needs Linux, macOS or WSL; macOS does not enforce the limit on memory.
"""

from __future__ import annotations

import contextlib
import json
import os
import runpy
import select
import signal
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from fedlab_core.lessons.checks import check, exercises
from fedlab_core.lessons.checks.progress import VARIABLE
from fedlab_core.lessons.excerpt import ExcerptError, code_cells, excerpt
from fedlab_core.lessons.orphans import adopt_orphans, die_with_parent, kill_children

Outcome = Literal["passed", "failed", "unwritten", "missing", "stopped"]
MAX_NOTEBOOK_BYTES, MAX_FILE_BYTES, MAX_REPORT_BYTES = 50_000_000, 10_000_000, 100_000
LONGEST = 500
"""Characters of a text in a report."""


@dataclass(frozen=True)
class Verdict:
    """What became of one answer.

    Attributes:
        outcome: "passed"; "failed", a law is broken; "unwritten", the stub is still there; "missing", there is no such
            function; "stopped", it was killed or ended its process.
        law, given, expected, got, hint: the broken law, on which input, and the first hint; `law` says, too, why an
            answer is missing or was stopped.
    """

    outcome: Outcome
    law: str = ""
    given: str = ""
    expected: str = ""
    got: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Limits:
    """What one answer may use: seconds of its laws, and megabytes beyond what the checks themselves need."""

    seconds: float = 10.0
    megabytes: int = 1000

    @property
    def patience_s(self) -> float:
        """How long a guest is waited for: code outside the function takes its time, too."""
        return 2 * self.seconds + 5


def main() -> None:
    """A job a line comes in, a verdict a line goes out."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    adopt_orphans()
    exercises()
    for line in sys.stdin:
        job = json.loads(line)
        limits = Limits(job["seconds"], job["megabytes"])
        print(json.dumps(asdict(_fork(job["notebook"], job["number"], limits))), flush=True)


def _fork(notebook: str, number: str, limits: Limits) -> Verdict:
    with tempfile.TemporaryDirectory(prefix="fedlab-answer-") as folder:
        ours, theirs = os.pipe()
        guest = os.fork()
        if not guest:
            os.close(ours)
            _guest(Path(notebook), number, limits, theirs, folder)
        try:
            os.close(theirs)
            said = _listen(ours, time.monotonic() + limits.patience_s)
        finally:
            os.close(ours)
            status = _see_off(guest)
    if said is None:
        return Verdict("stopped", f"it did not come to an end in {limits.patience_s:g} s")
    return _verdict(said) or Verdict("stopped", f"it ended its process before there was a result (status {status})")


def _see_off(guest: int) -> int:
    """End a guest and all that it has started; its exit status."""
    # Until it is waited for, the number of the process is its own, so no stranger can be hit.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(guest, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.kill(guest, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(guest, 0)[1])
    kill_children()
    return status


def _listen(pipe: int, deadline: float) -> bytes | None:
    """All that the guest writes until it closes the pipe; None if it takes too long."""
    said = b""
    while (left := deadline - time.monotonic()) > 0 and select.select([pipe], [], [], left)[0]:
        part = os.read(pipe, 65_536)
        said += part
        if not part or len(said) > MAX_REPORT_BYTES:
            return said
    return None


def _verdict(said: bytes) -> Verdict | None:
    """What the guest says, taken as the word of a stranger."""
    try:
        verdict = Verdict(**json.loads(said))
    except (ValueError, TypeError, RecursionError):
        return None
    texts = {name: text[:LONGEST] for name, text in asdict(verdict).items() if isinstance(text, str)}
    is_one = verdict.outcome in get_args(Outcome) and len(texts) == len(asdict(verdict))
    return replace(verdict, **texts) if is_one else None  # type: ignore[arg-type]


def _guest(notebook: Path, number: str, limits: Limits, pipe: int, folder: str) -> None:
    """The guest's whole life; it never returns."""
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.setsid()
        die_with_parent()
        _confine(limits, folder, pipe)
        said = json.dumps(asdict(_judge(notebook, number, limits))).encode()
        while said:
            said = said[os.write(pipe, said) :]
    finally:
        os._exit(0)


def _confine(limits: Limits, folder: str, pipe: int) -> None:
    import resource  # not on Windows, where this module can be imported nevertheless

    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    os.closerange(3, pipe)
    os.closerange(pipe + 1, 4096)
    os.chdir(folder)
    os.environ[VARIABLE] = str(Path(folder) / "progress.json")
    sizes = Path("/proc/self/statm")
    mapped = int(sizes.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE") if sizes.exists() else 0
    most = {
        resource.RLIMIT_AS: mapped + limits.megabytes * 10**6,
        resource.RLIMIT_CPU: int(limits.patience_s) + 1,
        resource.RLIMIT_FSIZE: MAX_FILE_BYTES,
        resource.RLIMIT_CORE: 0,
    }
    for kind, value in most.items():
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        with contextlib.suppress(ValueError, OSError):  # a system that does not know this limit
            resource.setrlimit(kind, (value, value))


def _judge(notebook: Path, number: str, limits: Limits) -> Verdict:
    exercise = exercises()[number]
    try:
        if notebook.stat().st_size > MAX_NOTEBOOK_BYTES:
            return Verdict("missing", f"the notebook is larger than {MAX_NOTEBOOK_BYTES // 10**6} MB")
        code, name = excerpt(code_cells(notebook.read_text("utf-8-sig", errors="replace")), number, exercise.name)
    except (ExcerptError, OSError) as error:
        return Verdict("missing", str(error))
    answer = Path("answer.py")
    answer.write_text(code, encoding="utf-8", errors="replace")
    try:
        function = runpy.run_path(str(answer))[name]
    except BaseException as error:  # SystemExit and the like are wrong answers, too
        return Verdict("failed", f"the code that {name} needs runs", got=f"{type(error).__name__}: {error}")
    report = check(number, function, time_limit_s=limits.seconds)
    fault: Any = report.fault
    given = {"given": fault.given, "expected": fault.expected, "got": fault.got} if fault else {}
    return Verdict(report.status, report.law, hint="".join(report.hints[:1]), **given)


if __name__ == "__main__":
    main()
