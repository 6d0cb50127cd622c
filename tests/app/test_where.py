"""Where a run is computed: chosen on the Run page, part of the address, stored with the run, said where it is seen."""

from __future__ import annotations

import os

import pytest
from streamlit.testing.v1 import AppTest

from app import engine, where
from fedlab_core.runs import elsewhere
from fedlab_core.runs.info import HERE, Where
from fedlab_core.runs.store import RunError, RunStore
from fedlab_core.runs.worker import WorkerPool

from .conftest import SMALL
from .pages import said, visit

pytestmark = pytest.mark.slow

ADDRESS = SMALL.to_query()
NEEDS_FLOWER = "Flower is not installed: pip install 'fedlab_core[flower]'"


@pytest.fixture
def flower(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if Flower were installed: nothing of it is started here."""
    monkeypatch.setattr(where, "check_flower", lambda: None)


def plain(page: AppTest) -> str:
    return said(page).replace("\\", "").replace("\u200b", "")


def test_a_run_is_in_process_unless_something_else_is_chosen(dashboard: AppTest, store: RunStore) -> None:
    page = visit(dashboard, "run", **ADDRESS)
    page.button(key="button:run").click().run()
    (run,) = store.list()
    assert run.machine == {}
    assert run.where == HERE


@pytest.mark.usefixtures("flower")
def test_run_stores_the_nodes_that_were_chosen(dashboard: AppTest, store: RunStore) -> None:
    page = visit(dashboard, "run", **ADDRESS)
    page.radio(key="run:kind").set_value("flower").run()
    page.number_input(key="run:nodes").set_value(2).run()
    page.number_input(key="run:deadline").set_value(30).run()
    assert {key: page.query_params[key] for key in ("where", "nodes", "deadline")} == {
        "where": "flower",
        "nodes": "2",
        "deadline": "30",
    }
    page.button(key="button:run").click().run()
    assert not page.exception
    (run,) = store.list()
    assert run.machine == {"where": Where(nodes=2, deadline_s=30).model_dump()}
    assert run.status == "queued"
    assert "Flower on this machine, 2 nodes" in plain(page)
    assert page.button(key="button:run").disabled, "the same run, in the same place, is under way"
    page.radio(key="run:kind").set_value("here").run()
    assert not page.button(key="button:run").disabled
    assert "where" not in page.query_params


@pytest.mark.usefixtures("flower")
def test_an_address_is_typed_and_a_wrong_one_refused(dashboard: AppTest, store: RunStore) -> None:
    page = visit(dashboard, "run", **ADDRESS)
    page.radio(key="run:kind").set_value("address").run()
    assert page.query_params["where"] == where.EXAMPLE
    page.text_input(key="run:address").set_value("10.0.0.7 8000").run()
    assert not page.exception
    assert "allowed is flower, or HOST:PORT" in plain(page)
    assert page.query_params["where"] == where.EXAMPLE
    page.text_input(key="run:address").set_value("lab.example:8000").run()
    page.button(key="button:step").click().run()
    assert store.list()[0].where == Where(nodes=4, address="lab.example:8000")


@pytest.mark.usefixtures("flower")
@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"where": "http://evil/<b>"}, "where is 'http://evil/<b>'; allowed is"),
        ({"where": "x" * 3000}, "where is 'xxx"),
        ({"where": "flower", "nodes": "9"}, "nodes is '9'; allowed is a whole number from 1 to 8"),
        ({"where": "flower", "nodes": "-1"}, "nodes is '-1'"),
        ({"where": "a:1", "nodes": "65"}, "allowed is a whole number from 1 to 64"),
        ({"where": "flower", "deadline": "1e9"}, "deadline is '1e9'; allowed is a whole number from 1 to 86400"),
    ],
)
def test_what_cannot_be_falls_back_with_one_sentence(
    dashboard: AppTest, store: RunStore, asked: dict[str, str], sentence: str
) -> None:
    page = visit(dashboard, "run", **ADDRESS, **asked)
    assert len(page.warning) == 1
    assert sentence in plain(page)
    assert "Runs stay in process." in plain(page)
    assert "where" not in page.query_params
    page.button(key="button:run").click().run()
    assert store.list()[0].where == HERE


def test_without_flower_the_choice_is_grey_and_says_how_to_install_it(
    dashboard: AppTest, store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elsewhere, "find_spec", lambda name: None)
    with pytest.raises(RunError):
        elsewhere.check_flower()
    page = visit(dashboard, "run", **ADDRESS)
    assert page.radio(key="run:kind").disabled
    assert NEEDS_FLOWER in plain(page)
    assert not page.warning
    page = visit(dashboard, "run", **ADDRESS, where="flower")
    assert f"{NEEDS_FLOWER}. Runs stay in process." in plain(page)


@pytest.mark.usefixtures("flower")
def test_no_time_is_estimated_for_flower(dashboard: AppTest, store: RunStore) -> None:
    page = visit(dashboard, "design", **ADDRESS, where="flower")
    assert where.PACE in plain(page)
    assert not [metric for metric in page.metric if metric.label == "Time on this machine"]
    assert "design:time" not in [button.key for button in page.button]


@pytest.mark.parametrize(
    ("address", "words"),
    [("", "Starting the SuperLink and 3 nodes"), ("h:1", "Handing the run to the SuperLink at h:1 and waiting for 3")],
)
def test_the_page_says_that_processes_start(
    dashboard: AppTest, store: RunStore, monkeypatch: pytest.MonkeyPatch, address: str, words: str
) -> None:
    at = Where(nodes=3, address=address)
    run_id = store.create(SMALL, status="interrupted", machine={"where": at.model_dump()})
    store.claim(run_id)
    assert words in progress(visit(dashboard, "run", run=run_id))
    store.leave(run_id, "interrupted")
    assert progress(visit(dashboard, "run", run=run_id)) == ""


def test_a_run_that_goes_on_starts_its_processes_again(
    dashboard: AppTest, store: RunStore, finished_run: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = store.import_run(finished_run)
    store.set_status(run_id, "interrupted")
    store.set_where(run_id, Where(nodes=3))
    store.claim(run_id)
    assert progress(visit(dashboard, "run", run=run_id)) == "Round 4 is at 3 nodes …"
    workers = WorkerPool(store.path, workers=0)
    monkeypatch.setattr(WorkerPool, "pids", {os.getpid()})  # the worker has it, the server app not yet
    monkeypatch.setattr(engine, "pool", lambda: workers)
    assert "Starting the SuperLink" in progress(visit(dashboard, "run", run=run_id))


def progress(page: AppTest) -> str:
    (bar,) = page.get("progress")
    return bar.proto.text.replace("\\", "")


def test_runs_and_its_facts_say_where(dashboard: AppTest, store: RunStore, finished_run: bytes) -> None:
    run_id = store.import_run(finished_run)
    page = visit(dashboard, "runs")
    assert "where" not in page.dataframe[0].value.columns
    store.set_where(run_id, Where(nodes=3))
    page.run()
    assert list(page.dataframe[0].value["where"]) == ["Flower on this machine, 3 nodes"]
