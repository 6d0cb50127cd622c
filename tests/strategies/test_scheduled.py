"""A schedule that does not reach its goal says so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedlab_core.strategies.fedsparsify_global import FedSparsifyGlobal
from fedlab_core.types import RoundContext


@given(
    rounds=st.integers(1, 60),
    start=st.integers(1, 70),
    frequency=st.integers(1, 20),
    initial=st.floats(0, 0.5),
    final=st.floats(0.5, 0.99),
)
def test_remarks_are_made_where_the_goal_is_missed(
    rounds: int, start: int, frequency: int, initial: float, final: float
) -> None:
    strategy = FedSparsifyGlobal(start_round=start, frequency=frequency, initial_sparsity=initial, final_sparsity=final)
    targets = [strategy.target_sparsity(RoundContext(t, rounds, 0)) for t in range(rounds + 1)]
    assert targets == sorted(targets)
    assert bool(strategy.remarks(rounds)) == (targets[-1] != pytest.approx(final, abs=1e-8))


def test_remarks_of_the_usual_settings() -> None:
    assert FedSparsifyGlobal().remarks(30) == []
    assert FedSparsifyGlobal(frequency=5).remarks(30) == []
    (remark,) = FedSparsifyGlobal(initial_sparsity=0.95).remarks(30)
    assert "stays where it began" in remark
    (remark,) = FedSparsifyGlobal(start_round=40).remarks(30)
    assert "Over 30 rounds this schedule ends at a sparsity of 0, not of 0.9" in remark


def test_nothing_is_asked_for_up_to_the_start_round_and_the_formula_from_the_next_on() -> None:
    """s_t = 0.9 - 0.6 (1 - (t - 2) / 3)^3 for t > t0 = 2; in t0 itself the formula would say 0.3."""
    strategy = FedSparsifyGlobal(start_round=2, initial_sparsity=0.3, final_sparsity=0.9)
    targets = [strategy.target_sparsity(RoundContext(t, 5, 0)) for t in range(6)]
    assert targets == pytest.approx([0, 0, 0, 0.9 - 0.6 * 8 / 27, 0.9 - 0.6 / 27, 0.9])
