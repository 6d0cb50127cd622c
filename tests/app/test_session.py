"""The address holds everything: configuration and view survive the way into it and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import session
from app.session import START, VIEW_KEYS, from_query, to_query
from fedlab_core.experiment import Experiment
from fedlab_core.runs.recipes import recipe, recipe_names
from tests.experiments import experiments


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
