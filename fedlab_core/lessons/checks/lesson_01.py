"""01 FedAvg from scratch: the mean of the clients, weighted by their numbers of examples."""

from __future__ import annotations

import torch

from fedlab_core.federation.aggregation import weighted_mean
from fedlab_core.lessons.checks.exercise import Answer, Exercise, law
from fedlab_core.lessons.checks.inputs import integer, params, single, update
from fedlab_core.types import Update

MODEL: dict[str, tuple[int, ...]] = {"conv.weight": (2, 1, 2), "conv.bias": (2,), "fc.weight": (1, 2), "scale": ()}
"""Tensors of every number of axes."""


def _uploads(count: int, draw: torch.Generator) -> list[Update]:
    return [update(k, integer(1, 9, draw), params(draw)) for k in range(count)]


@law(
    "one client alone is its own mean",
    where="What comes back when only one client took part?",
    idea=(
        "The result is a dictionary with the same names, shapes and types (float32) as one client's `params`; with one "
        "client its share is 1."
    ),
    code="Divide by the total: `share = update.num_examples / total`. With one client that is 1, whatever its number.",
)
def one_client(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be({"w": torch.tensor([5.0])}, [single(0, 3, 5.0)])
    for _ in range(3):
        upload = update(0, integer(1, 9, draw), params(draw, MODEL))
        answer.should_be(upload.params, [upload])


@law(
    "clients with equally many examples count the same",
    where="Give every client 1 example: is your result the plain mean?",
    idea="The shares n_k / n add up to 1, so that the mean of equal weights is that weight.",
    code="`total = sum(update.num_examples for update in updates)`, and every tensor times `num_examples / total`.",
)
def equal_clients(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be({"w": torch.tensor([3.0])}, [single(0, 1, 2.0), single(1, 1, 4.0)])
    for count in (2, 4):
        examples = integer(1, 9, draw)
        uploads = [update(k, examples, params(draw)) for k in range(count)]
        answer.should_be(weighted_mean(uploads), uploads)


@law(
    "a client counts by its number of examples",
    where="Where does `num_examples` enter your sum?",
    idea="A client with 3 examples speaks three times as loud as a client with 1: its share is n_k / n, not 1 / K.",
    code="`sum(update.num_examples / total * update.params[name] for update in updates)`",
)
def weighted(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be({"w": torch.tensor([1.0])}, [single(0, 3, 0.0), single(1, 1, 4.0)])
    for count in (2, 3, 5):
        uploads = _uploads(count, draw)
        answer.should_be({"w": _mean(uploads)}, [_only_w(upload) for upload in uploads])


@law(
    "it works for any number of clients and examples, in any order",
    where="Try many clients, of very different sizes.",
    idea="Only the shares n_k / n matter, however many clients there are: they lie between 0 and 1 and add up to 1.",
    code="Divide with `/`, not with `//`, and by the total of exactly the clients that are in `updates`.",
)
def any_size(answer: Answer, draw: torch.Generator) -> None:
    for count in (2, 3, 10, 40):
        uploads = [update(k, integer(1, 5000, draw), params(draw, MODEL)) for k in range(count)]
        answer.should_be(weighted_mean(uploads), uploads)
        answer.should_be(weighted_mean(uploads), uploads[::-1])


def _only_w(upload: Update) -> Update:
    return update(upload.client_id, upload.num_examples, {"w": upload.params["fc.bias"]})


def _mean(uploads: list[Update]) -> torch.Tensor:
    return weighted_mean([_only_w(upload) for upload in uploads])["w"]


EXERCISES = (Exercise("01.1", "aggregate", weighted_mean, (one_client, equal_clients, weighted, any_size)),)
