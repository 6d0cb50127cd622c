"""What is budgeted, on numbers that can be checked by hand."""

import pytest

from fedlab_core.budgets import Budget, RoundCosts, Spending
from fedlab_core.experiment import SettingError

ROUNDS = [RoundCosts(5, 10, 0, 0.0), RoundCosts(100, 200, 1000, 1000.0), RoundCosts(40, 60, 3000, 600.0)]


def test_the_mean_is_of_all_that_a_run_costs() -> None:
    """(5 + 10 + 100 + 200 + 40 + 60) / 2 rounds; 1600 FLOPs of 4000."""
    assert Spending.of(ROUNDS, "mean") == Spending(flops=0.4, bytes=207.5)


def test_the_last_round_is_counted_alone() -> None:
    assert Spending.of(iter(ROUNDS), "final") == Spending(flops=0.2, bytes=100.0)


def test_a_budget_says_what_it_is_about() -> None:
    assert Budget("flops", 0.4).of(Spending(0.1, 5e6)) == 0.1
    assert Budget("bytes", 2e6).of(Spending(0.1, 5e6)) == 5e6
    assert str(Budget("flops", 0.4)) == "40.0% of the dense FLOPs (mean of the rounds)"
    assert str(Budget("bytes", 2e6, "final")) == "2 MB a round (last round)"


@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan"), float("inf")])
def test_a_limit_is_a_positive_number(limit: float) -> None:
    with pytest.raises(SettingError, match="the budget of flops is"):
        Budget("flops", limit)
