"""Right and wrong answers to every exercise, as students give them. Each wrong one names the law that must see it.

A new lesson is a file `lesson_NN.py` here; nothing else has to know of it.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import Any, NamedTuple

Function = Callable[..., Any]


class Wrong(NamedTuple):
    """A plausible fault, the answer that has it, part of the law that must fail, and what its hints must mention."""

    fault: str
    answer: Function
    law: str
    hint: str


RIGHT: dict[str, list[Function]] = {}
WRONG: dict[str, list[Wrong]] = {}


def right(number: str) -> Callable[[Function], Function]:
    def add(answer: Function) -> Function:
        RIGHT.setdefault(number, []).append(answer)
        return answer

    return add


def wrong(number: str, fault: str, law: str, hint: str) -> Callable[[Function], Function]:
    def add(answer: Function) -> Function:
        WRONG.setdefault(number, []).append(Wrong(fault, answer, law, hint))
        return answer

    return add


for module in pkgutil.iter_modules(__path__, f"{__name__}."):
    importlib.import_module(module.name)
