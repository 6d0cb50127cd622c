"""From a budget to a setting: laws of the search, of every strategy, and what is refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedlab_core.budgets import Budget, BudgetError, Plan, Spending, region, rehearse, require_one, solve, survey
from fedlab_core.budgets.solve import CLOSE, Search, last_within
from fedlab_core.lab import Federation
from fedlab_core.strategies import strategy_class, strategy_names
from fedlab_core.strategies.dwnp import DWNP
from tests.budgets.test_rehearsal import of

HONOURED = [(name, cost) for name in strategy_names() if (knob := strategy_class(name).knob) for cost in knob.saves]
DENSE = ("dynamic-threshold", "fedavg", "fednova", "fedprox", "prunefl", "scaffold")


@given(rises=st.lists(st.integers(0, 3), min_size=1, max_size=20), limit=st.integers(1, 40))
def test_the_search_ends_at_the_last_place_within_the_limit_or_close_to_it(rises: list[int], limit: int) -> None:
    costs = [1 + sum(rises[: place + 1]) for place in range(len(rises))]
    found = last_within(costs.__getitem__, len(costs) - 1, limit)
    if costs[0] > limit:
        assert found == 0
    else:
        assert costs[found] <= limit
        assert costs[found] >= CLOSE * limit or found == len(costs) - 1 or costs[found + 1] > limit


def test_a_straight_line_is_found_in_a_few_guesses() -> None:
    asked: set[int] = set()

    def cost(place: int) -> float:
        asked.add(place)
        return 0.1 + 0.9 * place / 10_000

    assert CLOSE * 0.4 <= cost(last_within(cost, 10_000, 0.4)) <= 0.4
    assert len(asked) <= 4


def test_who_claims_and_who_does_not() -> None:
    assert {name for name in strategy_names() if strategy_class(name).knob is None} == set(DENSE)
    assert {name for name, cost in HONOURED if cost == "flops"} - {
        name for name, cost in HONOURED if cost == "bytes"
    } == {
        "dpf",
        "dwnp",
        "dynamic-gate",
    }


@pytest.mark.parametrize("name", sorted({name for name, _ in HONOURED}))
def test_a_knob_is_a_setting_with_limits(name: str) -> None:
    knob = strategy_class(name).knob
    search = Search.of(of(name), Budget(knob.saves[0], 1.0), knob)
    assert search.last > 9_000
    assert search.place(search.at(0).value) == 0
    assert search.place(search.at(search.last).value) == search.last


@pytest.mark.slow
@pytest.mark.parametrize(("name", "cost"), HONOURED)
@pytest.mark.parametrize("scope", ["mean", "final"])
def test_costs_rise_from_the_cheapest_setting_to_the_most_expensive(name: str, cost: Any, scope: Any) -> None:
    search = Search.of(of(name), Budget(cost, 1.0, scope), strategy_class(name).knob)
    costs = [search.at(search.last * tenth // 10).cost for tenth in range(11)]
    assert costs == pytest.approx(sorted(costs), rel=5e-3)
    assert costs[0] < costs[-1]


@pytest.mark.parametrize(
    ("name", "budget"),
    [
        ("random", Budget("flops", 0.8)),
        ("random", Budget("flops", 0.5, "final")),
        ("snip", Budget("bytes", 3e5)),
        ("feddst", Budget("bytes", 1e5, "final")),
    ],
)
def test_a_plan_is_within_the_budget_and_uses_it(name: str, budget: Budget) -> None:
    plan = solve(of(name), budget)
    assert plan.sure
    assert plan.met


def test_a_plan_carries_the_experiment_with_its_setting() -> None:
    plan = solve(of("snip"), Budget("flops", 0.5))
    assert plan.experiment.strategy == of("snip").replace(plan.settings).strategy
    assert plan.setting == f"final_sparsity={plan.value:g}"
    assert plan.experiment.data == of("snip").data


def test_a_budget_above_what_a_method_can_spend_is_no_limit() -> None:
    plan = solve(of("snip"), Budget("flops", 1.5))
    assert plan.value == 0
    assert plan.used == pytest.approx(2 / 3)


def test_an_impossible_budget_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        BudgetError, match=r"^one-shot cannot keep to 10.0% .* it takes from about 67.9% .* to 100.0%"
    ) as refusal:
        solve(of("one-shot"), Budget("flops", 0.1))
    assert refusal.value.nearest
    assert refusal.value.nearest.settings == {"strategy.final_sparsity": 0.9999}
    assert str(refusal.value).endswith("nearest is final_sparsity=0.9999")


@pytest.mark.parametrize(("name", "cost"), [("fedavg", "flops"), ("dpf", "bytes"), ("dynamic-salient", "flops")])
def test_who_has_no_setting_for_it_keeps_to_it_as_it_is_or_not_at_all(name: str, cost: Any) -> None:
    dense = {"flops": 1.0, "bytes": 1e6}[cost]
    plan = solve(of(name), Budget(cost, 1.01 * dense))
    assert plan.settings == {}
    assert plan.setting == "as it is"
    assert plan.experiment == of(name)
    assert not plan.sure
    with pytest.raises(BudgetError, match=f"{name} cannot keep to .*, and no setting of it changes that") as refusal:
        solve(of(name), Budget(cost, 0.1 * dense))
    assert refusal.value.nearest is None


@pytest.mark.slow
def test_gates_take_whole_channels_and_come_as_near_as_these_allow() -> None:
    plan = solve(of("dynamic-gate"), Budget("flops", 0.4))
    assert not plan.met
    more = plan.experiment.replace({"strategy.ratio": plan.value + 1e-4})
    assert Spending.of(rehearse(Federation.of(more)), "mean").flops > 0.4


def test_what_the_server_keeps_rises_with_what_devices_may_keep() -> None:
    experiment = of("dwnp").replace({"strategy.width": 2, "strategy.p_s": 0.5, "federation.rounds": 2})
    search = Search.of(experiment, Budget("flops", 1.0, "final"), DWNP.knob)
    assert search.at(search.place(0.3)).settings == {"strategy.p_d": 0.3, "strategy.p_s": 0.5}
    assert search.at(search.place(0.7)).settings == {"strategy.p_d": 0.7, "strategy.p_s": 0.7}


@pytest.mark.slow
def test_a_survey_asks_everybody_and_names_the_nearest_where_none_can() -> None:
    experiment = of("fedavg")
    offers = dict(survey(experiment, Budget("bytes", 6e5)))
    assert tuple(offers) == strategy_names()
    assert {"snip", "feddst"} <= {name for name, offer in offers.items() if isinstance(offer, Plan) and offer.met}
    require_one(Budget("bytes", 6e5), offers.values())
    budget = Budget("bytes", 100)
    with pytest.raises(BudgetError, match=r"no strategy can keep to 0.0001 MB a round .* nearest is feddst with"):
        require_one(budget, dict(survey(experiment, budget)).values())


@pytest.mark.slow
def test_a_model_that_a_strategy_can_do_nothing_with_is_no_offer() -> None:
    offers = dict(survey(of("fedavg").replace({"federation.rounds": 1}), Budget("flops", 1.5)))
    refusal = offers["dynamic-gate"]
    assert isinstance(refusal, BudgetError)
    assert "needs a model.name with 2-D convolutions" in str(refusal)


def test_a_region_runs_from_the_cheapest_setting_to_the_most_expensive() -> None:
    asked = Budget("bytes", 4e5)
    rehearsals: list[int] = []
    found = region(of("snip"), asked, points=3, on_rehearsal=lambda: rehearsals.append(1))
    assert found.offer == solve(of("snip"), asked)
    costs = [plan.cost for plan in found.plans]
    assert costs == sorted(costs)
    assert found.offer in found.plans
    assert len(rehearsals) == len(found.plans) >= 4
    refused = region(of("snip"), Budget("bytes", 100), points=2)
    assert isinstance(refused.offer, BudgetError)
    assert refused.offer.nearest == refused.plans[0]
    assert region(of("fedavg"), Budget("flops", 1.01)).plans == []
    assert isinstance(region(of("fedavg"), Budget("flops", 0.5)).offer, BudgetError)
