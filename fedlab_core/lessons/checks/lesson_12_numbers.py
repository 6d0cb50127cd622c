"""12 Capstone, second and third exercise: accuracy within a budget of bytes; mean, sample deviation and n."""

from __future__ import annotations

from typing import Any

import torch

from fedlab_core.lessons.checks.compare import difference
from fedlab_core.lessons.checks.exercise import Answer, Exercise, law
from fedlab_core.lessons.checks.inputs import integer
from fedlab_core.lessons.checks.show import show
from fedlab_core.lessons.comparison import accuracy_at, summary

Rows = list[dict[str, Any]]


def _rows(*rounds: tuple[int, int, float]) -> Rows:
    """Upload bytes, download bytes and accuracy of rounds 1, 2, ... after an untrained round 0 with accuracy 0.1."""
    return [
        {"round": at, "upload_bytes": up, "download_bytes": down, "test_accuracy": accuracy}
        for at, (up, down, accuracy) in enumerate([(0, 0, 0.1), *rounds])
    ]


@law(
    "a round that cannot be paid for to its end does not count",
    where="A round of 20 bytes, and a budget of 9: which model is there?",
    idea=(
        "There is no model in the middle of a round. Nothing is interpolated, and the next round is not given as a "
        "present: what is left is the untrained model of round 0."
    ),
    code="The accuracy of the LAST row with `spent <= budget`",
)
def whole_rounds(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(0.1, _rows((10, 10, 0.5)), 9)
    answer.should_be(0.1, _rows((10, 10, 0.5), (20, 20, 0.75)), 6)


@law(
    "both directions count",
    where="A round with 10 bytes up and 30 bytes down: what does it cost?",
    idea="What clients download has to be sent as well. A budget is for both.",
    code='`row["upload_bytes"] + row["download_bytes"]`',
)
def both_directions(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(0.1, _rows((10, 30, 0.5)), 39)
    answer.should_be(0.5, _rows((30, 10, 0.5)), 45)


@law(
    "bytes add up over the rounds",
    where="Three rounds of 10 bytes each, and a budget of 25.",
    idea="A budget is for the whole run. What counts is the sum of all rounds so far, not what one round costs.",
    code='`spent += row["upload_bytes"] + row["download_bytes"]`, and stop when `spent > budget`',
)
def running_sum(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(0.6, _rows((5, 5, 0.5), (5, 5, 0.6), (5, 5, 0.7)), 25)
    answer.should_be(0.7, _rows((5, 5, 0.5), (5, 5, 0.6), (5, 5, 0.7)), 99)


@law(
    "a budget that is spent exactly is kept",
    where="Two rounds of 10 bytes, and a budget of 20.",
    idea="AT MOST the budget: 20 of 20 is allowed.",
    code="`if spent > budget: break`, not `>=`",
)
def exactly(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(0.6, _rows((5, 5, 0.5), (5, 5, 0.6), (5, 5, 0.7)), 20)


@law(
    "it is the last round, not the best one",
    where="Accuracy falls in the last round that is paid for, right after a purge for example.",
    idea="Who picks the best round has looked at the test data to choose it: that is luck, and not what is shipped.",
    code="Return the accuracy of that row, without `max`.",
)
def not_the_best(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(0.25, _rows((5, 5, 0.5), (5, 5, 0.25), (5, 5, 0.75)), 20)


@law(
    "it works for rounds of any cost, also if round 0 costs something",
    where="First rounds may be dear and the last ones cheap; and SNIP sends something in round 0 already.",
    idea="Add up from row 0 on, and remember the accuracy as long as the budget lasts.",
    code="A loop over all rows: add its bytes; if that is too much, stop; else remember its accuracy.",
)
def any_cost(answer: Answer, draw: torch.Generator) -> None:
    first, then = _rows((5, 5, 0.5))
    answer.should_be(0.1, [{**first, "upload_bytes": 10}, then], 19)
    for count in (1, 4, 9):
        rounds = [(integer(0, 20, draw), integer(1, 20, draw), integer(1, 99, draw) / 100) for _ in range(count)]
        rows = _rows(*rounds)
        rows[0] |= {"upload_bytes": integer(0, 5, draw), "download_bytes": integer(0, 5, draw)}
        for budget in (10, 30, 77, 1000):
            answer.should_be(accuracy_at(rows, budget), rows, budget)


@law(
    "the first number is the mean, the last one how many there are",
    where="Give it 2.0, 4.0 and 9.0: which three numbers come back?",
    idea="Mean, sample standard deviation, n, in this order. The mean is the sum divided by n; n is a whole number.",
    code="`return mean, deviation, len(values)` with `mean = sum(values) / len(values)`",
)
def mean_and_count(answer: Answer, draw: torch.Generator) -> None:
    for values in ([3.0, 3.0], [2.0, 4.0, 9.0], [3.0, 3.0, 3.0, 3.0], [1.0, 2.0, 9.0, 2.0]):
        got, (mean, _, count) = answer(values), summary(values)
        wanted = f"[{show(mean)}, the deviation, {count}], of which the last one is a whole number"
        if not isinstance(got, (list, tuple)) or len(got) != 3:
            answer.broken((values,), wanted, show(got))
        if difference([got[0], got[2]], [mean, count]):
            answer.broken((values,), wanted, f"{show(got)}, of which the last one is a {type(got[2]).__name__}")


@law(
    "the squares are divided by n - 1",
    where="Give it 1.0 and 3.0. The mean is 2: what is the deviation?",
    idea=(
        "The mean comes from the same values, and lies closer to them than the true one. Dividing the sum of squares "
        "by n - 1 makes up for it: (1 + 1) / 1 = 2, and its root is 1.414. By the way: no division by the root of n; "
        "and equal values have a deviation, 0."
    ),
    code="`(sum((value - mean) ** 2 for value in values) / (n - 1)) ** 0.5`",
)
def sample_deviation(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be((2.0, 2**0.5, 2), [1.0, 3.0])
    answer.should_be((4.0, 2.0, 3), [2.0, 4.0, 6.0])
    answer.should_be((3.0, 0.0, 2), [3.0, 3.0])


@law(
    "one value has no deviation: None",
    where="Give it a single value.",
    idea="One seed says nothing about chance. 0 would claim that there is none, nan would spoil the table.",
    code="`None if n == 1 else ...`",
)
def one_value(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be((0.5, None, 1), [0.5])


@law(
    "it works for any values, below zero as well",
    where="Try differences: they may be negative, and their mean may be 0.",
    idea="Nothing in the formulas needs positive values.",
    code="Mean, root of the sum of squares divided by n - 1, n: no `abs`, no rounding.",
)
def any_values(answer: Answer, draw: torch.Generator) -> None:
    for count in (2, 3, 5, 10):
        values = [integer(-50, 50, draw) / 100 for _ in range(count)]
        answer.should_be(summary(values), values)
    answer.should_be((0.0, 0.5**0.5, 2), [-0.5, 0.5])


EXERCISES = (
    Exercise(
        "12.2",
        "accuracy_at",
        accuracy_at,
        (whole_rounds, both_directions, running_sum, exactly, not_the_best, any_cost),
    ),
    Exercise("12.3", "summary", summary, (mean_and_count, sample_deviation, one_value, any_values)),
)
