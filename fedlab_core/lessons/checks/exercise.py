"""What an exercise is: laws that every right answer keeps, each with three hints for those that break it."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from traceback import extract_tb
from typing import Any, NamedTuple, NoReturn

import torch

from fedlab_core.lessons.checks.clock import GiveUp
from fedlab_core.lessons.checks.compare import OTHER, difference, number
from fedlab_core.lessons.checks.show import show, show_call

STUB = "exercise "
"""How the text of the `NotImplementedError` in every generated stub begins."""

Function = Callable[..., Any]


class UnwrittenError(Exception):
    """The answer is still the stub."""


class Hints(NamedTuple):
    """Shown one more at a time: where to look, the idea, nearly the code."""

    where: str
    idea: str
    code: str


class Basic(NamedTuple):
    """What every function of the course owes, whatever it computes; `says` as the student reads it."""

    says: str
    hints: Hints


RUNS = Basic(
    "it is a function that runs without an error",
    Hints(
        "Read the text of the error and the line of your code in it.",
        "Call your function yourself, in a cell of its own, with a small input like the one above.",
        (
            "Print the type and the shape of each thing in the line that fails; compare with what the text above the "
            "exercise says."
        ),
    ),
)
ENDS = Basic(
    "it comes to an end",
    Hints(
        "Which loop of yours may never stop, or waits for something?",
        (
            "A `for` loop over the clients or the names always ends; a `while` loop ends only if its condition becomes "
            "false."
        ),
        "Write `for update in updates:` instead of counting yourself.",
    ),
)
LEAVES_ITS_INPUT = Basic(
    "it leaves its input as it is",
    Hints(
        "Which line changes an argument in place?",
        "`total = first; total += more` writes into `first` itself: here into a client's own tensor.",
        "Start from `torch.zeros_like(first)`, or write `total = total + more`, which makes a new tensor.",
    ),
)


class BrokenLawError(Exception):
    """A law does not hold: for which input, what was expected, what came. Texts are ready to be shown.

    `basic` is set where the fault is of a more basic kind than the law that was being tried.
    """

    def __init__(self, given: str, expected: str, got: str, basic: Basic | None = None) -> None:
        super().__init__(given, expected, got)
        self.given, self.expected, self.got, self.basic = given, expected, got, basic


class Answer:
    """A student's function, called with care: on copies, with every error turned into `BrokenLawError`."""

    def __init__(self, name: str, function: object) -> None:
        self.name, self.function = name, function

    def __call__(self, *args: Any) -> Any:
        """What the function returns for `args`.

        Raises:
            UnwrittenError: it is still the stub.
            BrokenLawError: it is no function, raises an error, or changes what it was given.
        """
        if not callable(self.function):
            self._basic(RUNS, args, f"a function {self.name}", show(self.function))
        copies = deepcopy(args)
        try:
            got = self.function(*copies)
        except GiveUp:
            raise
        except BaseException as error:  # SystemExit and the like are wrong answers too, not a reason to stop
            if isinstance(error, NotImplementedError) and _is_stub(error):
                raise UnwrittenError from None
            self._basic(RUNS, args, "a result, not an error", _describe(error))
        if why := difference(list(copies), list(args)):
            self._basic(LEAVES_ITS_INPUT, args, "the same input after the call", f"the function changed it ({why})")
        return got

    def number(self, *args: Any) -> float:
        """Call with `args` and take the result as a number."""
        got = self(*args)
        value = number(got)
        if value is None:
            self.broken(args, "a number", show(got))
        return value

    def should_be(self, expected: Any, *args: Any) -> None:
        """Call with `args` and compare with `expected`; numbers may differ by rounding only."""
        got = self(*args)
        if why := difference(got, expected):
            self.broken(args, show(expected), show(got) if why == OTHER else f"{show(got)} ({why})")

    def broken(self, args: tuple[Any, ...], expected: str, got: str) -> NoReturn:
        """Say that the law does not hold for `args`."""
        raise BrokenLawError(show_call(self.name, args), expected, got)

    def _basic(self, basic: Basic, args: tuple[Any, ...], expected: str, got: str) -> NoReturn:
        raise BrokenLawError(show_call(self.name, args), expected, got, basic) from None


Test = Callable[[Answer, torch.Generator], None]
"""Calls the answer on inputs drawn from the generator, small ones first; raises `BrokenLawError` at the first fault."""


@dataclass(frozen=True)
class Law:
    """`says` is the law in words, as the student reads it."""

    says: str
    test: Test
    hints: Hints


def law(says: str, *, where: str, idea: str, code: str) -> Callable[[Test], Law]:
    """Make a law of the decorated test."""
    return lambda test: Law(says, test, Hints(where, idea, code))


@dataclass(frozen=True)
class Exercise:
    """`name` is the function to write, `ours` a right answer; laws come with the most telling ones first."""

    number: str
    name: str
    ours: Function
    laws: tuple[Law, ...]


def _is_stub(error: NotImplementedError) -> bool:
    """torch raises NotImplementedError as well, with a text of its own."""
    return not error.args or str(error.args[0]).startswith(STUB)


def _describe(error: BaseException) -> str:
    """Type and text of an error, and the line of the student's code that raised it."""
    line = extract_tb(error.__traceback__)[-1]
    where = f" at line {line.lineno}: {line.line}" if line.line else ""
    try:
        text = str(error)
    except Exception:
        text = "its own text cannot be read"
    return f"{type(error).__name__}: {text[:300]}{where[:200]}"
