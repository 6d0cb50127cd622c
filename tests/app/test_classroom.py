"""Large type, hidden parts and windows that only watch; the lesson plan."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from app import session
from app.demos import DEMOS
from fedlab_core.lab import Federation
from fedlab_core.runs.store import RunStore
from tests.app.test_pages import said, visit


def keys(page: AppTest) -> set[str]:
    """Of all widgets of settings and buttons that are drawn."""
    kinds = ("slider", "select_slider", "selectbox", "number_input", "button", "toggle")
    return {element.key for kind in kinds for element in page.get(kind) if element.key}


def test_parts_are_hidden_by_their_names(dashboard: AppTest, store: RunStore) -> None:
    assert {"setting:data.alpha", "setting:strategy.name", "button:run"} <= keys(visit(dashboard, "run"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hide", "gone", "there"),
    [
        ("data.alpha", {"setting:data.alpha"}, {"setting:data.dataset", "button:run"}),
        ("data", {"setting:data.alpha", "setting:data.dataset"}, {"setting:strategy.name"}),
        ("strategy", {"setting:strategy.name", "setting:strategy.final_sparsity"}, {"setting:data.alpha"}),
        ("controls", {"setting:strategy.name", "setting:data.alpha"}, {"button:run"}),
        ("buttons", {"button:run", "button:stop"}, {"setting:data.alpha"}),
        ("nothing, ,", set(), {"setting:data.alpha", "button:run"}),
    ],
)
def test_what_is_hidden(dashboard: AppTest, store: RunStore, hide: str, gone: set[str], there: set[str]) -> None:
    found = keys(visit(dashboard, "run", hide=hide))
    assert not gone & found
    assert there <= found


def test_hidden_pages_are_in_no_menu(dashboard: AppTest, store: RunStore) -> None:
    def linked(page: AppTest) -> list[str]:
        return [link.proto.label for link in page.get("page_link")]

    before = linked(visit(dashboard, "data"))
    assert "Masks" in before
    dashboard.query_params["hide"] = "masks"
    assert linked(dashboard.run()) == [name for name in before if name != "Masks"]
    del dashboard.query_params["hide"]
    dashboard.query_params["watch"] = "1"
    assert linked(dashboard.run()) == before, "who watches sees every page"


def test_large_type(dashboard: AppTest, store: RunStore) -> None:
    page = visit(dashboard, "data", large="1")
    assert any("font-size: 135%" in element.proto.body for element in page.get("html"))


def test_who_watches_changes_nothing(dashboard: AppTest, store: RunStore, finished_run: bytes) -> None:
    run_id = store.import_run(finished_run)
    page = visit(dashboard, "run", run=run_id, watch="1")
    assert "only watches" in said(page)
    assert not {"button:run", "setting:data.alpha"} & keys(page)
    page = visit(dashboard, "runs", run=run_id, watch="1")
    assert len(store.list()) == 1


def test_an_action_is_refused_where_one_only_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    done = []
    state = {"view": {"watch": "1"}, "complaints": [], "experiment": session.START, "address": {}}
    monkeypatch.setattr(session.st, "session_state", state)
    monkeypatch.setattr(session, "publish", lambda: None)
    act = session.action(lambda: done.append(1))
    act()
    assert done == []
    assert "only watches" in state["complaints"][0]
    state["view"] = {}
    act()
    assert done == [1]


def test_the_lesson_plan_links_every_step(dashboard: AppTest, store: RunStore) -> None:
    page = visit(dashboard, "lesson")
    assert [expander.label for expander in page.expander] == [f"{n}. {demo.title}" for n, demo in enumerate(DEMOS, 1)]
    links = [link.proto.label for link in page.get("page_link")]
    for demo in DEMOS:
        for number, step in enumerate(demo.steps, start=1):
            assert f":primary[{number}. Open **{step.page.capitalize()}**]" in links


@pytest.mark.parametrize("demo", DEMOS, ids=lambda demo: demo.name)
def test_what_a_demonstration_runs_can_be_run(demo) -> None:
    experiments = [step.experiment for step in demo.steps if step.experiment]
    assert experiments
    assert any(step.runs for step in demo.steps)
    for experiment in experiments:
        Federation.of(experiment)


def test_the_menu_gives_a_link_for_spectators(dashboard: AppTest, store: RunStore) -> None:
    assert not visit(dashboard, "run").code
    dashboard.session_state["present"] = True
    page = visit(dashboard, "run", hide="masks")
    (code,) = page.code
    assert "watch=1" in code.value
    assert "hide=masks" in code.value
    page.toggle(key="present:large").set_value(True).run()
    assert page.query_params["large"] == "1"
    page.multiselect(key="present:hide").set_value(["masks", "controls"]).run()
    assert set(page.query_params["hide"].split(",")) == {"masks", "controls"}
