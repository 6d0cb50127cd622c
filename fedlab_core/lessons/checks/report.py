"""What a student sees after a check: text anywhere, markdown in a notebook. Their own text is never read as markup."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from typing import Literal

from fedlab_core.lessons.checks.exercise import BrokenLawError, Exercise, Function

WIDTH = 100
LABELS = ("where to look", "the idea", "nearly the code")


@dataclass(frozen=True, repr=False)
class Report:
    """Result of `check`.

    Attributes:
        exercise: what was checked.
        status: "passed", "failed", or "unwritten" for a stub.
        function: the student's function where it passed, otherwise the lab's own, so that a notebook can always go on.
        law: what failed, in words.
        kept: laws that held before it.
        fault: on which input it failed; None unless failed.
        hints: those shown this time.
        note: anything else worth knowing, e.g. that progress could not be saved.
    """

    exercise: Exercise
    status: Literal["passed", "failed", "unwritten"]
    function: Function
    law: str = ""
    kept: int = 0
    fault: BrokenLawError | None = None
    hints: tuple[str, ...] = ()
    note: str = ""

    @property
    def passed(self) -> bool:
        """Whether every law held."""
        return self.status == "passed"

    @property
    def headline(self) -> str:
        """One sentence on how it stands."""
        name, laws = f"{self.exercise.number} {self.exercise.name}", self.exercise.laws
        if self.status == "passed":
            return f"{name}: passed, all {len(laws)} laws hold."
        if self.status == "unwritten":
            return (
                f"{name}: not written yet. Replace the line `raise NotImplementedError(...)` and run the check again."
            )
        return f"{name}: not yet, {self.kept} of {len(laws)} laws hold so far."

    def __repr__(self) -> str:
        lines = [self.headline]
        if self.law:
            lines.append(f"Broken law: {self.law}.")
        lines += self._evidence()
        lines += [f"Hint {i} of 3, {label}: {hint}" for i, label, hint in self._hints()]
        return "\n".join([*lines, *self._closing()])

    def _repr_markdown_(self) -> str:
        parts = [f"**{self.headline}**"]
        if self.law:
            parts.append(f"Broken law: *{self.law}*.")
        if evidence := "\n".join(self._evidence()):
            # A fence longer than any inside it cannot be closed by the student's own text.
            fence = "`" * (3 + max(map(len, re.findall("`+", evidence)), default=0))
            parts.append(f"{fence}text\n{evidence}\n{fence}")
        parts += [f"**Hint {i} of 3, {label}.** {hint}" for i, label, hint in self._hints()]
        return "\n\n".join([*parts, *self._closing()])

    def _evidence(self) -> list[str]:
        if self.fault is None:
            return []
        rows = {"input": self.fault.given, "expected": self.fault.expected, "got": self.fault.got}
        return [
            textwrap.fill(" ".join(text.split()), WIDTH, initial_indent=f"{name:10}", subsequent_indent=" " * 10)
            for name, text in rows.items()
        ]

    def _hints(self) -> list[tuple[int, str, str]]:
        return [(i, label, hint) for i, (label, hint) in enumerate(zip(LABELS, self.hints, strict=False), start=1)]

    def _closing(self) -> list[str]:
        more = "Change something and check again; another failure brings the next hint."
        return ([more] if self.hints and len(self.hints) < 3 else []) + ([self.note] if self.note else [])
