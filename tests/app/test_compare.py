"""The page Compare: curves over each other, groups of seeds, costs to a target, what differs."""

from __future__ import annotations

import sqlite3

import pytest
from streamlit.testing.v1 import AppTest

from fedlab_core.runs.execute import execute
from fedlab_core.runs.store import RunStore

from .conftest import SMALL
from .pages import said, visit


@pytest.fixture
def runs(store: RunStore, finished_run: bytes) -> list[str]:
    """The same settings with two seeds, and FedAvg."""
    ids = [store.import_run(finished_run)]
    for changes in ({"federation.seed": 1}, {"strategy.name": "fedavg"}):
        ids.append(store.create(SMALL.replace(changes), name=f"run {len(ids)}"))
        execute(store, ids[-1])
    return ids


def test_one_run_is_too_few(dashboard: AppTest, store: RunStore, finished_run: bytes) -> None:
    store.import_run(finished_run)
    assert "Two runs are needed" in said(visit(dashboard, "compare"))


def test_runs_that_differ_in_seeds_are_one_line_with_a_band(dashboard: AppTest, runs: list[str]) -> None:
    page = visit(dashboard, "compare")
    assert "Choose runs above" in said(page)
    page.multiselect(key="compare:runs").set_value(runs).run()
    assert not page.exception
    assert page.query_params["runs"] == ",".join(runs)
    table = page.dataframe[0].value
    assert list(table["seeds"]) == [2, 1]
    assert list(table["run"]) == ["FedSparsify-Global (2 seeds)", "run 2"]
    assert table["against the baseline"][0] == "baseline"
    assert table["lowest"][0] <= table["accuracy"][0] <= table["highest"][0]
    assert table["MB"][1] > table["MB"][0]
    assert "toself" in page.get("plotly_chart")[0].proto.spec
    settings = page.dataframe[1].value
    assert "strategy.name" in list(settings["setting"])
    assert "federation.seed" not in list(settings["setting"])
    page.selectbox(key="compare:base").select_index(1).run()
    assert page.dataframe[0].value["against the baseline"][1] == "baseline"
    assert page.query_params["base"] == "1"


def test_every_axis_and_target(dashboard: AppTest, runs: list[str]) -> None:
    page = visit(dashboard, "compare", runs=",".join(runs))
    for x in ("megabytes", "flops", "round"):
        page.get_by_key("compare:x").set_value(x).run()
        assert not page.exception
        assert page.query_params["x"] == x
    page.slider(key="compare:target").set_value(1).run()
    assert list(page.dataframe[0].value["reached by"]) == ["2/2", "1/1"]
    page.slider(key="compare:target").set_value(100).run()
    assert list(page.dataframe[0].value["reached by"]) == ["0/2", "0/1"]


def test_years_and_percent_are_not_mixed(dashboard: AppTest, store: RunStore, runs: list[str]) -> None:
    with sqlite3.connect(store.path) as connection:  # as if it were a regression
        connection.execute(
            "UPDATE rounds SET row = json_set(row, '$.test_mae', 5.0, '$.test_accuracy', NULL) WHERE run_id = ?",
            (runs[2],),
        )
    connection.close()
    page = visit(dashboard, "compare", runs=",".join(runs))
    assert "Years and percent share no axis" in said(page)
    assert len(page.dataframe[0].value) == 1
    page.selectbox(key="compare:base").select_index(1).run()
    assert not page.exception


def test_gone_and_damaged_runs_are_said(dashboard: AppTest, store: RunStore, runs: list[str]) -> None:
    with sqlite3.connect(store.path) as connection:
        connection.execute("UPDATE rounds SET row = '{' WHERE round = 0 AND run_id = ?", (runs[1],))
    connection.close()
    page = visit(dashboard, "compare", runs=",".join([*runs, "nobody"]), base="7")
    assert "Not here" in said(page)
    assert "cannot be shown" in said(page)
    assert list(page.dataframe[0].value["seeds"]) == [1, 1]
