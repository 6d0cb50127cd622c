"""Merging updates: hand-computed means and votes. Laws are in `test_robust.py`, refusals in `test_validation.py`."""

import pytest
import torch

from fedlab_core.federation.aggregation import count_votes, holders_mean, majority_vote, mean_buffers, weighted_mean
from tests.federation.updates import update


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


def test_votes_are_whole_numbers_of_any_size() -> None:
    """More than a byte holds."""
    updates = [update(k, [1.0, 1.0], mask=[True, k < 10]) for k in range(300)]
    votes = count_votes(updates)["w"]
    assert votes.dtype == torch.int64
    assert votes.tolist() == [[300, 10]]
