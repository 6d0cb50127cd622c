"""Drop and grow: by hand, and by its law that as many are kept as before."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedlab_core.pruning.regrow import cosine_fraction, drop_and_grow, explored, turnover


def test_by_hand() -> None:
    weight = torch.tensor([5.0, -1.0, 3.0, 0.0, 0.0, 0.0])
    grad = torch.tensor([9.0, 0.5, 9.0, 0.1, -2.0, 0.3])
    mask = torch.tensor([True, True, True, False, False, False])
    after = drop_and_grow(weight, grad, mask, 0.4)  # int(0.4 x 3) = 1: -1 goes, the gradient -2 comes
    assert after.tolist() == [True, False, True, False, True, False]
    assert mask.tolist() == [True, True, True, False, False, False]


def test_what_has_just_gone_may_come_back() -> None:
    weight, grad = torch.tensor([1.0, 2.0, 0.0]), torch.tensor([7.0, 0.0, 1.0])
    mask = torch.tensor([True, True, False])
    assert torch.equal(drop_and_grow(weight, grad, mask, 0.5), mask)


@given(st.integers(0, 2**31), st.floats(0, 1), st.floats(0, 1))
def test_density_is_kept(seed: int, density: float, fraction: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    weight, grad, chance = torch.randn(3, 4, 5, generator=generator)
    mask = chance.sigmoid() < density
    after = drop_and_grow(weight, grad, mask, fraction)
    assert after.sum() == mask.sum()
    assert int((after & ~mask).sum()) <= int(fraction * int(mask.sum()))


def test_the_share_falls_along_a_cosine() -> None:
    assert cosine_fraction(0, 100, 0.2) == pytest.approx(0.2)
    assert cosine_fraction(50, 100, 0.2) == pytest.approx(0.1)
    assert cosine_fraction(25, 100, 0.2) == pytest.approx(0.1 * (1 + math.sqrt(0.5)))
    assert cosine_fraction(100, 100, 0.2) == cosine_fraction(101, 100, 0.2) == 0


def test_turnover_and_what_was_explored_by_hand() -> None:
    rounds = [{"w": torch.tensor(kept).bool()} for kept in ([1, 1, 0, 0, 0], [1, 0, 1, 0, 0], [1, 1, 0, 0, 0])]
    assert [turnover(a, b) for a, b in pairwise(rounds)] == [0.5, 0.5]
    assert explored(rounds) == pytest.approx(0.6)
    assert turnover(rounds[0], rounds[2]) == turnover({}, {}) == explored([]) == 0
