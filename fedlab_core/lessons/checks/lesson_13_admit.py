"""13 From simulation to deployment, first exercise: which updates may be merged at all."""

from __future__ import annotations

from dataclasses import replace

import torch

from fedlab_core.federation.admission import BadUpdate, check_update
from fedlab_core.lessons.checks.exercise import Answer, Exercise, law
from fedlab_core.lessons.checks.inputs import integer, params, update
from fedlab_core.types import Params, Update


def admit(update: Update, pattern: Params, num_examples: int) -> bool:
    """Whether an update has the tensors of the model, finite numbers, and the known number of examples."""
    try:
        check_update(update, replace(update, params=pattern), num_examples)
    except BadUpdate:
        return False
    return {name: w.shape for name, w in update.params.items()} == {name: w.shape for name, w in pattern.items()}


def _with_value(sound: Update, name: str, place: int, value: float) -> Update:
    weight = sound.params[name].clone()
    weight.view(-1)[place] = value
    return replace(sound, params={**sound.params, name: weight})


@law(
    "a sound update is let in, whatever its weights are",
    where="The smallest case: one weight, right name, right shape, right number of examples. What does yours say?",
    idea=(
        "Large weights, negative ones and zeros are values like others. They need not be near those of the model "
        "either: that is what robust rules are for."
    ),
    code="`return True` at the end, and no comparison of values except with `torch.isfinite`",
)
def sound_ones(answer: Answer, draw: torch.Generator) -> None:
    one = {"w": torch.tensor([2.0])}
    for value in (2.0, 0.0, -7.0, 1e6):
        answer.should_be(True, update(0, 3, {"w": torch.tensor([value])}), one, 3)
    answer.should_be(True, update(0, 8, params(draw)), params(draw), 8)


@law(
    "one value that is not finite is enough to refuse it",
    where="One weight is nan, in the last tensor. Then one is inf, then one is -inf.",
    idea=(
        "A mean with one nan is nan, and so is the whole model one round later. inf is no better: inf - inf is nan. "
        "And nothing equals nan, not even nan itself."
    ),
    code="`all(torch.isfinite(tensor).all() for tensor in update.params.values())`",
)
def finite(answer: Answer, draw: torch.Generator) -> None:
    for value in (float("nan"), float("inf"), float("-inf")):
        bad = update(0, 3, {"w": torch.tensor([1.0, value])})
        answer.should_be(False, bad, {"w": torch.tensor([1.0, 1.0])}, 3)
        for name, place in (("fc.weight", integer(0, 5, draw)), ("fc.bias", integer(0, 1, draw))):
            answer.should_be(False, _with_value(update(0, 3, params(draw)), name, place, value), params(draw), 3)


@law(
    "the number of examples is the one that the server knows",
    where="The client has 3 examples and says 300. And what if it says 2?",
    idea=(
        "The number is a weight in the mean: who claims a hundred times as many has a hundred times the say. Who "
        "claims fewer is wrong as well: unequal is unequal."
    ),
    code="`update.num_examples == num_examples`",
)
def honest_count(answer: Answer, draw: torch.Generator) -> None:
    weights = {"w": torch.tensor([2.0])}
    for claimed in (300, 4, 2, 0, -3):
        answer.should_be(False, update(0, claimed, weights), weights, 3)


@law(
    "every tensor has the shape of the model's",
    where="A weight of shape [2, 3] comes as [3, 2]: as many numbers. A bias of shape [2] comes as [1].",
    idea=(
        "The same number of values is not the same shape. And torch broadcasts: a mean of [2] and [1] is computed "
        "without a word."
    ),
    code="`update.params[name].shape == pattern[name].shape`",
)
def shapes(answer: Answer, draw: torch.Generator) -> None:
    pattern, sent = params(draw), params(draw)
    answer.should_be(False, update(0, 3, {**sent, "fc.weight": sent["fc.weight"].T.contiguous()}), pattern, 3)
    answer.should_be(False, update(0, 3, {**sent, "fc.bias": sent["fc.bias"][:1]}), pattern, 3)
    answer.should_be(False, update(0, 3, {**sent, "fc.bias": sent["fc.bias"][None]}), pattern, 3)


@law(
    "its tensors are those of the model: none is missing, none is more",
    where="One tensor is missing. Then there is one that the model does not have. Then one has another name.",
    idea="Compare the names first, as sets. A loop over one side does not see what only the other side has.",
    code="`if update.params.keys() != pattern.keys(): return False`",
)
def names(answer: Answer, draw: torch.Generator) -> None:
    pattern, sent = params(draw), params(draw)
    answer.should_be(False, update(0, 3, {**sent, "more": torch.ones(2)}), pattern, 3)
    answer.should_be(False, update(0, 3, {"fc.weight": sent["fc.weight"]}), pattern, 3)
    answer.should_be(False, update(0, 3, {"fc.weight": sent["fc.weight"], "fc.Bias": sent["fc.bias"]}), pattern, 3)
    answer.should_be(False, update(0, 3, {}), pattern, 3)


@law(
    "the order of the tensors does not matter, and every fault is seen in every mixture",
    where="Give the tensors in another order: a sound update stays sound.",
    idea="Go by names, not by places. Then look for each of the four faults.",
    code="Four conditions: names, shapes, finite, number of examples; all have to hold.",
)
def mixtures(answer: Answer, draw: torch.Generator) -> None:
    pattern = params(draw)
    for _ in range(8):
        sent = params(draw)
        turned = {name: sent[name] for name in reversed(sent)}
        claimed = 5 + integer(0, 1, draw)
        one = update(0, claimed, turned)
        if integer(0, 1, draw):
            one = _with_value(one, "fc.weight", integer(0, 5, draw), float("nan"))
        answer.should_be(admit(one, pattern, 5), one, pattern, 5)
    sent = params(draw)
    answer.should_be(True, update(0, 5, {name: sent[name] for name in reversed(sent)}), pattern, 5)


EXERCISES = (Exercise("13.1", "admit", admit, (sound_ones, finite, honest_count, shapes, names, mixtures)),)
