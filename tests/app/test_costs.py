"""The page Costs: of the settings, of runs of every kind, and of runs that are damaged."""

from __future__ import annotations

import json
import sqlite3

import pytest
from streamlit.testing.v1 import AppTest

from app import background, bills
from app.background import Desk
from fedlab_core.costs.target import costs_to_target
from fedlab_core.plots.style import format_bytes
from fedlab_core.runs.execute import execute
from fedlab_core.runs.recipes import recipe
from fedlab_core.runs.store import RunStore
from fedlab_core.speed import Quartiles
from tests.app.conftest import SMALL
from tests.app.test_design import AtOnce, said, titles


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = Desk()
    monkeypatch.setattr(background, "desk", lambda: fresh)
    monkeypatch.setattr(background, "lane", lambda name: AtOnce())


def open_costs(dashboard: AppTest, **query: str) -> AppTest:
    dashboard.query_params.update(query)
    dashboard.switch_page("views/costs.py").run()
    assert not dashboard.exception, dashboard.exception
    return dashboard


def test_without_runs_the_settings_are_shown(dashboard: AppTest) -> None:
    page = open_costs(dashboard, **SMALL.to_query())
    assert "No run yet" in said(page)
    assert "of a rehearsal" in said(page)
    encodings, sweep, flops, latency = titles(page)
    assert "At 80 % sparsity" in encodings
    assert "99 % sparsity" in sweep
    assert "slimmed network 100 %" in flops
    assert "No time has been measured yet" in latency
    assert "no faster network is to be expected" in said(page)


@pytest.mark.slow
def test_settings_that_cannot_be_are_a_sentence(dashboard: AppTest) -> None:
    page = open_costs(dashboard, **{"data.num_clients": "100000"})
    assert "cannot be shown" in said(page)


def test_a_run_and_what_its_target_took(dashboard: AppTest, store: RunStore, finished_run: bytes) -> None:
    run_id = store.import_run(finished_run)
    page = open_costs(dashboard, run=run_id)
    page.slider(key="costs:target").set_value(20).run()
    assert page.query_params["target"] == "20"
    took = costs_to_target(store.rows(run_id), 0.2)
    assert took is not None
    assert format_bytes(took.bytes) in said(page)
    assert "No finished run of FedAvg" in said(page)
    page.slider(key="costs:target").set_value(100).run()
    assert "never reaches" in said(page)
    assert "file " in page.code[0].value


@pytest.mark.slow
def test_the_dense_reference_stands_beside_it(dashboard: AppTest, store: RunStore, finished_run: bytes) -> None:
    run_id = store.import_run(finished_run)
    execute(store, store.create(SMALL.replace({"strategy.name": "fedavg"})))
    page = open_costs(dashboard, run=run_id, target="20")
    assert list(page.dataframe[0].value["run"]) == ["this run", "dense reference (FedAvg)"]
    assert "of the dense run's bytes" in titles(page)[-1]


@pytest.mark.slow
def test_the_sweep_follows_the_structure_and_the_masks(
    dashboard: AppTest, store: RunStore, finished_run: bytes
) -> None:
    page = open_costs(dashboard, run=store.import_run(finished_run))
    before = titles(page)[1]
    page.get_by_key("costs:structure").set_value("whole units").run()
    assert page.query_params["structure"] == "whole units"
    page.toggle(key="costs:alone").set_value(True).run()
    assert not page.exception
    assert "saying which weights are kept" in titles(page)[1] != before


@pytest.mark.slow
def test_times_are_measured_on_a_button(
    dashboard: AppTest, store: RunStore, finished_run: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = {"dense": 1.0, "masked": 1.0, "slimmed": 0.5}
    quick = {name: Quartiles(0.9 * ms, ms, 1.1 * ms) for name, ms in measured.items()}
    monkeypatch.setattr(bills, "measure_networks", lambda federation, server, on_turn: on_turn() or quick)
    page = open_costs(dashboard, run=store.import_run(finished_run))
    page.button(key="costs:measure").click().run()
    assert "Dense 1 ms, masked 1 ms, slimmed 0.5 ms" in titles(page)[3]
    assert "(1 ms, dense 1 ms)" in said(page)


@pytest.mark.slow
def test_onnx_is_written_on_a_button(dashboard: AppTest, store: RunStore, finished_run: bytes) -> None:
    pytest.importorskip("onnxscript")
    page = open_costs(dashboard, run=store.import_run(finished_run))
    page.button(key="costs:onnx").click().run(timeout=120)
    assert not page.exception
    assert any("ONNX" in button.proto.label for button in page.get("download_button"))


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["blobs", "rows"])
def test_a_damaged_run_is_a_sentence(dashboard: AppTest, store: RunStore, finished_run: bytes, damage: str) -> None:
    run_id = store.import_run(finished_run)
    change = {"blobs": "UPDATE blobs SET bytes = x'00'", "rows": "UPDATE rounds SET row = '{' WHERE round = 1"}
    with sqlite3.connect(store.path) as connection:
        connection.execute(change[damage])
    connection.close()
    assert "cannot be shown" in said(open_costs(dashboard, run=run_id))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dynamic-gate-digits", "fednova-digits", "fedsparsify-brains"])
def test_runs_of_every_kind(dashboard: AppTest, store: RunStore, name: str) -> None:
    small = {"federation.rounds": 1, "federation.local_epochs": 1, "data.num_clients": 3}
    run_id = store.create(recipe(name).replace(small))
    execute(store, run_id)
    page = open_costs(dashboard, run=run_id)
    assert len(titles(page)) == 4
    assert json.dumps(titles(page))
