"""The address holds everything: configuration and view survive the way into it and back."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic.fields import FieldInfo

from app import session
from app.session import START, VIEW_KEYS, from_query, to_query
from fedlab_core.data.datasets import dataset_names
from fedlab_core.experiment import Experiment, setting_fields
from fedlab_core.models import model_names
from fedlab_core.runs.recipes import recipe, recipe_names
from fedlab_core.strategies import strategy_names


def values(name: str, info: FieldInfo) -> st.SearchStrategy[Any]:
    """What a field allows."""
    if get_origin(info.annotation) is Literal:
        return st.sampled_from(get_args(info.annotation))
    named = {"data.dataset": dataset_names, "model.name": model_names}
    if name in named:
        return st.sampled_from(named[name]())
    if info.annotation is bool:
        return st.booleans()
    if info.annotation is str:
        return st.text(max_size=20)
    rules = {
        key: getattr(rule, key) for rule in info.metadata for key in ("ge", "gt", "le", "lt") if hasattr(rule, key)
    }
    if info.annotation is int:
        return st.integers(rules.get("ge", 0), rules.get("le", rules.get("lt", 2**31) - 1))
    low, high = rules.get("ge", rules.get("gt", -1e6)), rules.get("le", rules.get("lt", 1e6))
    return st.floats(low, high, exclude_min="gt" in rules, exclude_max="lt" in rules)


@st.composite
def experiments(draw: st.DrawFn) -> Experiment:
    """Any experiment: some settings of any strategy at any allowed value."""
    base = Experiment().replace({"strategy.name": draw(st.sampled_from(strategy_names()))})
    fields = dict(setting_fields(base))
    chosen = draw(st.lists(st.sampled_from(sorted(fields)), unique=True))
    return base.replace({name: draw(values(name, fields[name])) for name in chosen})


@given(experiments(), st.dictionaries(st.sampled_from(VIEW_KEYS), st.text(min_size=1, max_size=10)))
def test_every_configuration_survives_the_address(experiment: Experiment, view: dict[str, str]) -> None:
    query = to_query(experiment, view)
    assert all(type(text) is str for text in query.values())
    assert from_query(query) == (experiment, view, [])


@pytest.mark.parametrize("name", recipe_names())
def test_addresses_of_recipes_are_short(name: str) -> None:
    query = to_query(recipe(name), {})
    assert from_query(query)[0] == recipe(name)
    method = Experiment().replace({"strategy.name": recipe(name).strategy.name})
    assert query.keys() <= {"strategy.name", *recipe(name).changes_from(method)}


def test_an_empty_address_is_the_first_preset_and_the_other_way_round() -> None:
    assert from_query({}) == (START, {}, [])
    assert to_query(START, {}) == {}
    assert to_query(Experiment(), {}) == {"strategy.name": "fedavg"}


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"data.alpha": "-1"}, "data.alpha is '-1'; allowed is a number with 0.001 <= value <= 1000"),
        ({"data.alpha": "much"}, "data.alpha is 'much'"),
        ({"strategy.name": "fedsparcify-global"}, "did you mean 'fedsparsify-global'"),
        ({"alpha": "1"}, "alpha is no setting"),
        ({"data.alpha": "nan"}, "data.alpha is 'nan'"),
        ({"federation.rounds": "2.5"}, "federation.rounds is '2.5'"),
        ({"strategy.mu": "0.1"}, "strategy.mu is no setting of an experiment with strategy fedavg"),
    ],
)
def test_a_setting_that_cannot_be_is_named_and_keeps_its_default(query: dict[str, str], sentence: str) -> None:
    experiment, view, complaints = from_query({**query, "data.num_clients": "7", "run": "abc"})
    assert experiment == Experiment().replace({"data.num_clients": 7})
    assert view == {"run": "abc"}
    assert len(complaints) == 1
    assert sentence in complaints[0]


def test_the_method_of_an_address_counts_first() -> None:
    experiment, _, complaints = from_query({"strategy.mu": "0.5", "data.alpha": "x", "strategy.name": "fedprox"})
    assert experiment.settings()["strategy.mu"] == 0.5
    assert len(complaints) == 1


@pytest.mark.parametrize(
    ("text", "number"), [("7", 7), ("007", 7), ("-1", None), ("", None), ("²", None), ("9" * 5000, None), ("x", None)]
)
def test_numbers_in_an_address_are_believed_only_where_they_can_be(
    text: str, number: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "looked_at", lambda key: text)
    assert session.number("client") == number
