"""Where training decides what is spent: real runs, from which the setting is corrected."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from fedlab_core.budgets.budget import TOLERANCE, Spending
from fedlab_core.budgets.plan import BudgetError, Plan, knob_of
from fedlab_core.budgets.solve import OnRehearsal, Search, quiet
from fedlab_core.experiment import Experiment
from fedlab_core.simulation import simulate
from fedlab_core.types import RoundRecord

RUNS = 3
"""At most so many runs; two are the rule."""

OnRecord = Callable[[RoundRecord], None]


def practise(plan: Plan, on_record: OnRecord, on_rehearsal: OnRehearsal = quiet) -> Plan:
    """The plan as a real run has shown it, corrected until the budget is met; one that is sure already as it is.

    A run spends some factor of what its rehearsal says. The next one has the setting whose rehearsal, times this
    factor, is in the middle of what is tolerated: our reading.

    Raises:
        BudgetError: no run kept the budget.
        ValueError: training diverged.
    """
    knob = knob_of(plan.experiment, plan.budget)
    if plan.sure:
        return plan
    if knob is None:
        return _best([_measured(plan, on_record)])
    search = Search.of(plan.experiment, plan.budget, knob, on_rehearsal)
    place, tried = search.place(plan.value), dict[int, Plan]()
    while place not in tried and len(tried) < RUNS:
        tried[place] = _measured(search.at(place), on_record)
        if tried[place].met:
            return tried[place]
        factor = tried[place].used / search.at(place).used
        place = search.within((1 - TOLERANCE / 2) * plan.budget.limit / factor)
    return _best(list(tried.values()))


def _best(tried: list[Plan]) -> Plan:
    """The one that uses most of the budget and keeps it."""
    kept = [one for one in tried if one.used <= 1]
    if not kept:
        nearest = min(tried, key=lambda one: one.used)
        raise BudgetError(
            f"{nearest.name} did not keep to {nearest.budget}: it took {nearest.spent}, {nearest.setting}", nearest
        )
    return max(kept, key=lambda one: one.used)


def _measured(plan: Plan, on_record: OnRecord) -> Plan:
    spending = Spending.of(_watched(plan.experiment, on_record), plan.budget.scope)
    return replace(plan, spending=spending, practised=True)


def _watched(experiment: Experiment, on_record: OnRecord) -> Iterator[RoundRecord]:
    for record in simulate(experiment):
        on_record(record)
        yield record
