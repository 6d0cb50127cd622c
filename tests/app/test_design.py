"""The page Design: what is said before a run, budgets in the address, and settings that are taken over."""

from __future__ import annotations

import json

import pytest
from streamlit.testing.v1 import AppTest

from app import background
from app.background import Desk, Job
from fedlab_core.budgets import Spending, rehearse
from fedlab_core.lab import Federation
from fedlab_core.plots.style import format_bytes, format_percent
from fedlab_core.runs.store import RunStore
from tests.app.conftest import SMALL

ADDRESS = SMALL.to_query()


class AtOnce:
    """A lane that does a job before its page is drawn."""

    def do(self, job: Job) -> None:
        job.carry_out()


class Never:
    """A lane that does nothing."""

    def do(self, job: Job) -> None:
        pass


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = Desk()
    monkeypatch.setattr(background, "desk", lambda: fresh)
    monkeypatch.setattr(background, "lane", lambda name: AtOnce())


def open_design(dashboard: AppTest, **query: str) -> AppTest:
    dashboard.query_params.update(query)
    dashboard.switch_page("views/design.py").run()
    assert not dashboard.exception, dashboard.exception
    return dashboard


def titles(page: AppTest) -> list[str]:
    specs = [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]
    return [spec["layout"]["title"]["text"].replace("<br>", " ") for spec in specs]


def said(page: AppTest) -> str:
    kinds = ("info", "success", "warning", "error", "caption", "markdown")
    return " ".join(element.value for kind in kinds for element in page.get(kind)).replace("\\", "")


def test_before_a_run_its_costs_are_known(dashboard: AppTest) -> None:
    page = open_design(dashboard, **ADDRESS)
    costs = rehearse(Federation.of(SMALL))
    up, down = (sum(getattr(one, way) for one in costs) for way in ("upload_bytes", "download_bytes"))
    assert "Feasible" in page.success[0].value
    assert page.metric[0].value == f"{format_bytes(up)} · {format_bytes(down)}"
    assert page.metric[1].value == f"{format_percent(Spending.of(costs, 'mean').flops)} of dense"
    assert "about" in page.metric[1].label
    sparsity, sent, density, flops = titles(page)  # column by column
    assert "80 % sparsity in round 3" in sparsity
    assert "keeps" in density
    assert "will go up" in sent
    assert flops.startswith("About")
    assert page.button(key="design:time")


def test_while_it_is_rehearsed_the_page_says_so(dashboard: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    page = open_design(dashboard, **ADDRESS)
    monkeypatch.setattr(background, "lane", lambda name: Never())
    page.slider(key="setting:strategy.final_sparsity").set_value(0.5).run()
    assert not page.exception
    assert "still show the settings before" in said(page)
    assert len(titles(page)) == 4
    assert "80 % sparsity" in titles(page)[0]


@pytest.mark.slow
def test_the_time_comes_from_a_run_of_this_kind(dashboard: AppTest, store: RunStore, finished_run: bytes) -> None:
    page = open_design(dashboard, **ADDRESS)
    page.button(key="design:time").click().run()
    assert not page.exception
    assert page.metric[2].label == "Time on this machine"
    assert page.metric[2].value == "less than 10 s"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"data.num_clients": "100000"}, "allow at most"),
        ({"model.name": "vgg11"}, "32 x 32 at least"),
        ({"strategy.name": "dynamic-gate", "model.name": "mlp"}, "2-D convolutions"),
    ],
)
def test_what_cannot_be_is_refused(dashboard: AppTest, query: dict[str, str], sentence: str) -> None:
    page = open_design(dashboard, **ADDRESS | query)
    assert "Not feasible" in said(page)
    assert sentence in said(page)
    assert titles(page) == []


@pytest.mark.slow
def test_a_schedule_that_ends_early_is_remarked(dashboard: AppTest) -> None:
    page = open_design(dashboard, **ADDRESS | {"strategy.frequency": "2"})
    assert "this schedule ends at a sparsity of" in page.warning[0].value.replace("\\", "")


def test_a_budget_is_part_of_the_address_and_becomes_a_setting(dashboard: AppTest) -> None:
    page = open_design(dashboard, **ADDRESS)
    page.get_by_key("design:cost").set_value("flops").run()
    page.number_input(key="design:limit").set_value(60.0).run()
    page.get_by_key("design:scope").set_value("final").run()
    assert {page.query_params[key] for key in ("cost", "limit", "scope")} == {"flops", "60.0", "final"}
    page.button(key="design:solve").click().run()
    assert "keeps to 60 %" in titles(page)[-1]
    page.button(key="design:use").click().run()
    assert not page.exception
    final = page.session_state["experiment"].strategy.final_sparsity
    assert final != SMALL.strategy.final_sparsity
    spent = Spending.of(rehearse(Federation.of(page.session_state["experiment"])), "final").flops
    assert 0.98 * 0.6 <= spent <= 0.6
    assert "within the budget" in said(page)
    assert page.button(key="design:use").disabled
    assert "keeps to 60 %" in titles(page)[-1]  # the region is still there


@pytest.mark.slow
def test_an_impossible_budget_is_refused_with_the_nearest(dashboard: AppTest) -> None:
    page = open_design(dashboard, **ADDRESS | {"cost": "bytes", "limit": "0.0001", "scope": "mean"})
    assert "over the budget" in said(page)
    page.button(key="design:solve").click().run()
    assert "Not feasible" in said(page)
    assert "cannot keep to" in said(page)
    page.button(key="design:use").click().run()
    assert page.session_state["experiment"].strategy.final_sparsity > 0.99
    assert float(page.query_params["limit"]) > 0.001
    assert "within the budget" in said(page)


@pytest.mark.slow
def test_a_method_without_a_setting_keeps_it_as_it_is_or_not(dashboard: AppTest) -> None:
    fednova = ADDRESS | {"strategy.name": "fednova", "cost": "flops"}
    fednova.pop("strategy.final_sparsity")
    page = open_design(dashboard, **fednova, limit="100")
    page.button(key="design:solve").click().run()
    assert "as it is" in said(page)
    page.number_input(key="design:limit").set_value(50.0).run()
    page.button(key="design:solve").click().run()
    assert "no setting of it changes that" in said(page)
    with pytest.raises(KeyError):
        page.button(key="design:use")


@pytest.mark.slow
@pytest.mark.parametrize(("cost", "limit"), [("flops", "many"), ("flops", "-3"), ("flops", "nan"), ("pigs", "3")])
def test_a_budget_that_cannot_be_is_none(dashboard: AppTest, cost: str, limit: str) -> None:
    page = open_design(dashboard, **ADDRESS, cost=cost, limit=limit, scope="sometimes")
    if cost == "flops":
        assert page.number_input(key="design:limit").value == 40.0
    else:
        assert page.get_by_key("design:cost").value == "none"


@pytest.mark.slow
def test_every_strategy_is_asked(dashboard: AppTest) -> None:
    page = open_design(dashboard, **ADDRESS, cost="flops", limit="50", scope="mean")
    page.button(key="design:survey").click().run(timeout=300)
    assert not page.exception
    assert "strategies can keep to" in said(page)
    table = page.dataframe[0].value
    assert {"SNIP", "FedDST"} <= set(table["strategy"])
    assert (table["keeps it"] == "yes").any()
