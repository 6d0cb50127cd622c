"""06 FedSparsify, second exercise: the vote of FedSparsify-Local."""

from __future__ import annotations

import torch

from fedlab_core.federation.aggregation import majority_vote
from fedlab_core.lessons.checks.exercise import Answer, Exercise, law
from fedlab_core.lessons.checks.inputs import integer, mask_uploads, masks, params, single, update
from fedlab_core.types import Update


def _columns(draw: torch.Generator, clients: int, weights: int = 4) -> torch.Tensor:
    return torch.randint(2, (clients, weights), generator=draw).bool()


@law(
    "what everybody keeps stays, what nobody keeps goes",
    where="Two clients that agree: what do you return, and of which type?",
    idea="The result is a dictionary like one client's `masks`: for each name a tensor of true and false.",
    code="`{name: votes > len(updates) / 2 for ...}`: a comparison gives true and false.",
)
def unanimous(answer: Answer, draw: torch.Generator) -> None:
    for clients in (1, 2, 5):
        row = torch.tensor([True, False, *_columns(draw, 1, 2)[0].tolist()])
        answer.should_be({"w": row}, mask_uploads(row.expand(clients, 4)))


@law(
    "with an odd number of clients the majority decides",
    where="Three clients, one vote: is the weight kept?",
    idea="V_i counts the clients that kept weight i. It stays when V_i > K / 2; for K = 3 that takes two votes.",
    code="`torch.stack([update.masks[name] for update in updates]).sum(0) > len(updates) / 2`",
)
def odd(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be({"w": torch.tensor([False, True])}, mask_uploads(torch.tensor([[1, 1], [0, 1], [0, 0]])))
    for clients in (3, 5, 7):
        uploads = mask_uploads(_columns(draw, clients))
        answer.should_be(majority_vote(uploads), uploads)


@law(
    "a tie prunes",
    where="Two clients that disagree: one vote out of two.",
    idea="Strict majority means MORE than half. (The paper's code keeps a tie; the lab's default does not.)",
    code="`>` and not `>=`; and compare with `len(updates) / 2`, not with `//`.",
)
def tie(answer: Answer, draw: torch.Generator) -> None:
    answer.should_be({"w": torch.tensor([False])}, mask_uploads(torch.tensor([[1], [0]])))
    for clients in (4, 6, 8):
        half = torch.arange(clients) < clients // 2
        mixed = half[torch.randperm(clients, generator=draw)]
        uploads = mask_uploads(torch.stack([mixed, ~mixed], dim=1))
        answer.should_be(majority_vote(uploads), uploads)


@law(
    "one client, one vote: neither examples nor weights count",
    where="Which fields of an update does your vote read?",
    idea="The vote is unweighted, and a weight that happens to be 0 may still be kept: only `masks` counts.",
    code="Use `update.masks[name]`; leave `num_examples` and `params` alone.",
)
def one_vote(answer: Answer, draw: torch.Generator) -> None:
    big, small = single(0, 90, 2.0, kept=True), [single(k, 1, 3.0, kept=False) for k in (1, 2)]
    answer.should_be({"w": torch.tensor([False])}, [big, *small])
    zeros = [single(k, 1, 0.0, kept=True) for k in range(3)]
    answer.should_be({"w": torch.tensor([True])}, zeros)


@law(
    "every masked tensor gets its own vote, whatever the order of the clients",
    where="More than one name, shapes with two axes, clients in another order.",
    idea="Vote entry by entry within each name; names without a mask (biases) do not appear.",
    code="`for name in updates[0].masks`",
)
def every_mask(answer: Answer, draw: torch.Generator) -> None:
    for clients in (2, 3, 4, 9):
        uploads = [update(k, integer(1, 9, draw), params(draw), masks(draw)) for k in range(clients)]
        uploads = [_with_second_mask(upload, draw) for upload in uploads]
        answer.should_be(majority_vote(uploads), uploads)
        answer.should_be(majority_vote(uploads), uploads[::-1])


def _with_second_mask(upload: Update, draw: torch.Generator) -> Update:
    kept = {**upload.masks, "out.weight": torch.randint(2, (1, 2), generator=draw).bool()}
    weights = {**upload.params, "out.weight": torch.ones(1, 2)}
    return update(upload.client_id, upload.num_examples, weights, kept)


EXERCISES = (Exercise("06.2", "vote", majority_vote, (unanimous, odd, tie, one_vote, every_mask)),)
