"""FedSparsify's schedule against the numbers computed from the authors' code."""

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedlab_core.pruning.schedules import SCHEDULES, multiplicative, polynomial, stepwise


@pytest.mark.parametrize(
    ("round", "expected"), [(1, 0.0), (2, 0.0142), (50, 0.5431), (100, 0.8295), (150, 0.9349), (199, 0.95), (200, 0.95)]
)
def test_check_values(round: int, expected: float) -> None:
    assert polynomial(round, 200, final=0.95) == pytest.approx(expected, abs=5e-5)


def test_level_is_held_for_frequency_rounds() -> None:
    levels = [polynomial(t, 30, final=0.9, frequency=5) for t in range(1, 31)]
    assert levels[:4] == [0.0] * 4
    for start in range(4, 29, 5):
        assert len(set(levels[start : start + 5])) == 1
    assert levels[29] == pytest.approx(0.9)


def test_holding_never_reaches_back_before_the_start() -> None:
    """With F > 1 and t < F the formula alone gives (1 + ...)^n > 1, a negative sparsity."""
    assert polynomial(2, 20, final=0.9, frequency=10) == 0
    assert polynomial(2, 20, final=0.9, initial=0.3, frequency=10) == pytest.approx(0.3)


def test_nothing_before_the_start_and_no_division_by_zero() -> None:
    assert polynomial(4, 20, final=0.9, initial=0.5, start=5) == 0
    assert polynomial(5, 20, final=0.9, initial=0.5, start=5) == pytest.approx(0.5)
    assert polynomial(1, 1, final=0.9) == 0


def test_mean_density_of_a_run_to_95_percent() -> None:
    rounds = 10_000
    density = sum(1 - polynomial(t, rounds, final=0.95) for t in range(1, rounds + 1)) / rounds
    assert density == pytest.approx(0.2875, abs=1e-3)


@given(
    rounds=st.integers(2, 300),
    final=st.floats(0, 0.99),
    share=st.floats(0, 1),
    frequency=st.integers(1, 20),
    exponent=st.floats(0.5, 12),
)
def test_grows_and_stays_between_start_and_end(
    rounds: int, final: float, share: float, frequency: int, exponent: float
) -> None:
    initial = share * final
    levels = [
        polynomial(t, rounds, final=final, initial=initial, frequency=frequency, exponent=exponent)
        for t in range(1, rounds + 1)
    ]
    assert all(b >= a - 1e-12 for a, b in pairwise(levels))
    assert all(initial - 1e-12 <= level <= final + 1e-12 for level in levels)


def test_stepwise_by_hand() -> None:
    """From round 1 to 9 in steps of 2: ceil((t - 1) / 2) of 4 steps."""
    levels = [stepwise(t, 9, final=0.8, frequency=2) for t in range(1, 10)]
    assert levels == pytest.approx([0, 0.2, 0.2, 0.4, 0.4, 0.6, 0.6, 0.8, 0.8])


def test_multiplicative_drops_the_same_share_of_what_is_left() -> None:
    density = [1 - multiplicative(t, 11, final=0.9, start=1) for t in range(1, 12)]
    assert [after / before for before, after in pairwise(density)] == pytest.approx([0.1 ** (1 / 10)] * 10)
    assert density[-1] == pytest.approx(0.1)


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
@given(
    rounds=st.integers(2, 60),
    final=st.floats(0, 0.99),
    start=st.integers(1, 59),
    exponent=st.floats(0.1, 12),
)
def test_every_schedule_rises_from_its_start_to_its_end(
    schedule: Callable[..., float], rounds: int, final: float, start: int, exponent: float
) -> None:
    start = min(start, rounds - 1)
    levels = [schedule(t, rounds, final=final, start=start, exponent=exponent) for t in range(rounds + 1)]
    assert levels[: start + 1] == [0.0] * (start + 1)
    assert all(before <= after + 1e-12 for before, after in pairwise(levels))
    assert levels[-1] == pytest.approx(final)
