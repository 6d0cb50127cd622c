"""08 Device-wise pruning, third exercise: the two-sided regulariser that pulls a share of FLOPs to its budget."""

from __future__ import annotations

import math
import warnings

import torch
from torch import Tensor

from fedlab_core.lessons.checks.compare import number
from fedlab_core.lessons.checks.exercise import Answer, Exercise, law
from fedlab_core.lessons.checks.inputs import integer
from fedlab_core.lessons.checks.show import show
from fedlab_core.pruning.budget import MARGIN, two_sided


def _share(value: float) -> Tensor:
    return torch.tensor(value)


def _slope(answer: Answer) -> Answer:
    """The gradient of R at rho; 0 if autograd cannot get there."""

    def through(rho: Tensor, p: float) -> float:
        leaf = rho.clone().requires_grad_()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch, about a tensor turned into a number: the law says it better
            value = answer.function(leaf, p)  # type: ignore[operator]
        if not isinstance(value, Tensor) or not value.requires_grad:
            return 0.0
        (grad,) = torch.autograd.grad(value, leaf, allow_unused=True)
        return 0.0 if grad is None else float(grad)

    return Answer(f"gradient of {answer.name}", through)


@law(
    "above the budget it is log(rho / p)",
    where="A network with 80 % of the FLOPs and a budget of 40 % costs twice too much. What is R?",
    idea="R = log(rho / p) with the natural logarithm: twice too much gives log 2 = 0.693. It has to depend on rho.",
    code="above: `torch.log(rho / p)`; `rho.clamp(min=a)` is the larger one of rho and a, `clamp(max=a)` the smaller",
)
def above(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(math.log(2), _share(0.8), 0.4)
    for _ in range(5):
        p = integer(1, 5, draw) / 10
        rho = p + integer(1, 5, draw) / 10
        answer.should_be(math.log(rho / p), _share(rho), p)


@law(
    "below the budget it grows, too: log(p / rho)",
    where="A network with 20 % of the FLOPs and a budget of 40 %. Is R zero, or negative?",
    idea="Two-sided: who keeps half of what it may is as far from its budget as who keeps twice as much.",
    code="below: `torch.log(p / rho)`, the quotient the other way round, so that it is positive",
)
def below(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(math.log(2), _share(0.2), 0.4)
    for _ in range(5):
        rho = integer(1, 5, draw) / 10
        p = rho + integer(1, 5, draw) / 10
        answer.should_be(math.log(p / rho), _share(rho), p)


@law(
    "autograd can go through it: the slope is 1 / rho above and -1 / rho below",
    where="Does your R still hang on `rho`, or did `float`, `.item()` or `math.log` cut it off?",
    idea="The hypernetwork learns from the gradient of R, so R has to be computed with torch, from `rho` itself.",
    code="`torch.log(...)` of a tensor; `.clamp(min=...)` and `.clamp(max=...)` instead of Python's max and min",
)
def slope(answer: Answer, draw: torch.Generator) -> None:
    gradient = _slope(answer)
    gradient.should_be(1 / 0.8, _share(0.8), 0.4)
    gradient.should_be(-1 / 0.2, _share(0.2), 0.4)


@law(
    "within 0.005 of the budget it is flat",
    where="What are R and its slope for rho = p + 0.002, and for p - 0.002?",
    idea=(
        "Close enough is good enough: above, rho is replaced by max(rho, p + 0.005), below by min(rho, p - 0.005). "
        "What is left is a small constant; its slope is 0. At rho = p itself the lower case holds: above is rho > p."
    ),
    code="`torch.log(rho.clamp(min=p + 0.005) / p)` above, `torch.log(p / rho.clamp(max=p - 0.005))` below",
)
def flat(answer: Answer, draw: torch.Generator) -> None:
    for p in (0.2, 0.5, 0.8):
        for off in (0.001, 0.004, -0.001, -0.004):
            answer.should_be(_value(p + off, p), _share(p + off), p)
            _slope(answer).should_be(0.0, _share(p + off), p)
    answer.should_be(_value(0.5, 0.5), _share(0.5), 0.5)


@law(
    "it is the two-sided regulariser for every share and budget",
    where="Try shares and budgets with more digits, also just outside of the flat part.",
    idea="R = log(max(rho, p + 0.005) / p) if rho > p, log(p / min(rho, p - 0.005)) otherwise.",
    code=(
        "`if rho > p: return torch.log(rho.clamp(min=p + 0.005) / p)`, and below it "
        "`return torch.log(p / rho.clamp(max=p - 0.005))`"
    ),
)
def everywhere(answer: Answer, draw: torch.Generator) -> None:
    for _ in range(20):
        rho, p = (integer(6, 99, draw) / 100 for _ in range(2))
        for near in (rho, p + 0.006, p - 0.006):
            if near == p:
                continue
            answer.should_be(_value(near, p), _share(near), p)
            got = number(_slope(answer)(_share(near), p))
            expected = (1 if near > p else -1) / near * (abs(near - p) > MARGIN)
            if got is None or not math.isclose(got, expected, rel_tol=1e-3, abs_tol=1e-4):
                _slope(answer).broken((_share(near), p), f"{expected:.5g}", show(got))


def _value(rho: float, p: float) -> float:
    return float(two_sided(_share(rho), p))


EXERCISES = (Exercise("08.3", "regulariser", two_sided, (above, below, slope, flat, everywhere)),)
