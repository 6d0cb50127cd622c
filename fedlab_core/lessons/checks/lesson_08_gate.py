"""08 Device-wise pruning, first two exercises: the Gumbel-sigmoid gate and its straight-through gradient.

C channels.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor

from fedlab_core.lessons.checks.compare import OTHER, difference
from fedlab_core.lessons.checks.exercise import Answer, Exercise, law
from fedlab_core.lessons.checks.show import show
from fedlab_core.models.hypernetwork import soft, straight_through

MEDIAN = torch.tensor(0.5)


def gate(o_C: Tensor, u_C: Tensor) -> tuple[Tensor, Tensor]:
    """The soft gate y = sigmoid((o + G + 3) / 0.4) with G = -log(-log u), and the hard one, 1 where y >= 1/2."""
    y_C = soft(o_C, u_C)
    return y_C, (y_C >= 0.5).float()


def _logits(channels: int, draw: torch.Generator) -> Tensor:
    """Halves from -6 to 1, where gates go from closed to open."""
    return torch.randint(-12, 3, (channels,), generator=draw) / 2


def _noise(channels: int, draw: torch.Generator) -> Tensor:
    """Tenths from 0.1 to 0.9."""
    return torch.randint(1, 10, (channels,), generator=draw) / 10


@law(
    "it gives two tensors: the soft gates, then the hard ones",
    where="What do you return? Two tensors of the shape of `o_C`, in this order?",
    idea=(
        "The soft gate y is between 0 and 1; the hard gate is 1.0 where y is at least 1/2, exactly 1/2 included, and "
        "0.0 elsewhere."
    ),
    code="`return y_C, (y_C >= 0.5).float()`: `.float()`, for a comparison gives true and false",
)
def a_pair(answer: Answer, draw: torch.Generator) -> None:
    wide_open, shut = torch.tensor([60.0]), torch.tensor([-60.0])
    answer.should_be((torch.ones(1), torch.ones(1)), wide_open, MEDIAN.expand(1))
    answer.should_be((torch.zeros(1), torch.zeros(1)), shut, MEDIAN.expand(1))
    for channels in (2, 3, 5):
        o_C, u_C = _logits(channels, draw), _noise(channels, draw)
        got = answer(o_C, u_C)
        y_C = got[0]
        if why := difference(got[1], (y_C >= 0.5).float()):
            _not_of_its_own(answer, o_C, u_C, got, why)
    for u in (0.25, 0.3679, 0.5, 0.75):
        u_C = torch.tensor([u])
        o_C = torch.log(-torch.log(u_C)) - 3
        got = answer(o_C, u_C)  # y is 1/2, or next to it
        if why := difference(got[1], (got[0] >= 0.5).float()):
            _not_of_its_own(answer, o_C, u_C, got, why)


def _not_of_its_own(answer: Answer, o_C: Tensor, u_C: Tensor, got: Sequence[Tensor], why: str) -> None:
    wanted = f"hard gates that are 1 where your own y is at least 1/2, with y = {show(got[0])}"
    answer.broken((o_C, u_C), wanted, show(got[1]) if why == OTHER else f"{show(got[1])} ({why})")


THREE = torch.full((3,), -3.0), torch.tensor([0.1, 0.5, 0.9])
"""Logits and noise for which a gate is neither wide open nor shut."""


@law(
    "the noise has the right sign: more u opens a gate",
    where="Compare u = 0.1 and u = 0.9 for the same o. Which one should open the gate further?",
    idea="G = -log(-log u) grows with u, from -infinity at u = 0 to +infinity at u = 1. There are two minus signs.",
    code="`G_C = -torch.log(-torch.log(u_C))`",
)
def noise_opens(answer: Answer, draw: torch.Generator) -> None:
    got = answer(*THREE)
    if not bool((got[0].diff() > 0).all()):
        answer.broken(THREE, "soft gates that rise from u to u", show(got[0]))


@law(
    "the noise is one Gumbel number",
    where="Which noise do you add? At u = 0.5 it is 0.3665, at u = 0.9 it is 2.2504.",
    idea=(
        "G = -log(-log u) is a Gumbel number. log u - log(1 - u), the difference of two of them, is logistic noise: it "
        "is 0 at u = 0.5, and symmetric. The authors' code uses one Gumbel number."
    ),
    code="`G_C = -torch.log(-torch.log(u_C))`",
)
def noise_is_gumbel(answer: Answer, draw: torch.Generator) -> None:
    # Neither offset nor temperature changes the ratio of the two steps.
    for u in (THREE[1], torch.tensor([0.2, 0.4, 0.8])):
        expected, got = (_steps(y_C[0]) for y_C in (gate(THREE[0], u), answer(THREE[0], u)))
        if not abs(got - expected) < 0.02:
            said = "the second step of o + G is {:.3f} times the first"
            answer.broken((THREE[0], u), said.format(expected), said.format(got))


def _steps(y_C: Tensor) -> float:
    """From the first to the second and to the third gate: how much further the noise goes the second time."""
    first, second = y_C.detach().double().logit().diff().tolist()
    return second / first


@law(
    "with a logit of 0 the gate is open: the offset is +3",
    where="What is y for o = 0 and u = 0.5? It should be nearly 1.",
    idea="The offset: +3 is added to o + G before the division, so that training starts from the full network.",
    code="`torch.sigmoid((o_C + G_C + 3) / 0.4)`: one pair of brackets around all three",
)
def offset(answer: Answer, draw: torch.Generator) -> None:
    args = torch.tensor([0.0, -3.0, -3.5, -6.0]), MEDIAN.expand(4)
    expected, got = gate(*args), answer(*args)
    if difference(got[1], expected[1]):
        answer.broken(args, show(expected), show(got))


@law(
    "the temperature is 0.4, a divisor",
    where="Your gates open and close at the right place. How fast do they?",
    idea=(
        "Dividing o + G + 3, all three, by 0.4 makes the sigmoid steeper: y is closer to 0 or 1 than sigmoid(o + G + "
        "3). And both logarithms in G are natural ones."
    ),
    code="`torch.sigmoid((o_C + G_C + 3) / 0.4)`",
)
def temperature(answer: Answer, draw: torch.Generator) -> None:
    for channels in (1, 3):
        o_C = _logits(channels, draw)
        answer.should_be(gate(o_C, MEDIAN.expand(channels)), o_C, MEDIAN.expand(channels))


@law(
    "autograd can go through the soft gate",
    where="Is your y still tied to `o_C`, or did `float`, a list or `torch.tensor` cut it off?",
    idea="The logits are learnt through y, so that y has to be computed with torch from `o_C` itself.",
    code="one expression for all channels: `torch.sigmoid((o_C + G_C + 3) / 0.4)`; no loop, no `.detach()`",
)
def differentiable(answer: Answer, draw: torch.Generator) -> None:
    def slope(o_C: Tensor, u_C: Tensor) -> Tensor:
        leaf_C = o_C.clone().requires_grad_()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch, about tensors turned into numbers: the law says it better
            y_C = answer.function(leaf_C, u_C)[0]  # type: ignore[operator]
        return torch.autograd.grad(y_C.sum(), leaf_C)[0] if y_C.requires_grad else torch.zeros_like(o_C)

    gradient = Answer(f"gradient of {answer.name}", slope)
    o_C, u_C = torch.tensor([-3.0, -3.5]), MEDIAN.expand(2)
    y_C = soft(o_C, u_C)
    gradient.should_be(y_C * (1 - y_C) / 0.4, o_C, u_C)


@law(
    "it is the Gumbel-sigmoid for all logits and all noise",
    where="Many channels, any u between 0 and 1.",
    idea="y = sigmoid((o + G + 3) / 0.4), G = -log(-log u) with the natural logarithm; hard: 1 where y >= 1/2.",
    code="`y_C = torch.sigmoid((o_C - torch.log(-torch.log(u_C)) + 3) / 0.4)`",
)
def any_input(answer: Answer, draw: torch.Generator) -> None:
    for channels in (1, 4, 20):
        o_C, u_C = _logits(channels, draw), _noise(channels, draw)
        answer.should_be(gate(o_C, u_C), o_C, u_C)
        u_C = torch.rand(channels, generator=draw).clamp(1e-3, 1 - 1e-3)
        answer.should_be(gate(o_C, u_C), o_C, u_C)


def _gradient(answer: Answer) -> Answer:
    """From y_C and the gradient that comes from above to the gradient at y_C, by autograd; 0 if none gets there."""

    def through(y_C: Tensor, above_C: Tensor) -> Tensor:
        leaf_C = y_C.clone().requires_grad_()
        hard_C = answer.function(leaf_C)  # type: ignore[operator]
        if not isinstance(hard_C, Tensor) or not hard_C.requires_grad:
            return torch.zeros_like(y_C)
        (grad_C,) = torch.autograd.grad((hard_C * above_C).sum(), leaf_C, allow_unused=True)
        return torch.zeros_like(y_C) if grad_C is None else grad_C

    return Answer(f"gradient of {answer.name}", through)


def _soft_gates(channels: int, draw: torch.Generator) -> Tensor:
    """Twentieths from 0.05 to 0.95, none of them 1/2."""
    twentieths = torch.randint(1, 20, (channels,), generator=draw)
    return torch.where(twentieths == 10, 11, twentieths) / 20


@law(
    "forward, the gate is hard: exactly 0 or 1",
    where="Call it with y = 0.7 and y = 0.2. Do you get 1 and 0?",
    idea="The value is 1 where y >= 1/2 and 0 elsewhere; what is added for the gradient has to add up to zero.",
    code="`hard_C + y_C - y_C.detach()` with `hard_C = (y_C >= 0.5).float()`: the last two cancel",
)
def forward_is_hard(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(torch.tensor([1.0, 0.0]), torch.tensor([0.7, 0.2]))
    for channels in (1, 3, 6):
        y_C = _soft_gates(channels, draw)
        answer.should_be((y_C >= 0.5).float(), y_C)


@law(
    "exactly one half is open",
    where="y = 0.5: open or closed?",
    idea="The gate is 1[y >= 1/2]: equality opens. `torch.round` rounds 0.5 to 0.",
    code="`(y_C >= 0.5).float()`",
)
def half_is_open(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(torch.ones(2), torch.full((2,), 0.5))


@law(
    "backward, a gradient gets through at all",
    where="Let autograd ask for the gradient at y. Is it zero?",
    idea=(
        "A comparison cuts the graph, and y - y cancels in the gradient as it does in the value. One of the two y has "
        "to be a constant for autograd: `.detach()`."
    ),
    code="`hard_C + y_C - y_C.detach()`, where `hard_C` has no gradient anyway",
)
def gradient_exists(answer: Answer, draw: torch.Generator) -> None:
    gradient = _gradient(answer)
    args = torch.tensor([0.7]), torch.ones(1)
    got = gradient(*args)
    if not bool(got.abs().max() > 0):
        gradient.broken(args, "a gradient that is not 0", show(got))


@law(
    "backward, it is the soft gate: the gradient of y with respect to y, 1 for every channel",
    where="Is the gradient 1 also where the gate is closed? And has it the right sign?",
    idea="The gradient from above passes as it is, through open gates and through closed ones: d y / d y = 1.",
    code="plus `y_C`, minus `y_C.detach()`, and nothing multiplied: `hard_C + y_C - y_C.detach()`",
)
def gradient_is_one(answer: Answer, draw: torch.Generator) -> None:
    gradient = _gradient(answer)
    for channels in (1, 2, 6):
        y_C, above_C = _soft_gates(channels, draw), torch.randint(1, 9, (channels,), generator=draw).float()
        gradient.should_be(above_C, y_C, above_C)


@law(
    "through the gate of 08.1, the gradient at the logits is y (1 - y) / 0.4",
    where="Chain your function behind `gate`: the two gradients multiply.",
    idea="dL/do = dL/dy y (1 - y) / tau: the straight-through part is 1, the rest is the sigmoid's own slope.",
    code="`hard_C + y_C - y_C.detach()`",
)
def through_the_gate(answer: Answer, draw: torch.Generator) -> None:
    def chained(o_C: Tensor, u_C: Tensor) -> Tensor:
        y_C = soft(o_C, u_C)
        slope_C = y_C * (1 - y_C) / 0.4
        return _gradient(answer)(y_C, torch.ones_like(y_C)) * slope_C

    whole = Answer(f"gradient of {answer.name} behind gate", chained)
    for channels in (1, 4):
        o_C, u_C = _logits(channels, draw), _noise(channels, draw)
        y_C = soft(o_C, u_C)
        whole.should_be(y_C * (1 - y_C) / 0.4, o_C, u_C)


EXERCISES = (
    Exercise(
        "08.1", "gate", gate, (a_pair, noise_opens, noise_is_gumbel, offset, temperature, differentiable, any_input)
    ),
    Exercise(
        "08.2",
        "straight_through",
        straight_through,
        (forward_is_hard, half_is_open, gradient_exists, gradient_is_one, through_the_gate),
    ),
)
