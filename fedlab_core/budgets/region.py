"""The feasible region: what a strategy costs from its cheapest to its most expensive setting, and which one fits."""

from __future__ import annotations

from typing import NamedTuple

from fedlab_core.budgets.budget import Budget
from fedlab_core.budgets.plan import BudgetError, Offer, Plan, knob_of
from fedlab_core.budgets.solve import OnRehearsal, Search, quiet, solve
from fedlab_core.experiment import Experiment

POINTS = 7
"""Settings that are rehearsed for the curve, both ends included; the search for the best adds some."""


class Region(NamedTuple):
    """What is feasible.

    Attributes:
        plans: rehearsed, from the cheapest to the most expensive setting; none where no setting decides on the cost.
        offer: the plan that spends most within the budget, or why there is none.
    """

    plans: list[Plan]
    offer: Offer


def region(experiment: Experiment, budget: Budget, points: int = POINTS, on_rehearsal: OnRehearsal = quiet) -> Region:
    """Rehearse an experiment along its setting, and solve it for a budget.

    Args:
        points: evenly spaced settings for the curve, at least the two ends.
        on_rehearsal: called after each rehearsal.

    Raises:
        DataError, PartitionError, ValueError: as `Federation.of`.
    """
    knob = knob_of(experiment, budget)
    if knob is None:
        try:
            return Region([], solve(experiment, budget, on_rehearsal))
        except BudgetError as error:
            return Region([], error)
    search = Search.of(experiment, budget, knob, on_rehearsal)
    for step in range(points):
        search.at(search.last * step // (points - 1))
    try:
        offer: Offer = search.solution()
    except BudgetError as error:
        offer = error
    return Region([search.known[place] for place in sorted(search.known)], offer)
