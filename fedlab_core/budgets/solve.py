"""From a budget to the strategy's own setting, before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import ceil, floor

from fedlab_core.budgets.budget import Budget, Spending
from fedlab_core.budgets.plan import BudgetError, Offer, Plan, knob_of
from fedlab_core.budgets.rehearsal import rehearse
from fedlab_core.experiment import Experiment
from fedlab_core.lab import Federation
from fedlab_core.strategies import Knob, strategy_names

GRID = 10_000
"""Settings are tried in steps of 1 / GRID."""

CLOSE = 0.995
"""A search ends at this share of the budget."""

OnRehearsal = Callable[[], None]


def quiet() -> None:
    """Nobody waits."""


def solve(experiment: Experiment, budget: Budget, on_rehearsal: OnRehearsal = quiet) -> Plan:
    """The setting under which the experiment spends most within the budget; no training.

    A method that has to take whole channels may stay well below the budget, and so may one that has no setting for this
    cost: see `Plan.met`.

    Args:
        on_rehearsal: called after each rehearsal; a handful are needed.

    Raises:
        BudgetError: the strategy cannot keep the budget; the sentence says what it can.
        DataError, PartitionError, ValueError: as `Federation.of`.
    """
    knob = knob_of(experiment, budget)
    if knob is None:
        return _as_it_is(experiment, budget, on_rehearsal)
    return Search.of(experiment, budget, knob, on_rehearsal).solution()


def _as_it_is(experiment: Experiment, budget: Budget, on_rehearsal: OnRehearsal) -> Plan:
    """Nothing can be set: it keeps to the budget or does not."""
    plan = Plan(experiment, budget, {}, Spending.of(rehearse(Federation.of(experiment)), budget.scope))
    on_rehearsal()
    if plan.used > 1:
        raise BudgetError(
            f"{plan.name} cannot keep to {budget}: it takes {plan.spent}, and no setting of it changes that"
        )
    return plan


def survey(experiment: Experiment, budget: Budget) -> Iterator[tuple[str, Offer]]:
    """`solve` for every strategy in turn, by name: the same data, model and rounds; settings that it shares stay.

    Raises:
        DataError, PartitionError, ValueError: as `Federation.of`, for the experiment itself.
    """
    Federation.of(experiment)
    for name in strategy_names():
        try:
            yield name, solve(experiment.replace({"strategy.name": name}), budget)
        except BudgetError as error:
            yield name, error
        except ValueError as error:  # a model that it can do nothing with
            yield name, BudgetError(str(error))


@dataclass
class Search:
    """Rehearsals of one experiment along its setting, each done once.

    Places on the grid run from the cheapest setting, 0, to the most expensive one, `last`.
    """

    federation: Federation
    budget: Budget
    knob: Knob
    low: int
    high: int
    on_rehearsal: OnRehearsal = quiet
    rising: bool = True
    known: dict[int, Plan] = field(default_factory=dict)

    @classmethod
    def of(cls, experiment: Experiment, budget: Budget, knob: Knob, on_rehearsal: OnRehearsal = quiet) -> Search:
        """Raises what `Federation.of` raises."""
        low, high = _limits(experiment, knob)
        search = cls(Federation.of(experiment), budget, knob, low, high, on_rehearsal)
        if search.at(0).cost > search.at(search.last).cost:
            search.known = {search.last - place: plan for place, plan in search.known.items()}
            search.rising = False
        return search

    @property
    def last(self) -> int:
        """The place of the most expensive setting."""
        return self.high - self.low

    def at(self, place: int) -> Plan:
        """The plan for a place of the grid, rehearsed."""
        if place not in self.known:
            value = (self.low + place if self.rising else self.high - place) / GRID
            settings = self._settings(value)
            experiment = self.federation.experiment.replace(settings)
            rounds = rehearse(self.federation.under(experiment.strategy))
            self.known[place] = Plan(experiment, self.budget, settings, Spending.of(rounds, self.budget.scope))
            self.on_rehearsal()
        return self.known[place]

    def solution(self) -> Plan:
        """The plan that spends most within the budget. Raises BudgetError where even the cheapest spends more."""
        cheapest = self.at(0)
        if cheapest.used > 1:
            most = self.at(self.last)
            raise BudgetError(
                f"{cheapest.name} cannot keep to {self.budget}: it takes from {cheapest.spent} to "
                f"{self.budget.say(most.cost)}; nearest is {cheapest.setting}",
                cheapest,
            )
        return self.at(self.within(self.budget.limit))

    def _settings(self, value: float) -> dict[str, float]:
        strategy, knob = self.federation.experiment.strategy, self.knob
        follows = {knob.at_least: max(value, getattr(strategy, knob.at_least))} if knob.at_least else {}
        return {f"strategy.{name}": number for name, number in ({knob.field: value} | follows).items()}

    def place(self, value: float) -> int:
        """Of a setting on the grid."""
        step = round(value * GRID)
        return step - self.low if self.rising else self.high - step

    def within(self, limit: float) -> int:
        """The place for a limit; 0 if none is cheap enough."""
        return last_within(lambda place: self.at(place).cost, self.last, limit)


def last_within(cost: Callable[[int], float], last: int, limit: float) -> int:
    """The last place that costs at most `limit`, or one before it that costs nearly as much (`CLOSE`); 0 if none does.

    Guesses are in turn where a straight line says, and in the middle.

    Args:
        cost: of the places 0 to `last`; it never falls, and may rise in steps.
    """
    low, high, straight = 0, last, True
    if cost(high) <= limit:
        return high
    while high - low > 1 and cost(low) < CLOSE * limit:
        place = (low + high) // 2
        if straight and cost(low) < limit:
            rise = (cost(high) - cost(low)) / (high - low)
            place = min(max(low + round(((1 + CLOSE) / 2 * limit - cost(low)) / rise), low + 1), high - 1)
        low, high = (place, high) if cost(place) <= limit else (low, place)
        straight = not straight
    return low


def _limits(experiment: Experiment, knob: Knob) -> tuple[int, int]:
    """The first and the last step of the grid that the setting allows."""
    found = type(experiment.strategy).model_fields[knob.field].metadata
    limits = {name: getattr(rule, name) for rule in found for name in ("ge", "gt", "le", "lt") if hasattr(rule, name)}
    low = ceil(limits["ge"] * GRID) if "ge" in limits else floor(limits["gt"] * GRID) + 1
    high = floor(limits["le"] * GRID) if "le" in limits else ceil(limits["lt"] * GRID) - 1
    return low, high
