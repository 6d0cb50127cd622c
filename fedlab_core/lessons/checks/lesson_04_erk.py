"""04 Pruning one network, second exercise: the densities of Erdos-Renyi-Kernel."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch

from fedlab_core.lessons.checks.compare import number
from fedlab_core.lessons.checks.exercise import Answer, Exercise, law
from fedlab_core.lessons.checks.inputs import integer, real
from fedlab_core.lessons.checks.show import show
from fedlab_core.pruning.densities import erk

Shapes = dict[str, tuple[int, ...]]
NO_CLIP: Shapes = {"a": (10, 10), "b": (20, 20)}
"""Sums 20 and 40, sizes 100 and 400: raw 0.2 and 0.1."""
ONE_FULL: Shapes = {"a": (2, 2), "b": (10, 10)}
"""Raw 1 and 0.2: with 26 of 104 weights, a would have a density of 1.08."""
TWO_FULL: Shapes = {"a": (2, 2), "b": (5, 5), "c": (40, 40)}
"""Raw 1, 0.4 and 0.05: at a density of 0.1425 first a is full, and then what it leaves fills b."""


def erk_densities(shapes: Shapes, density: float) -> dict[str, float]:
    """The lab's own densities for tensors of these shapes."""
    return erk({name: torch.empty(shape, device="meta") for name, shape in shapes.items()}, tuple(shapes), density)


def _spent(answer: Answer, shapes: Shapes, density: float) -> None:
    """The budget is met: kept weights of all layers = density x all weights."""
    got = answer(shapes, density)
    if not isinstance(got, Mapping) or set(got) != set(shapes):
        answer.broken((shapes, density), "a dictionary with a density for each layer", show(got))
    kept = sum((number(got[name]) or 0.0) * math.prod(shape) for name, shape in shapes.items())
    budget = density * sum(map(math.prod, shapes.values()))
    if not math.isclose(kept, budget, rel_tol=1e-4):
        answer.broken(
            (shapes, density), f"densities that keep {budget:.5g} weights", f"{show(got)}: {kept:.5g} weights"
        )


@law(
    "together the layers keep exactly the budget",
    where="Multiply each of your densities by the size of its layer and add up. Is it density x all weights?",
    idea=(
        "The factor epsilon follows from the budget: epsilon x (sum over layers of raw x size) = density x all "
        "weights. The mean of the densities over LAYERS is something else: layers have different sizes."
    ),
    code="`scale = density * sum(sizes.values()) / sum(raw[name] * sizes[name] for name in shapes)`",
)
def budget(answer: Answer, draw: torch.Generator) -> None:
    _spent(answer, {"a": (4, 6)}, 0.25)
    _spent(answer, NO_CLIP, 0.25)


@law(
    "densities are in proportion to the sum over the product of the shape",
    where="Layers of 10 x 10 and 20 x 20: which gets the higher density, and how many times?",
    idea="raw = (10 + 10) / (10 x 10) = 0.2 against 0.1: the smaller layer gets twice the density of the larger one.",
    code="`raw = {name: sum(shape) / math.prod(shape) for name, shape in shapes.items()}`, each times `scale`",
)
def proportion(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be({"a": 0.2, "b": 0.1}, NO_CLIP, 60 / 500)
    for _ in range(3):
        shapes: Shapes = {"a": (integer(10, 14, draw), 10), "b": (20, integer(15, 30, draw))}
        answer.should_be(erk_densities(shapes, 0.2), shapes, 0.2)


@law(
    "kernels count with all their axes",
    where="A convolution has the shape (out, in, height, width). Which of the four are in your sum?",
    idea="That is the K of ERK: (8 + 4 + 3 + 3) / (8 x 4 x 3 x 3), not only outputs and inputs.",
    code="`sum(shape) / math.prod(shape)` over the whole shape",
)
def kernels(answer: Answer, draw: torch.Generator) -> None:
    shapes: Shapes = {"conv": (8, 4, 3, 3), "fc": (10, 32)}
    answer.should_be(erk_densities(shapes, 0.1), shapes, 0.1)


@law(
    "no density is above 1",
    where="Layers of 2 x 2 and 10 x 10, 26 of 104 weights: what does the small one get?",
    idea="epsilon = 26 / (4 + 20) = 1.083, so a 2 x 2 layer would have a density of 1.083. It cannot have more than 1.",
    code="layers with `scale * raw[name] > 1` get density 1.0",
)
def at_most_one(answer: Answer, draw: torch.Generator) -> None:
    for shapes, density in ((ONE_FULL, 26 / 104), (TWO_FULL, 0.1425)):
        got = answer(shapes, density)
        most = max(number(got[name]) or 0.0 for name in shapes)
        if most > 1 + 1e-6:
            answer.broken((shapes, density), "densities of at most 1", f"{show(got)}")


@law(
    "what a full layer cannot take goes to the others",
    where="The 2 x 2 layer keeps all 4 of its weights. How many of the 26 are left for the other one?",
    idea=(
        "Cutting off at 1 saves weights that were promised. Share out what is left, budget minus the full layers, "
        "among the others, in the same proportion: 22 of 100 here."
    ),
    code="`scale = (budget - size of the full layers) / sum(raw[name] * sizes[name] for name in the others)`",
)
def shared_out(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be({"a": 1.0, "b": 0.22}, ONE_FULL, 26 / 104)
    _spent(answer, ONE_FULL, 0.5)


@law(
    "it repeats until no layer is above 1, for any network and any density",
    where="After sharing out, is another layer full now? Try three layers, and a density near 1.",
    idea="What a full layer leaves may fill the next one. Repeat with those that are not full, until nothing changes.",
    code="`while True:` compute `scale` for the rest; if none is over 1, return; else add those to the full ones",
)
def repeated(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be(erk_densities(TWO_FULL, 0.1425), TWO_FULL, 0.1425)
    for _ in range(8):
        shapes: Shapes = {
            "conv1": (integer(2, 8, draw), 1, 3, 3),
            "conv2": (integer(8, 32, draw), integer(4, 8, draw), 3, 3),
            "fc1": (integer(16, 64, draw), integer(64, 256, draw)),
            "fc2": (10, integer(16, 64, draw)),
        }
        density = round(real(0.02, 0.98, draw), 2)
        answer.should_be(erk_densities(shapes, density), shapes, density)
    answer.should_be({"a": 1.0, "b": 1.0}, ONE_FULL, 1.0)


EXERCISES = (
    Exercise("04.2", "erk_densities", erk_densities, (budget, proportion, kernels, at_most_one, shared_out, repeated)),
)
