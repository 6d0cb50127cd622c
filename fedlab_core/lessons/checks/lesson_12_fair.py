"""12 Capstone, first exercise: whether a comparison is fair."""

from __future__ import annotations

from dataclasses import replace

import torch

from fedlab_core.lessons.checks.exercise import Answer, Exercise, law
from fedlab_core.lessons.checks.inputs import integer
from fedlab_core.lessons.comparison import Trial, is_fair


def _trials(**seeds: tuple[int, ...]) -> list[Trial]:
    """Each method with these seeds, on the same data, for 10 rounds."""
    return [Trial(method, "digits", seed, rounds=10) for method, own in seeds.items() for seed in own]


def _at_budget(*rounds: int, budget: int | None = 500) -> list[Trial]:
    """One method for each number of rounds, one seed."""
    return [Trial("ABCD"[place], "digits", 0, count, budget) for place, count in enumerate(rounds)]


@law(
    "it is fair only on the same data, with the same model and training",
    where="Two methods, everything the same but `setup`.",
    idea="`setup` says data, clients, model and training in one text. All trials need the same one.",
    code="`len({trial.setup for trial in trials}) == 1`",
)
def same_setup(answer: Answer, draw: torch.Generator) -> None:
    fair = _trials(A=(0,), B=(0,))
    answer.should_be(True, fair)
    answer.should_be(False, [fair[0], replace(fair[1], setup="shapes")])


@law(
    "all methods have the same seeds, in whatever order",
    where="Three seeds each, but not the same three.",
    idea="Collect the seeds of each method, sorted, and compare. It is not enough that they are equally many.",
    code="`seeds.setdefault(trial.method, []).append(trial.seed)`, then compare the sorted lists",
)
def same_seeds(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(False, _trials(A=(0, 1, 2), B=(0, 1, 3)))
    answer.should_be(False, _trials(A=(0, 1), B=(0, 1, 2)))
    answer.should_be(True, _trials(A=(0, 1, 2), B=(2, 0, 1)))


@law(
    "every seed counts once",
    where="A method that ran seed 1 twice.",
    idea="The same run again is no new information; a set of seeds does not notice it, a sorted list does.",
    code="`len(own) == len(set(own))` for the seeds `own` of each method",
)
def seeds_once(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(False, _trials(A=(0, 1, 1), B=(0, 1)))
    answer.should_be(False, _trials(A=(0, 1, 1), B=(0, 1, 1)))
    answer.should_be(False, _trials(A=(0, 1, 1), B=(0,)))  # four trials, as two methods with two seeds have them


@law(
    "the same rounds, or the same budget of bytes: one of the two is enough",
    where="Different rounds within the same budget of bytes.",
    idea=(
        "At the same bytes a sparse method does more rounds: that is the point. At the same rounds it sends less, and "
        "then the budgets do not matter."
    ),
    code="`same_rounds or same_budget`, not `and`",
)
def rounds_or_bytes(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(True, _at_budget(4, 9))
    answer.should_be(True, _at_budget(7, 7, budget=None))
    first, second = _at_budget(7, 7)
    answer.should_be(True, [first, replace(second, budget=900)])
    answer.should_be(True, [first, replace(second, budget=None)])
    answer.should_be(False, [replace(trial, budget=500 + place) for place, trial in enumerate(_at_budget(4, 9))])


@law(
    "no budget is not the same budget",
    where="Different rounds, and `budget` is None for all.",
    idea="None == None, but None says that bytes did not decide anything. Then the rounds have to be the same.",
    code="`same_budget = len(budgets) == 1 and None not in budgets`",
)
def none_is_no_budget(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(False, _at_budget(4, 9, budget=None))


@law(
    "it looks at all methods and all trials",
    where="Four methods, of which only the last is different; or two seeds, read after different rounds.",
    idea="The same for ALL trials: not for the first two, not from one to the next, not for each seed by itself.",
    code="Sets over all trials: `{trial.setup for trial in trials}`, `{trial.rounds for trial in trials}`, and so on.",
)
def everyone(answer: Answer, draw: torch.Generator) -> None:
    first, second, third = _at_budget(4, 4, 9)
    answer.should_be(False, [replace(first, budget=900), second, third])
    answer.should_be(False, [replace(trial, rounds=4 + trial.seed) for trial in _trials(A=(0, 1), B=(0, 1))])
    for _ in range(4):
        seeds = tuple(torch.randperm(9, generator=draw)[: integer(1, 3, draw)].tolist())
        trials = _trials(A=seeds, B=seeds[::-1], C=seeds, D=seeds)
        order = torch.randperm(len(trials), generator=draw).tolist()
        answer.should_be(True, [trials[place] for place in order])
        last = trials[-1]
        for other in (
            replace(last, setup="shapes"),
            replace(last, seed=9),
            replace(last, rounds=11),
            replace(last, rounds=11, budget=500),
        ):
            changed = [*trials[:-1], other]
            answer.should_be(is_fair(changed), [changed[place] for place in order])


EXERCISES = (
    Exercise(
        "12.1", "is_fair", is_fair, (same_setup, same_seeds, seeds_once, rounds_or_bytes, none_is_no_budget, everyone)
    ),
)
