"""What a strategy can do about a budget: a plan, or a refusal that names the nearest plan."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fedlab_core.budgets.budget import TOLERANCE, Budget, Spending
from fedlab_core.experiment import Experiment, SettingError
from fedlab_core.strategies import Knob


@dataclass(frozen=True)
class Plan:
    """A strategy's setting for a budget, and what is known of a run with it.

    Attributes:
        experiment: with the setting in place.
        budget: what was asked for.
        settings: what was set: the strategy's knob, and what has to follow it. Nothing where the strategy has no knob
            for this cost and keeps to the budget as it is.
        spending: what the run will spend: rehearsed, or measured by a real run (`practised`).
        practised: whether it was really run.
    """

    experiment: Experiment
    budget: Budget
    settings: dict[str, float]
    spending: Spending
    practised: bool = False

    @property
    def name(self) -> str:
        """Of the strategy."""
        return self.experiment.strategy.name

    @property
    def value(self) -> float:
        """Of the knob."""
        return next(iter(self.settings.values()))

    @property
    def setting(self) -> str:
        """ "final_sparsity=0.85"; in full "strategy.final_sparsity=0.85"."""
        pairs = [f"{name.removeprefix('strategy.')}={value:g}" for name, value in self.settings.items()]
        return ", ".join(pairs) or "as it is"

    @property
    def cost(self) -> float:
        """What it spends of the budgeted cost, in the unit of the limit."""
        return self.budget.of(self.spending)

    @property
    def spent(self) -> str:
        """The same in words; "about" where only a run could tell."""
        return f"{'' if self.sure else 'about '}{self.budget.say(self.cost)}"

    @property
    def used(self) -> float:
        """Share of the budget that is spent."""
        return self.cost / self.budget.limit

    @property
    def met(self) -> bool:
        """Whether the budget is kept, and used but for 2 %."""
        return 1 - TOLERANCE <= self.used <= 1

    @property
    def sure(self) -> bool:
        """Whether a run will spend just that; else only about that, for training decides on the rest."""
        knob = knob_of(self.experiment, self.budget)
        return self.practised or (knob is not None and self.budget.cost not in knob.learned)


class BudgetError(SettingError):
    """A budget that a strategy cannot keep. `nearest` is the plan that comes nearest, if its costs follow a setting."""

    def __init__(self, sentence: str, nearest: Plan | None = None) -> None:
        super().__init__(sentence)
        self.nearest = nearest


Offer = Plan | BudgetError
"""What a strategy can do about a budget."""


def require_one(budget: Budget, offers: Iterable[Offer]) -> None:
    """Raises BudgetError if no strategy keeps the budget; it names the one that comes nearest."""
    every = list(offers)
    if any(isinstance(offer, Plan) for offer in every):
        return
    near = [offer.nearest for offer in every if isinstance(offer, BudgetError) and offer.nearest]
    if not near:
        raise BudgetError(f"no strategy can keep to {budget} with this model")
    best = min(near, key=lambda plan: plan.used)
    raise BudgetError(
        f"no strategy can keep to {budget}; nearest is {best.name} with {best.setting}: {best.spent}", best
    )


def knob_of(experiment: Experiment, budget: Budget) -> Knob | None:
    """The setting of the strategy that turns this cost, if one does."""
    knob = experiment.strategy.knob
    return knob if knob and budget.cost in knob.saves else None
