"""Sums of some clients: by hand, and the laws that a tree of aggregators lives on."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedlab_core.federation.aggregation import count_votes, mean_buffers, weighted_mean
from fedlab_core.federation.partial import PartialSums, add_up, partial_sums
from fedlab_core.types import Update, seeded_generator


def update(client: int, seed: int = 0, examples: int = 1) -> Update:
    draw = seeded_generator("partial", seed, client)
    w, mask = torch.randn(3, 4, generator=draw), torch.rand(3, 4, generator=draw) < 0.6
    extras = {"control": torch.randn(2, generator=draw), "steps": torch.tensor(3)}
    return Update(client, {"w": w * mask}, {"mean": torch.randn(4, generator=draw)}, {"w": mask}, examples, 0.0, extras)


def in_a_tree(updates: list[Update], fan_out: int) -> PartialSums:
    """Groups of `fan_out` at each level, up to the root."""
    level = [partial_sums(updates[i : i + fan_out]) for i in range(0, len(updates), fan_out)]
    while len(level) > 1:
        level = [add_up(level[i : i + fan_out]) for i in range(0, len(level), fan_out)]
    return level[0]


def test_sums_by_hand() -> None:
    one, two = (
        Update(k, {"w": torch.tensor([value])}, {}, {"w": torch.tensor([kept])}, examples, 0.0)
        for k, value, kept, examples in ((0, 1.0, True, 1), (1, 5.0, False, 3))
    )
    sums = partial_sums([one, two])
    assert (sums.examples, sums.clients) == (4, 2)
    assert (sums.weighted["w"].tolist(), sums.votes["w"].tolist()) == ([16.0], [1])
    assert sums.mean()["w"].tolist() == [4.0]
    assert sums.mean()["w"].dtype == torch.float32
    assert partial_sums([one, two], votes_count=False).votes == {}


@given(seed=st.integers(0, 50), count=st.integers(1, 20), fan_out=st.integers(2, 5))
def test_a_tree_has_the_flat_sums_the_mean_and_the_votes(seed: int, count: int, fan_out: int) -> None:
    updates = [update(k, seed, examples=k + 1) for k in range(count)]
    flat, tree = partial_sums(iter(updates)), in_a_tree(updates, fan_out)
    assert (tree.examples, tree.clients) == (flat.examples, flat.clients)
    for name, total in flat.weighted.items():
        torch.testing.assert_close(tree.weighted[name], total, rtol=1e-12, atol=1e-12)
    assert torch.equal(tree.votes["w"], count_votes(updates)["w"])
    mean = {**weighted_mean(updates), **mean_buffers(updates)}
    assert tree.mean().keys() == {*mean, "control"}  # steps are no mean
    for name, value in mean.items():
        torch.testing.assert_close(tree.mean()[name], value, rtol=1e-6, atol=1e-7)


def test_what_has_no_sum_is_refused() -> None:
    with pytest.raises(ValueError, match="no updates"):
        partial_sums([])
    with pytest.raises(ValueError, match="at least one"):
        add_up([])
    other = Update(0, {"v": torch.ones(1)}, {}, {}, 1, 0.0)
    with pytest.raises(ValueError, match="same tensors"):
        add_up([partial_sums([update(0)]), partial_sums([other])])
    with pytest.raises(ValueError, match="0 examples"):
        partial_sums([update(0, examples=0)]).mean()
