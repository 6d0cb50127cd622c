"""Budgets as requests: "at most 40 % of the FLOPs", "at most 2 MB a round", and which setting of a strategy keeps them.

plan = solve(experiment, Budget("flops", 0.4))      # by rehearsals: nobody trains
plan = practise(plan, on_record)                    # where training decides on the rest: real runs
for record in simulate(plan.experiment): ...
"""

from fedlab_core.budgets.budget import TOLERANCE, Budget, Scope, Spending
from fedlab_core.budgets.outlook import Outlook, outlook
from fedlab_core.budgets.plan import BudgetError, Offer, Plan, require_one
from fedlab_core.budgets.practice import practise
from fedlab_core.budgets.region import Region, region
from fedlab_core.budgets.rehearsal import Rehearsed, RoundCosts, rehearsal, rehearse
from fedlab_core.budgets.solve import solve, survey

__all__ = [
    "TOLERANCE",
    "Budget",
    "BudgetError",
    "Offer",
    "Outlook",
    "Plan",
    "Region",
    "Rehearsed",
    "RoundCosts",
    "Scope",
    "Spending",
    "outlook",
    "practise",
    "region",
    "rehearsal",
    "rehearse",
    "require_one",
    "solve",
    "survey",
]
