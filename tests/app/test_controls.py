"""Every setting has a widget that fits its limits; a method that is new to the package brings its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

import pytest
from streamlit.testing.v1 import AppTest

from app.controls import help_text, label
from app.session import START
from fedlab_core.experiment import Experiment, setting_fields
from fedlab_core.strategies import Strategy, base, hyper, strategy_class, strategy_names


@pytest.fixture
def new_method() -> Iterator[type[Strategy]]:
    """A strategy as somebody would drop it into the package, with a setting of every kind."""

    class Invented(Strategy):
        """Do nothing, but with many settings."""

        name: ClassVar[str] = "invented"
        title: ClassVar[str] = "Invented"
        source: ClassVar[str] = "nobody, never"

        rate: float = hyper(0.25, symbol="ρ", ge=0, le=1, fedavg=0, help="A fraction.")
        steps: int = hyper(3, symbol="n", ge=1, le=9, help="A few.")
        budget: int = hyper(5000, symbol="B", ge=0, help="Any number.")
        wide: float = hyper(0.001, symbol="", gt=0, help="Any positive number.")
        kind: Literal["one", "other"] = hyper("one", symbol="", help="A choice.")
        hard: bool = hyper(True, symbol="", help="A switch.")
        word: str = hyper("a", symbol="", help="A text.")

    yield Invented
    del base._REGISTRY["invented"]


def open_run(dashboard: AppTest, **query: str) -> AppTest:
    """The Run page at an address."""
    dashboard.query_params.update(query)
    dashboard.switch_page("views/run.py").run()
    assert not dashboard.exception
    return dashboard


def test_a_new_method_brings_its_controls(dashboard: AppTest, new_method: type[Strategy]) -> None:
    page = open_run(dashboard, **{"strategy.name": "invented"})
    assert "Invented" in page.selectbox(key="setting:strategy.name").options
    assert page.slider(key="setting:strategy.rate").value == 0.25
    assert page.slider(key="setting:strategy.steps").max == 9
    assert page.number_input(key="setting:strategy.budget").value == 5000
    assert page.number_input(key="setting:strategy.wide").value == 0.001
    assert page.selectbox(key="setting:strategy.kind").options == ["one", "other"]
    assert page.toggle(key="setting:strategy.hard").value
    assert page.text_input(key="setting:strategy.word").value == "a"
    page.slider(key="setting:strategy.steps").set_value(7).run()
    assert page.query_params["strategy.steps"] == "7"


@pytest.mark.slow
@pytest.mark.parametrize("name", strategy_names())
def test_every_setting_of_every_method_has_a_widget(dashboard: AppTest, name: str) -> None:
    page = open_run(dashboard, **{"strategy.name": name})
    kinds = ("selectbox", "slider", "select_slider", "number_input", "toggle", "text_input")
    keys = {widget.key for kind in kinds for widget in page.get(kind)}
    settings = {f"setting:{setting}" for setting, _ in setting_fields(page.session_state["experiment"])}
    hidden = {"path", "labels_per_client", "size_power", "size_ratio", "overlap", "rotation_degrees", "noise_std"}
    assert settings - keys == {f"setting:data.{field}" for field in hidden}
    assert strategy_class(name).title in page.selectbox(key="setting:strategy.name").options


@pytest.mark.parametrize(
    ("partition", "setting"),
    [
        ("shards", "labels_per_client"),
        ("quantity", "size_power"),
        ("ranges", "overlap"),
        ("feature", "rotation_degrees"),
    ],
)
def test_a_partition_shows_its_own_setting(dashboard: AppTest, partition: str, setting: str) -> None:
    page = open_run(dashboard)
    page.selectbox(key="setting:data.partition").select(partition).run()
    assert not page.exception
    assert page.slider(key=f"setting:data.{setting}").value == Experiment().settings()[f"data.{setting}"]
    with pytest.raises(KeyError):
        page.select_slider(key="setting:data.alpha")


@pytest.mark.parametrize(
    ("setting", "value"),
    [("data.num_clients", "500"), ("data.alpha", "0.37"), ("federation.rounds", "4000"), ("strategy.exponent", "0.01")],
)
def test_a_value_off_the_usual_range_widens_it(dashboard: AppTest, setting: str, value: str) -> None:
    page = open_run(dashboard, **{"strategy.name": "fedsparsify-global", setting: value})
    kind = page.select_slider if setting == "data.alpha" else page.slider
    assert kind(key=f"setting:{setting}").value == float(value)
    assert page.query_params[setting] == value


def test_a_slider_changes_configuration_and_address(dashboard: AppTest) -> None:
    page = open_run(dashboard)
    page.select_slider(key="setting:data.alpha").set_value(0.1).run()
    assert page.session_state["experiment"].data.alpha == 0.1
    assert page.query_params["data.alpha"] == "0.1"
    assert page.query_params["strategy.name"] == "fedsparsify-global"
    page.selectbox(key="setting:strategy.name").select("FedAvg").run()
    assert page.session_state["experiment"] == START.replace({"data.alpha": 0.1, "strategy.name": "fedavg"})
    assert page.query_params["strategy.name"] == "fedavg"


def test_a_click_that_comes_with_an_older_address_undoes_nothing(dashboard: AppTest) -> None:
    page = open_run(dashboard)
    before = dict(page.query_params)
    page.select_slider(key="setting:data.alpha").set_value(0.1).run()
    page.query_params.clear()
    page.query_params.update(before)  # the browser has not heard of the new address yet
    page.slider(key="setting:data.num_clients").set_value(9).run()
    assert (page.session_state["experiment"].data.alpha, page.session_state["experiment"].data.num_clients) == (0.1, 9)
    page.query_params.clear()
    page.query_params.update(before)  # Back: an older address without a click
    page.run()
    assert page.session_state["experiment"] == START
    assert page.select_slider(key="setting:data.alpha").value == START.data.alpha


def test_words_of_a_setting_come_from_its_field() -> None:
    fields = dict(setting_fields(Experiment().replace({"strategy.name": "fedprox"})))
    assert label("strategy.mu", fields["strategy.mu"]) == "Mu μ"
    text = help_text("strategy.mu", fields["strategy.mu"])
    assert "Strength of the pull" in text
    assert "0 makes it FedAvg" in text
    assert "strategy.mu" in text
