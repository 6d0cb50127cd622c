"""Predict, observe, explain on the page Run."""

from __future__ import annotations

import json

import pytest
from streamlit.testing.v1 import AppTest

from fedlab_core.experiment import Experiment
from fedlab_core.runs.execute import execute
from fedlab_core.runs.store import RunStore

from .conftest import SMALL
from .test_figures import open_page


def curve(page: AppTest, name: str) -> dict:
    traces = json.loads(page.get("plotly_chart")[0].proto.spec)["data"]
    return next((trace for trace in traces if trace.get("name") == name), {})


def test_a_sketch_has_three_handles_and_is_judged_by_its_end(
    dashboard: AppTest, store: RunStore, finished_run: bytes
) -> None:
    run_id = store.import_run(finished_run)
    page = open_page(dashboard, "run", run=run_id, guess="20-40-60")
    assert [page.slider(key=key).value for key in ("run:guess:0", "run:guess:1", "run:guess")] == [20, 40, 60]
    drawn = curve(page, "your prediction")
    assert drawn["x"] == [0, 0.75, 1.5, 3]
    assert drawn["y"][1:] == [0.2, 0.4, 0.6]
    assert page.info[0].value.startswith("**You predicted 60 \\%\\;")
    page.slider(key="run:guess:1").set_value(45).run()
    assert page.query_params["guess"] == "20-45-60"


def test_an_outcome_is_judged_against_the_unpruned_run(
    dashboard: AppTest, store: RunStore, finished_run: bytes
) -> None:
    run_id = store.import_run(finished_run)
    page = open_page(dashboard, "run", run=run_id)
    assert not page.info
    page.radio(key="run:outcome").set_value("fails").run()
    assert page.query_params["guess"] == "fails"
    assert "its own best round" in page.info[0].value
    dense = SMALL.replace({"strategy.name": "fedavg"})
    other = store.create(dense, machine={"processes": 1})
    execute(store, other)
    page = open_page(dashboard, "run", run=run_id, guess="fails")
    assert "the unpruned run" in page.info[0].value
    assert curve(page, "unpruned")["x"] == [0, 1, 2, 3]


@pytest.mark.slow
@pytest.mark.parametrize("guess", ["101", "50-50", "1-2-x", "-", "best", "1000"])
def test_a_prediction_that_is_none_is_left_out(
    dashboard: AppTest, store: RunStore, finished_run: bytes, guess: str
) -> None:
    page = open_page(dashboard, "run", run=store.import_run(finished_run), guess=guess)
    assert not page.info
    assert curve(page, "your prediction") == {}


def test_nothing_is_judged_before_the_end(dashboard: AppTest, store: RunStore) -> None:
    run_id = store.create(Experiment(), status="stopped")
    page = open_page(dashboard, "run", run=run_id, guess="fails")
    assert not page.info
