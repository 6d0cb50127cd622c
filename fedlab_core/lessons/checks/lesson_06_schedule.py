"""06 FedSparsify, first exercise: the schedule."""

from __future__ import annotations

import torch

from fedlab_core.lessons.checks.exercise import Answer, Exercise, law
from fedlab_core.lessons.checks.inputs import integer, real
from fedlab_core.pruning.schedules import polynomial

CHECK_VALUES = {2: 0.0142, 50: 0.5431, 100: 0.8295, 150: 0.9349, 199: 0.95, 200: 0.95}
"""s_t of the paper's code for S_T = 0.95, T = 200, n = 3, F = 1, t0 = 1, to four digits."""


def sparsity_at(t: int, T: int, S_T: float, n: float = 3.0, F: int = 1, t0: int = 1) -> float:
    """The lab's own schedule with the paper's symbols."""
    return polynomial(t, T, final=S_T, exponent=n, frequency=F, start=t0)


@law(
    "with F = 1 it starts at 0 in round t0 and ends at S_T in round T",
    where="Put t = t0 and then t = T into your formula. What is left of the fraction?",
    idea="The fraction (t - t0) / (T - t0) runs from 0 to 1, so 1 minus it runs from 1 to 0.",
    code="`S_T - S_T * (1 - (t - t0) / (T - t0)) ** n`",
)
def ends(answer: Answer, draw: torch.Generator) -> None:
    for t0, T, S_T in ((1, 5, 0.9), (3, integer(8, 40, draw), round(real(0.5, 0.99, draw), 2))):
        answer.should_be(0.0, t0, T, S_T, 3, 1, t0)
        answer.should_be(S_T, T, T, S_T, 3, 1, t0)


@law(
    "it goes through the check values of the paper's code",
    where="Compare in the middle of the run: which rounds does your fraction count, and what is raised to the power n?",
    idea=(
        "T - t0 rounds lie between start and end, and the power n acts on what is LEFT to do: fast first, slowly at "
        "the end."
    ),
    code="`left = 1 - (t - t0) / (T - t0)`, then `S_T * (1 - left ** n)`",
)
def check_values(answer: Answer, draw: torch.Generator) -> None:
    for t, expected in CHECK_VALUES.items():
        value = answer.number(t, 200, 0.95, 3, 1, 1)
        if not abs(value - expected) < 1e-4:
            answer.broken((t, 200, 0.95, 3, 1, 1), f"{expected:.4f}", f"{value:.4f}")


@law(
    "the exponent n shapes it: higher prunes earlier, n = 1 is a straight line",
    where="Change n and look at your curve. Does it move?",
    idea="n is the power of the fraction that is left; with n = 1 sparsity grows by the same amount in each round.",
    code="`left ** n`, with the argument n and not the number 3",
)
def exponent(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(0.4, 6, 11, 0.8, 1, 1, 1)
    for _ in range(5):
        T, n = integer(10, 60, draw), round(real(1, 12, draw), 1)
        args = (integer(2, T - 1, draw), T, 0.9, n, 1, 1)
        answer.should_be(sparsity_at(*args), *args)


@law(
    "the level is held for F rounds",
    where="With F = 5, rounds 5 to 9 must all give the same level. And if T is 23, rounds 20 to 23.",
    idea=(
        "Not t but t' = F floor(t / F) goes into the formula: the last multiple of F that has been reached. The last "
        "round is no exception: if F does not divide T, S_T is not quite reached."
    ),
    code="`held = F * (t // F)`, and `held` in place of t in the fraction",
)
def held(answer: Answer, draw: torch.Generator) -> None:
    for F in (2, 5):
        first = F * integer(2, 5, draw)
        for t in range(first, first + F):
            args = (t, 60, 0.9, 3, F, 1)
            answer.should_be(sparsity_at(*args), *args)
    answer.should_be(sparsity_at(20, 23, 0.9, 1, 5), 23, 23, 0.9, 1, 5, 1)


@law(
    "sparsity is never negative",
    where="What is t' in round 1 when F = 5? And in rounds before t0?",
    idea="Before the first purge t' = 0 lies before t0: the fraction is negative and 1 minus it is larger than 1.",
    code="Return 0.0 while t' <= t0 (the paper's code skips levels that are not positive).",
)
def never_negative(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(0.0, 1, 20, 0.9, 3, 5, 1)
    for _ in range(10):
        F, t0 = integer(2, 6, draw), integer(1, 9, draw)
        args = (integer(1, max(F - 1, t0), draw), 30, 0.9, 3, F, t0)
        answer.should_be(sparsity_at(*args), *args)


@law(
    "it is the schedule for every setting",
    where="Try a late start t0 together with F > 1 and another n.",
    idea="s_t = S_T - S_T (1 - (t' - t0) / (T - t0))^n from round t0 on, and 0 before.",
    code="`held = F * (t // F)`; 0.0 if held <= t0; else `S_T * (1 - (1 - (held - t0) / (T - t0)) ** n)`",
)
def everywhere(answer: Answer, draw: torch.Generator) -> None:
    for _ in range(60):
        T = integer(10, 200, draw)
        args = (
            integer(1, T, draw),
            T,
            round(real(0.1, 0.99, draw), 2),
            integer(1, 12, draw),
            integer(1, 7, draw),
            integer(1, T // 2, draw),
        )
        answer.should_be(sparsity_at(*args), *args)


EXERCISES = (
    Exercise("06.1", "sparsity_at", sparsity_at, (ends, check_values, exponent, held, never_negative, everywhere)),
)
