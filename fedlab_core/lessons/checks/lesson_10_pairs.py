"""10 Budgets and Pareto fronts, third exercise: the difference of two methods over seeds, and its standard error."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from statistics import mean, stdev

import torch

from fedlab_core.lessons.checks.exercise import Answer, Exercise, law
from fedlab_core.lessons.checks.inputs import integer


def paired_difference(a: Mapping[int, float], b: Mapping[int, float]) -> tuple[float, float]:
    """Mean of a - b over the seeds that both have, and its standard error s / sqrt(n)."""
    differences = [a[seed] - b[seed] for seed in a if seed in b]
    return mean(differences), stdev(differences) / sqrt(len(differences))


def _runs(seeds: list[int], draw: torch.Generator) -> dict[int, float]:
    return {seed: integer(50, 90, draw) / 100 for seed in seeds}


@law(
    "the first number is the mean of A minus B",
    where="A has 0.9 with every seed, B has 0.7: what is the difference, with its sign?",
    idea="A minus B, so that a positive number says that A is better. A mean, not a sum, over the seeds.",
    code="`differences = [a[seed] - b[seed] for ...]`, `sum(differences) / len(differences)`",
)
def sign(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be((0.2, 0.0), {0: 0.9, 1: 0.9, 2: 0.9}, {0: 0.7, 1: 0.7, 2: 0.7})
    answer.should_be((-0.5, 0.0), {0: 0.25, 1: 0.25}, {0: 0.75, 1: 0.75})


@law(
    "runs are paired by seed: what a seed does to both cancels",
    where="With every seed A is 0.1 better, but seeds differ by more than that. Is your standard error 0?",
    idea=(
        "First the difference of each seed, then the spread of the DIFFERENCES, not of A and of B by themselves. The "
        "dictionaries may have their seeds in another order: pair by key, not by position."
    ),
    code="`differences = [a[seed] - b[seed] for seed in a]`, and from then on only `differences`",
)
def pairs(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be((0.1, 0.0), {0: 0.5, 1: 0.7, 2: 0.9}, {0: 0.4, 1: 0.6, 2: 0.8})
    answer.should_be((0.1, 0.0), {0: 0.5, 1: 0.7, 2: 0.9}, {2: 0.8, 0: 0.4, 1: 0.6})


@law(
    "the standard error is s over the root of n, with n - 1 in s",
    where="Differences 0 and 0.2: their mean is 0.1. What is s, and what does it become for a mean of two?",
    idea=(
        "s^2 is the sum of the squared deviations from the mean, divided by n - 1: here (0.01 + 0.01) / 1. The mean of "
        "n differences spreads less than one of them, by the root of n: s over the root of 2 is 0.1."
    ),
    code="`s = sqrt(sum((d - m) ** 2 for d in differences) / (n - 1))`, then `s / sqrt(n)`",
)
def standard_error(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be((0.1, 0.1), {0: 0.5, 1: 0.7}, {0: 0.5, 1: 0.5})
    seeds = list(range(integer(3, 6, draw)))
    a, b = _runs(seeds, draw), _runs(seeds, draw)
    answer.should_be(paired_difference(a, b), a, b)


@law(
    "a seed that only one of them has is left out",
    where="A ran with seeds 0, 1, 2, and B with 1, 2, 3.",
    idea="A run without its partner says nothing about the difference: only seeds in both count, in n as well.",
    code="`for seed in a if seed in b`, and `n = len(differences)`",
)
def common(answer: Answer, draw: torch.Generator) -> None:
    a, b = {0: 0.1, 1: 0.8, 2: 0.9}, {1: 0.7, 2: 0.6, 3: 0.2}
    answer.should_be(paired_difference(a, b), a, b)
    answer.should_be(paired_difference(b, a), b, a)


@law(
    "it is the mean difference and its standard error for any runs",
    where="Many seeds, in any order, some of them alone.",
    idea="Differences of common seeds; their mean; the root of their variance (n - 1) divided by n.",
    code="`statistics.mean(differences)`, `statistics.stdev(differences) / len(differences) ** 0.5`",
)
def any_runs(answer: Answer, draw: torch.Generator) -> None:
    for count in (3, 5, 10, 30):
        order = torch.randperm(count + 4, generator=draw).tolist()
        a, b = _runs(order[2:], draw), _runs(sorted(order[:-2]), draw)
        answer.should_be(paired_difference(a, b), a, b)


EXERCISES = (Exercise("10.3", "paired_difference", paired_difference, (sign, pairs, standard_error, common, any_runs)),)
