"""Merging updates: hand-computed means and votes, and the laws of order and agreement."""

from itertools import permutations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedlab_core.federation.aggregation import holders_mean, majority_vote, mean_buffers, weighted_mean
from fedlab_core.types import Update, seeded_generator


def update(client: int, values: list[float], examples: int = 1, mask: list[bool] | None = None) -> Update:
    w = torch.tensor([values])
    masks = {"w": torch.tensor([mask]) if mask else torch.ones_like(w, dtype=torch.bool)}
    return Update(client, {"w": w * masks["w"]}, {"mean": w[0]}, masks, examples, 0.0)


def test_mean_is_weighted_by_examples() -> None:
    merged = weighted_mean([update(0, [1.0, 0.0], examples=1), update(1, [4.0, 2.0], examples=3)])
    assert merged["w"].tolist() == [[3.25, 1.5]]
    assert mean_buffers([update(0, [1.0], 1), update(1, [4.0], 3)])["mean"].tolist() == [3.25]


def test_holders_mean_leaves_out_those_who_pruned() -> None:
    updates = [update(0, [2.0, 8.0, 5.0], 1, [True, True, False]), update(1, [6.0, 9.0, 5.0], 3, [True, False, False])]
    assert holders_mean(updates)["w"].tolist() == [[5.0, 8.0, 0.0]]
    assert weighted_mean(updates)["w"].tolist() == [[5.0, 2.0, 0.0]]


@pytest.mark.parametrize(
    ("votes", "clients", "strict", "floor"),
    [
        (1, 1, True, True),
        (0, 1, False, True),
        (1, 2, False, True),
        (1, 3, False, True),
        (2, 3, True, True),
        (2, 4, False, True),
        (2, 5, False, True),
        (1, 5, False, False),
        (3, 5, True, True),
    ],
)
def test_vote_by_hand(votes: int, clients: int, strict: bool, floor: bool) -> None:
    updates = [update(k, [1.0], mask=[k < votes]) for k in range(clients)]
    assert majority_vote(updates)["w"].item() is strict
    assert majority_vote(updates, "floor")["w"].item() is floor


@given(seed=st.integers(0, 20))
def test_order_of_arrival_changes_no_bit(seed: int) -> None:
    generator = seeded_generator("order", seed)
    updates = [
        update(
            k, torch.randn(5, generator=generator).tolist(), k + 1, (torch.rand(5, generator=generator) < 0.5).tolist()
        )
        for k in range(4)
    ]
    for rule in (weighted_mean, holders_mean):
        first = rule(updates)["w"]
        assert all(torch.equal(first, rule(list(order))["w"]) for order in permutations(updates))


def test_equal_updates_are_a_fixed_point() -> None:
    updates = [update(k, [0.1, -0.7], k + 2) for k in range(3)]
    for rule in (weighted_mean, holders_mean):
        assert torch.allclose(rule(updates)["w"], updates[0].params["w"], atol=1e-7)


def test_updates_without_examples_are_refused() -> None:
    with pytest.raises(ValueError, match="based on 0 examples"):
        weighted_mean([update(0, [1.0], examples=0)])
