"""09 Prune and regrow, first exercise: how much of the mask is exchanged when."""

from __future__ import annotations

import math

import torch

from fedlab_core.lessons.checks.exercise import Answer, Exercise, law
from fedlab_core.lessons.checks.inputs import integer, real
from fedlab_core.pruning.regrow import cosine_fraction


def exchange_fraction(t: int, T_end: float, alpha: float) -> float:
    """The lab's own cosine with the paper's symbols."""
    return cosine_fraction(t, T_end, alpha)


@law(
    "it starts at alpha",
    where="Put t = 0 into your formula: what is cos(0), and what does the whole give?",
    idea="cos(0) = 1, so 1 + cos is 2 at the start: half of alpha times 2 is alpha.",
    code="`alpha / 2 * (1 + np.cos(np.pi * t / T_end))`",
)
def start(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(0.2, 0, 100, 0.2)
    for _ in range(3):
        alpha = integer(1, 10, draw) / 10
        answer.should_be(alpha, 0, integer(5, 200, draw), alpha)


@law(
    "halfway to T_end it is alpha / 2",
    where="t = 50, T_end = 100, alpha = 0.2: it should be 0.1. Which angle do you take the cosine of?",
    idea="The angle goes from 0 to pi, in radians, while t goes from 0 to T_end: pi / 2 halfway, its cosine is 0.",
    code="`np.cos(np.pi * t / T_end)`",
)
def halfway(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(0.1, 50, 100, 0.2)
    for _ in range(3):
        half, alpha = integer(2, 60, draw), integer(1, 10, draw) / 10
        answer.should_be(alpha / 2, half, 2 * half, alpha)


@law(
    "it is flat at first and at the end, and steep in between",
    where="A quarter of the way, t = 25 of 100: a straight line would give 0.15 for alpha = 0.2.",
    idea="cos(pi / 4) is 0.707: the cosine leaves the start slowly. A line or a power has another shape.",
    code="`alpha / 2 * (1 + np.cos(np.pi * t / T_end))`, 0.1707 for t = 25",
)
def shape(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(0.1 * (1 + math.sqrt(0.5)), 25, 100, 0.2)
    for _ in range(5):
        args = (integer(1, 49, draw), 50, 0.4)
        answer.should_be(exchange_fraction(*args), *args)


@law(
    "from T_end on it is 0",
    where="What does the cosine do after pi? Put t = 150 and T_end = 100 into your formula.",
    idea="The cosine rises again: without a stop, the mask would be stirred up once more at the end of the run.",
    code="`if t >= T_end: return 0.0` before the formula",
)
def stops(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(0.0, 100, 100, 0.2)
    answer.should_be(0.0, 150, 100, 0.2)
    for _ in range(5):
        last = integer(5, 50, draw)
        answer.should_be(0.0, last + integer(1, 3 * last, draw), last, 0.5)


@law(
    "it is the cosine for every setting",
    where="Try a T_end that is no whole number (a share of the rounds), and alpha = 0.",
    idea="f(t) = alpha / 2 (1 + cos(pi t / T_end)) before T_end, 0 after.",
    code="`0.0 if t >= T_end else alpha / 2 * (1 + np.cos(np.pi * t / T_end))`",
)
def everywhere(answer: Answer, draw: torch.Generator) -> None:
    for _ in range(40):
        last = round(real(3, 120, draw), 1)
        args = (integer(0, 150, draw), last, integer(0, 10, draw) / 10)
        answer.should_be(exchange_fraction(*args), *args)


EXERCISES = (Exercise("09.1", "exchange_fraction", exchange_fraction, (start, halfway, shape, stops, everywhere)),)
