"""What the buttons do to the store."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from fedlab_core.experiment import Experiment
from fedlab_core.plots.style import format_bytes
from fedlab_core.runs.store import RunStore


@pytest.fixture
def page(dashboard: AppTest) -> AppTest:
    """The Run page."""
    dashboard.switch_page("views/run.py").run()
    assert not dashboard.exception
    return dashboard


def press(page: AppTest, button: str) -> None:
    page.button(key=f"button:{button}").click().run()
    assert not page.exception


def test_run_starts_a_run_and_becomes_grey(page: AppTest, store: RunStore) -> None:
    press(page, "run")
    (run,) = store.list()
    assert run.status == "queued"
    assert run.experiment == page.session_state["experiment"]
    assert page.query_params["run"] == run.run_id
    assert page.button(key="button:run").disabled


def test_two_clicks_on_run_start_one_run(store: RunStore) -> None:
    """The second one was on its way when the button became grey: its callback is still called."""
    clicks = "from app import actions, session\nsession.adopt()\nactions.start()\nactions.start()"
    assert not AppTest.from_string(clicks).run().exception
    assert len(store.list()) == 1


def test_step_starts_a_run_of_one_round(page: AppTest, store: RunStore) -> None:
    press(page, "step")
    (run,) = store.list()
    assert run.status == "queued"
    assert store.wish(run.run_id) == "step"


def test_pause_resume_step_and_stop_ask_the_store(page: AppTest, store: RunStore) -> None:
    press(page, "run")
    (run,) = store.list()
    press(page, "pause")
    assert store.wish(run.run_id) == "pause"
    store.set_status(run.run_id, "interrupted")
    page.run()
    press(page, "step")
    assert (store.get(run.run_id).status, store.wish(run.run_id)) == ("queued", "step")
    press(page, "stop")
    assert store.get(run.run_id).status == "stopped"
    page.run()
    press(page, "resume")
    assert store.get(run.run_id).status == "queued"
    assert len(store.list()) == 1


def test_a_run_of_somebody_else_is_only_watched(page: AppTest, store: RunStore) -> None:
    run_id = store.create(Experiment(), owner="somebody else")
    page.query_params["run"] = run_id
    page.run()
    assert all(page.button(key=f"button:{name}").disabled for name in ("pause", "resume", "stop"))
    assert not page.button(key="button:run").disabled


def test_what_cannot_be_run_is_refused(page: AppTest, store: RunStore) -> None:
    page.query_params["data.num_clients"] = "1000000"
    page.run()
    press(page, "run")
    assert store.list() == []
    assert any("num\\_clients" in warning.value for warning in [*page.warning, *page.error])


def test_a_fork_continues_beside_its_parent(page: AppTest, store: RunStore, finished_run: bytes) -> None:
    parent = store.import_run(finished_run)
    page.query_params.clear()
    page.query_params["run"] = parent
    page.run()
    assert not page.exception
    page.slider(key="setting:strategy.final_sparsity").set_value(0.95).run()
    page.slider(key="fork:round").set_value(2).run()
    page.button(key="fork:start").click().run()
    assert not page.exception
    child = store.list()[0]
    assert (child.parent_id, child.parent_round) == (parent, 2)
    assert child.experiment.settings()["strategy.final_sparsity"] == 0.95
    assert page.query_params["run"] == child.run_id
    spent = sum(row["upload_bytes"] for row in store.rows(parent)[:3])
    assert next(m.value for m in page.metric if m.label == "Sent up · down").startswith(f"{format_bytes(spent)} ·")


def choose(page: AppTest, store: RunStore, *rows: int) -> None:
    """Choose rows of the table of runs, which AppTest cannot click."""
    runs = store.list()
    key = f"runs:table:{len(runs)}:{runs[0].run_id}"
    page.session_state[key] = {"selection": {"rows": [*rows], "columns": [], "cells": []}}
    page.run()


@pytest.fixture
def runs_page(dashboard: AppTest, store: RunStore, finished_run: bytes) -> AppTest:
    """The Runs page with one run, chosen in the table."""
    store.import_run(finished_run)
    dashboard.switch_page("views/runs.py").run()
    choose(dashboard, store, 0)
    assert not dashboard.exception
    return dashboard


def test_a_run_is_renamed_and_deleted(runs_page: AppTest, store: RunStore) -> None:
    (run,) = store.list()
    runs_page.text_input(key=f"name:{run.run_id}").set_value("mine").run()
    runs_page.button(key="runs:rename").click().run()
    assert store.list()[0].name == "mine"
    runs_page.button(key="runs:delete").click().run()
    assert not runs_page.exception
    assert store.list() == []


def test_a_run_is_opened_with_its_settings(runs_page: AppTest, store: RunStore) -> None:
    (run,) = store.list()
    runs_page.button(key="runs:open").click().run()
    assert not runs_page.exception
    assert runs_page.session_state["experiment"] == run.experiment
    assert runs_page.query_params["run"] == run.run_id


def test_several_runs_are_compared_or_deleted(runs_page: AppTest, store: RunStore, finished_run: bytes) -> None:
    for _ in range(3):
        store.import_run(finished_run)
    ids = [run.run_id for run in store.list()]
    choose(runs_page, store, 0, 1, 7)
    runs_page.button(key="runs:compare").click().run()
    assert not runs_page.exception
    assert set(runs_page.query_params["runs"].split(",")) == {*ids[:2]}
    runs_page.switch_page("views/runs.py").run()
    choose(runs_page, store, 0, 1)
    assert all(any(run_id in text.value for text in runs_page.markdown) for run_id in ids[:2])
    store.delete(ids[0])  # in another window, a moment earlier
    runs_page.button(key="runs:delete-all").click().run()
    assert not runs_page.exception
    assert [run.run_id for run in store.list()] == ids[2:]
    assert any("there is no run" in warning.value for warning in runs_page.warning)
    assert "Choose a run" in runs_page.caption[0].value  # those that stand in their places now are not chosen


def test_a_file_is_imported_and_a_damaged_one_refused(runs_page: AppTest, store: RunStore, finished_run: bytes) -> None:
    runs_page.file_uploader(key="runs:file").upload("run.safetensors", finished_run)
    runs_page.run()
    assert not runs_page.exception
    assert len(store.list()) == 2
    runs_page.file_uploader(key="runs:file").upload("run.safetensors", finished_run[:100])
    runs_page.run()
    assert not runs_page.exception
    assert len(store.list()) == 2
    assert any("damaged" in warning.value for warning in runs_page.warning)
