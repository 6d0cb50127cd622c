"""09 Prune and regrow, third exercise: a step with feedback, as in DPF."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from fedlab_core.lessons.checks.exercise import Answer, Exercise, law
from fedlab_core.lessons.checks.inputs import integer


def feedback_step(dense: Tensor, mask: Tensor, gradient: Callable[[Tensor], Tensor], rate: float) -> Tensor:
    """w - rate g(w * m), as the lab's `FeedbackSGD` without momentum (a test compares the two)."""
    return dense - rate * gradient(dense * mask)


@dataclass(frozen=True, repr=False)
class Alone:
    """Gradient of 1/2 sum (w_i - target)^2: no weight looks at another."""

    target: float

    def __call__(self, weight: Tensor) -> Tensor:
        return weight - self.target

    def __repr__(self) -> str:
        return f"<w - {self.target:g}>"


@dataclass(frozen=True, repr=False)
class Together:
    """Gradient of 1/2 (sum w_i - target)^2: equal for all weights, and another one if one of them is pruned."""

    target: float

    def __call__(self, weight: Tensor) -> Tensor:
        return torch.full_like(weight, float(weight.sum()) - self.target)

    def __repr__(self) -> str:
        return f"<sum(w) - {self.target:g}>"


def _weights(draw: torch.Generator, count: int) -> Tensor:
    return torch.randint(1, 10, (count,), generator=draw).float()


@law(
    "with nothing pruned it is a step of gradient descent",
    where="w = 4, gradient w - 2, rate 0.5, mask true: 4 - 0.5 x 2 = 3.",
    idea="Down the gradient: the rate times the gradient is SUBTRACTED from the weight.",
    code="`dense - rate * gradient(...)`",
)
def plain(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(torch.tensor([3.0]), torch.tensor([4.0]), torch.tensor([True]), Alone(2.0), 0.5)
    args = (_weights(draw, 3), torch.ones(3, dtype=torch.bool), Together(5.0), 0.25)
    answer.should_be(feedback_step(*args), *args)


@law(
    "the gradient is taken at the pruned weights",
    where="w = [1, 5], the second is pruned, gradient sum(w) - 3: is the sum 1 or 6?",
    idea="The network that is run and sent has w * m: the loss is that of the pruned model, not of the dense one.",
    code="`gradient(dense * mask)`",
)
def at_the_pruned(answer: Answer, draw: torch.Generator) -> None:
    kept = torch.tensor([True, False])
    for args in (
        (torch.tensor([1.0, 5.0]), kept, Together(3.0), 0.5),
        (_weights(draw, 2), kept, Together(float(integer(1, 9, draw))), 0.5),
    ):
        got, expected = answer(*args), feedback_step(*args)
        # The kept weight alone: what becomes of the other one is the next law's.
        if not isinstance(got, Tensor) or got.shape != expected.shape or not torch.isclose(got[0], expected[0]):
            answer.should_be(expected, *args)


@law(
    "a pruned weight moves, too",
    where="w = [1, 5], the second is pruned: is it 5 afterwards, or 0?",
    idea="Feedback: what the mask does not apply is not lost. The hidden weight keeps its value, and the gradient is "
    "added to it; so it may grow until it is among the largest.",
    code="`dense - rate * gradient(dense * mask)`: no mask on the gradient, none on `dense`",
)
def hidden_moves(answer: Answer, draw: torch.Generator) -> None:
    kept = torch.tensor([True, False])
    answer.should_be(torch.tensor([2.0, 6.0]), torch.tensor([1.0, 5.0]), kept, Together(3.0), 0.5)
    args = (_weights(draw, 2), kept, Alone(12.0), 0.5)
    answer.should_be(feedback_step(*args), *args)


@law(
    "it is the step for any weights and masks",
    where="Try a mask that hides everything, and weights of two axes.",
    idea="w <- w - rate g(w * m), entry by entry.",
    code="`return dense - rate * gradient(dense * mask)`",
)
def anything(answer: Answer, draw: torch.Generator) -> None:
    for shape in ((1,), (4,), (2, 3)):
        for gradient in (Alone(1.0), Together(2.0)):
            dense = torch.randint(-9, 10, shape, generator=draw).float()
            mask = torch.randint(2, shape, generator=draw).bool()
            args = (dense, mask, gradient, integer(1, 9, draw) / 10)
            answer.should_be(feedback_step(*args), *args)


EXERCISES = (Exercise("09.3", "feedback_step", feedback_step, (plain, at_the_pruned, hidden_moves, anything)),)
