"""00 Setup and tour: what to expect of a model that has learned nothing."""

from __future__ import annotations

import torch

from fedlab_core.lessons.checks.exercise import Answer, Exercise, law
from fedlab_core.lessons.checks.inputs import integer

TOLERANCE = 0.02
"""A forecast need not be exact."""


@law(
    "an accuracy is a fraction between 0 and 1",
    where="Look at the unit of what you return.",
    idea="In this course an accuracy is a fraction: 0.25 means that a quarter of the examples is right.",
    code="Do not multiply by 100.",
)
def is_a_fraction(answer: Answer, draw: torch.Generator) -> None:
    for classes in (2, integer(3, 50, draw)):
        value = answer.number(classes)
        if not 0 <= value <= 1:
            answer.broken((classes,), "a fraction between 0 and 1", f"{value:.5g}")


@law(
    "with more classes a guess is right less often",
    where="Does your forecast use `num_classes` at all?",
    idea="Think of a coin with two sides, then of a die with six: how often does a blind guess hit?",
    code="One class out of `num_classes` is the right one.",
)
def falls_with_the_classes(answer: Answer, draw: torch.Generator) -> None:
    few = integer(2, 5, draw)
    many = few * integer(4, 9, draw)
    low, high = answer.number(many), answer.number(few)
    if not low < high:
        answer.broken((many,), f"less than the {high:.5g} that you forecast for {few} classes", f"{low:.5g}")


@law(
    "an untrained model is right as often as a blind guess",
    where="An untrained model knows nothing, but it must name one of the classes.",
    idea=(
        "If every class is equally common, each answer has the same chance of being right, whatever the model prefers."
    ),
    code="`return 1 / num_classes`",
)
def is_chance(answer: Answer, draw: torch.Generator) -> None:
    for classes in (2, 10, *(integer(3, 40, draw) for _ in range(5))):
        value = answer.number(classes)
        if abs(value - 1 / classes) > TOLERANCE:
            answer.broken(
                (classes,), f"about {_measured(classes, draw):.3f}, measured with blind guesses", f"{value:.5g}"
            )


def _measured(classes: int, draw: torch.Generator) -> float:
    """How often guesses hit when neither guesses nor labels prefer a class."""
    guess_N, label_N = torch.randint(classes, (2, 20_000), generator=draw)
    return float((guess_N == label_N).double().mean())


EXERCISES = (
    Exercise(
        "00.1",
        "first_accuracy",
        lambda num_classes: 1 / num_classes,
        (is_a_fraction, falls_with_the_classes, is_chance),
    ),
)
