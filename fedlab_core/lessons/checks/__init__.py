"""`check("01.1", my_function)`: laws on random inputs, run against the student's own function.

A new lesson is a file `lesson_NN.py` here with a tuple `EXERCISES`; nothing else has to know of it.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import cast

from fedlab_core.lessons.checks.clock import OutOfTimeError, within
from fedlab_core.lessons.checks.exercise import (
    ENDS,
    RUNS,
    Answer,
    BrokenLawError,
    Exercise,
    Function,
    Law,
    UnwrittenError,
)
from fedlab_core.lessons.checks.progress import record_failure, record_pass
from fedlab_core.lessons.checks.report import Report
from fedlab_core.types import seeded_generator

__all__ = ["Report", "check", "exercises"]

TIME_LIMIT_S = 10.0


def exercises() -> dict[str, Exercise]:
    """Every exercise of the course by its number."""
    found: dict[str, Exercise] = {}
    for module in pkgutil.iter_modules(__path__, "fedlab_core.lessons.checks."):
        if ".lesson_" not in module.name:
            continue
        lesson = importlib.import_module(module.name)
        found |= {exercise.number: exercise for exercise in lesson.EXERCISES}
    return dict(sorted(found.items()))


def check(number: str, answer: object, *, seed: int = 0, time_limit_s: float = TIME_LIMIT_S) -> Report:
    """Run the laws of exercise `number` against `answer`.

    Whatever the answer is or does, the result is a report; a law that is broken again brings its next hint.
    The outcome is remembered in the file of `progress_file()`.

    Args:
        number: as in the notebook, e.g. "01.1".
        answer: the student's function.
        seed: of the random inputs; equal seeds give equal reports.
        time_limit_s: for all laws together.

    Raises:
        ValueError: there is no such exercise.
    """
    known = exercises()
    if number not in known:
        raise ValueError(f"exercise is {number!r}; allowed is one of {', '.join(known)}")
    exercise = known[number]
    kept: list[Law] = []

    def run() -> None:
        for law in exercise.laws:
            law.test(Answer(exercise.name, answer), seeded_generator("check", number, law.says, seed))
            kept.append(law)

    try:
        within(time_limit_s, run)
    except UnwrittenError:
        return Report(exercise, "unwritten", exercise.ours)
    except BrokenLawError as fault:
        return _failed(exercise, len(kept), fault)
    except OutOfTimeError:
        wanted, got = f"an answer within {time_limit_s:g} s", f"it did not finish in {time_limit_s:g} s"
        return _failed(exercise, len(kept), BrokenLawError(f"{exercise.name}(...)", wanted, got, ENDS))
    except Exception as error:  # a result so odd that the law itself stumbles over it
        got = f"a result that cannot be judged ({type(error).__name__})"
        return _failed(
            exercise, len(kept), BrokenLawError(f"{exercise.name}(...)", "plain numbers and tensors", got, RUNS)
        )
    note = ""
    try:
        record_pass(number)
    except OSError as error:
        note = _unsaved(error)
    return Report(exercise, "passed", cast(Function, answer), note=note)


def _failed(exercise: Exercise, kept: int, fault: BrokenLawError) -> Report:
    law = fault.basic or exercise.laws[kept]
    times, note = 1, ""
    try:
        times = record_failure(exercise.number, law.says)
    except OSError as error:
        note = _unsaved(error)
    return Report(exercise, "failed", exercise.ours, law.says, kept, fault, law.hints[:times], note)


def _unsaved(error: OSError) -> str:
    return f"Your progress could not be saved ({error.strerror}); FEDLAB_PROGRESS may name another file."
