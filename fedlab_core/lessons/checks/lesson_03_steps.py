"""03 Client drift, second and third exercise: a step of FedProx, and SCAFFOLD's new control variate."""

from __future__ import annotations

import torch
from torch import Tensor

from fedlab_core.federation.programs import LocalSettings
from fedlab_core.lessons.checks.exercise import Answer, Exercise, law
from fedlab_core.lessons.checks.inputs import integer, params
from fedlab_core.strategies.fedprox import FedProx
from fedlab_core.strategies.scaffold import ALL, CHANGE, OWN, Scaffold
from fedlab_core.types import Assignment, Batch, Gradient, Params, RoundContext

NOTHING = Batch(torch.empty(0), torch.empty(0), torch.empty(0), {})
RATES, PULLS = (0.5, 0.25, 0.1), (0.5, 1.0, 2.0)


def local_step(w: Params, gradient: Params, w_global: Params, rate: float, mu: float) -> Params:
    """One step of the lab's own FedProx client at `w`."""
    program = FedProx(mu=mu).program(LocalSettings(1, 1, rate))
    state = program.begin(Assignment(0, w_global, {}, {}), 1)
    state = state._replace(params={name: weight.clone() for name, weight in w.items()})

    def given(*_: object, **__: object) -> Gradient:
        return Gradient(torch.tensor(0.0), gradient, {})

    return program.step(state, NOTHING, given, RoundContext(1, 1, 0)).params


def new_control(c_k: Params, c: Params, w: Params, w_k: Params, steps: int, rate: float) -> Params:
    """What the lab's own SCAFFOLD client remembers after a round in which it went from `w` to `w_k`."""
    program = Scaffold().program(LocalSettings(1, 1, rate))
    extras, memory = ({kind + name: value for name, value in named.items()} for kind, named in ((ALL, c), (OWN, c_k)))
    state = program.begin(Assignment(0, w, {}, {}, extras, memory), 1)
    update = program.end(state._replace(params=w_k, num_steps=torch.tensor(steps)))
    return {name: own + update.extras[CHANGE + name] for name, own in c_k.items()}


def _one(value: float) -> Params:
    return {"w": torch.tensor([float(value)])}


def _pick(values: tuple[float, ...], draw: torch.Generator) -> float:
    return values[integer(0, len(values) - 1, draw)]


@law(
    "with mu = 0 it is a plain gradient step",
    where="w = 4, gradient 2, rate 0.5, mu = 0. Where do you get to?",
    idea="Without a pull FedProx is FedAvg: w - rate * gradient, against the gradient and not along it.",
    code="`w[name] - rate * gradient[name]` for every name",
)
def plain(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(_one(3), _one(4), _one(2), _one(1), 0.5, 0.0)
    for _ in range(3):
        args = (params(draw), params(draw), params(draw), _pick(RATES, draw), 0.0)
        answer.should_be(local_step(*args), *args)


@law(
    "at the received model nothing pulls",
    where="Put w = w_global, where each round begins. Is your step the plain one?",
    idea="The proximal term is (mu / 2) ||w - w_global||^2: it pulls towards the RECEIVED model, not towards 0.",
    code="the pull is `mu * (w[name] - w_global[name])`, not `mu * w[name]` (that would be weight decay)",
)
def at_the_anchor(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(_one(3), _one(4), _one(2), _one(4), 0.5, 1.0)
    for _ in range(3):
        w = params(draw)
        args = (w, params(draw), w, _pick(RATES, draw), _pick(PULLS, draw))
        answer.should_be(local_step(*args), *args)


@law(
    "away from the received model the pull leads back, in proportion to the distance",
    where="w = 4, w_global = 0, gradient 0, rate 0.5, mu = 1. Which way does it go, and how far?",
    idea=(
        "The derivative of (mu / 2) (w - w_global)^2 is mu (w - w_global): the 2 cancels, and the power is gone. It is "
        "part of the gradient, so the learning rate multiplies it as well."
    ),
    code="`w[name] - rate * (gradient[name] + mu * (w[name] - w_global[name]))`",
)
def pull(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(_one(2), _one(4), _one(0), _one(0), 0.5, 1.0)
    for _ in range(5):
        w_global = integer(-9, 9, draw)
        args = (_one(w_global + integer(1, 9, draw)), _one(0), _one(w_global), _pick(RATES, draw), _pick(PULLS, draw))
        answer.should_be(local_step(*args), *args)


@law(
    "gradient and pull add up, for every tensor",
    where="Try a model with a matrix and a bias, and all numbers at once.",
    idea="Everything is done name by name and entry by entry; biases are pulled, too.",
    code="`{name: w[name] - rate * (gradient[name] + mu * (w[name] - w_global[name])) for name in w}`",
)
def both(answer: Answer, draw: torch.Generator) -> None:
    for _ in range(10):
        args = (params(draw), params(draw), params(draw), _pick(RATES, draw), _pick(PULLS, draw))
        answer.should_be(local_step(*args), *args)


@law(
    "with both control variates at 0 it is the mean gradient of the local steps",
    where="In 2 steps of rate 0.5 the client went from w = 3 to w_k = 1. Which gradient did it see, on average?",
    idea=(
        "Each step subtracts rate * gradient, so w - w_k is rate times the SUM of S gradients. Divide by the rate and "
        "by the number of steps; a client that went down has seen a positive gradient."
    ),
    code="`(w[name] - w_k[name]) / (steps * rate)`",
)
def mean_gradient(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(_one(2), _one(0), _one(0), _one(3), _one(1), 2, 0.5)
    for _ in range(3):
        args = (_one(0), _one(0), _one(integer(1, 9, draw)), _one(-integer(1, 9, draw)), 4, _pick(RATES, draw))
        answer.should_be(new_control(*args), *args)


@law(
    "what corrected the steps is taken out again: + c_k - c",
    where="The client has not moved, w_k = w. What is left of your formula?",
    idea=(
        "Every step went along gradient - c_k + c. The mean way is therefore the mean gradient - c_k + c, and the mean "
        "gradient is that way + c_k - c."
    ),
    code="`c_k[name] - c[name] + (w[name] - w_k[name]) / (steps * rate)`",
)
def corrections(answer: Answer, draw: torch.Generator) -> None:
    for steps in (2, 1):
        answer.should_be(_one(3), _one(5), _one(2), _one(4), _one(4), steps, 0.5)
    for _ in range(3):
        w = params(draw)
        args = (params(draw), params(draw), w, w, integer(1, 5, draw), _pick(RATES, draw))
        answer.should_be(new_control(*args), *args)


@law(
    "after corrected steps it is the mean gradient that the client saw, for every tensor",
    where="Take the steps yourself, for a matrix and a bias, and compare with the mean of your gradients.",
    idea="Everything is done name by name; it is the division by steps and rate that makes a gradient of a way.",
    code="`{name: c_k[name] - c[name] + (w[name] - w_k[name]) / (steps * rate) for name in c_k}`",
)
def after_steps(answer: Answer, draw: torch.Generator) -> None:
    for _ in range(5):
        rate, steps = _pick(RATES, draw), integer(1, 5, draw)
        c_k, c, w = params(draw), params(draw), params(draw)
        seen = [params(draw) for _ in range(steps)]
        w_k = {name: w[name] - rate * sum(g[name] - c_k[name] + c[name] for g in seen) for name in w}
        answer.should_be({name: _mean([g[name] for g in seen]) for name in w}, c_k, c, w, w_k, steps, rate)


def _mean(gradients: list[Tensor]) -> Tensor:
    return torch.stack(gradients).mean(0)


EXERCISES = (
    Exercise("03.2", "local_step", local_step, (plain, at_the_anchor, pull, both)),
    Exercise("03.3", "new_control", new_control, (mean_gradient, corrections, after_steps)),
)
