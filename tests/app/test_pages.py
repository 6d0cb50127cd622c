"""What is particular to single pages; what holds for all of them is in test_every_page."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import engine
from app.session import START
from fedlab_core.data.datasets import DataError
from fedlab_core.experiment import Experiment
from fedlab_core.lab import Federation
from fedlab_core.runs.execute import execute, fork
from fedlab_core.runs.recipes import recipe
from fedlab_core.runs.store import RunStore

from .pages import charts, said, visit


def test_masks_of_every_round_layer_and_view(dashboard: AppTest, store: RunStore, finished_run: bytes) -> None:
    page = visit(dashboard, "masks", run=store.import_run(finished_run))
    page.selectbox(key="masks:layer").select_index(0).run()
    for view in ("change", "magnitude", "mask"):
        page.get_by_key("masks:view").set_value(view).run()
        assert not page.exception
        assert page.query_params["view"] == view
    page.select_slider(key="masks:round").set_value(0).run()
    assert not page.exception
    assert page.query_params["round"] == "0"
    page.toggle(key="masks:play").set_value(True).run()
    assert not page.exception
    assert page.session_state["view"]["round"] == "1"


def test_masks_of_a_run_with_gates_show_which_channels_are_open(dashboard: AppTest, store: RunStore) -> None:
    settings = {"federation.rounds": 1, "federation.local_epochs": 1, "data.num_clients": 3}
    run_id = store.create(recipe("dynamic-gate-digits").replace(settings))
    execute(store, run_id)
    page = visit(dashboard, "masks", run=run_id)
    assert charts(page) == 7
    assert not page.exception
    page.selectbox(key="masks:gate").select_index(1).run()
    assert not page.exception


@pytest.mark.slow
def test_masks_of_a_run_with_sub_networks_show_them(dashboard: AppTest, store: RunStore) -> None:
    settings = {
        "federation.rounds": 2,
        "federation.local_epochs": 1,
        "data.num_clients": 3,
        "strategy.prune_after": 0.5,
    }
    run_id = store.create(recipe("dwnp-digits").replace(settings))
    execute(store, run_id)
    page = visit(dashboard, "masks", run=run_id)
    assert charts(page) == 7
    page.selectbox(key="masks:device-layer").select_index(1).run()
    assert not page.exception


def test_masks_of_a_run_with_votes_show_them(dashboard: AppTest, store: RunStore) -> None:
    settings = {"federation.rounds": 2, "federation.local_epochs": 1, "data.num_clients": 3}
    run_id = store.create(recipe("fedsparsify-local-digits").replace(settings))
    execute(store, run_id)
    page = visit(dashboard, "masks", run=run_id)
    assert charts(page) == 6
    page.selectbox(key="masks:vote-layer").select_index(1).run()
    assert not page.exception
    page.select_slider(key="masks:round").set_value(0).run()  # nobody has voted
    assert charts(page) == 5


@pytest.mark.slow
def test_where_a_fork_begins_there_is_no_vote_and_nobody_has_taken_part(dashboard: AppTest, store: RunStore) -> None:
    settings = {"federation.rounds": 2, "federation.local_epochs": 1, "data.num_clients": 3}
    parent = store.create(recipe("fedsparsify-local-digits").replace(settings))
    execute(store, parent)
    child = fork(store, parent, 1, {"federation.rounds": 3}, status="interrupted")
    page = visit(dashboard, "masks", run=child)
    assert not page.exception
    assert charts(page) == 5
    page = visit(dashboard, "clients", run=child)
    assert not page.exception
    assert "In 1 round every client" in page.get("plotly_chart")[2].proto.spec


def test_clients_of_a_run(dashboard: AppTest, store: RunStore, finished_run: bytes) -> None:
    page = visit(dashboard, "clients", run=store.import_run(finished_run))
    assert not page.exception
    assert charts(page) == 3
    page.get_by_key("clients:order").set_value("by number").run()
    assert not page.exception


@pytest.mark.slow
def test_clients_with_sub_networks_say_how_much_each_keeps(dashboard: AppTest, store: RunStore) -> None:
    settings = {"federation.rounds": 2, "federation.local_epochs": 1, "data.num_clients": 3}
    run_id = store.create(recipe("dwnp-digits").replace(settings | {"strategy.prune_after": 0.5}))
    execute(store, run_id)
    page = visit(dashboard, "clients", run=run_id)
    assert "of the FLOPs" in page.caption[0].value


def test_open_channels_without_the_data_are_explained(
    dashboard: AppTest, store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"federation.rounds": 1, "federation.local_epochs": 1, "data.num_clients": 3}
    run_id = store.create(recipe("dynamic-gate-digits").replace(settings))
    execute(store, run_id)

    def gone(experiment: Experiment) -> Federation:
        raise DataError("there is no folder")

    monkeypatch.setattr(engine, "lab", gone)
    page = visit(dashboard, "masks", run=run_id)
    assert not page.exception
    assert "there is no folder" in page.error[0].value


def test_a_prediction_is_drawn_beside_the_run(dashboard: AppTest, store: RunStore, finished_run: bytes) -> None:
    page = visit(dashboard, "run", run=store.import_run(finished_run))
    page.slider(key="run:guess").set_value(73).run()
    assert not page.exception
    assert page.query_params["guess"] == "50-50-73"
    assert "your prediction" in page.get("plotly_chart")[0].proto.spec
    page.button(key="run:forget").click().run()
    assert "guess" not in page.query_params
    assert "your prediction" not in page.get("plotly_chart")[0].proto.spec


def test_data_that_cannot_be_split_is_explained(dashboard: AppTest) -> None:
    page = visit(dashboard, "data", **{"data.num_clients": "1000000"})
    assert "This split cannot be" in said(page)
    assert charts(page) == 0


def test_data_that_is_not_there_is_explained(
    dashboard: AppTest, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setenv("FEDLAB_DATA", str(tmp_path))
    page = visit(dashboard, "data", **{"data.dataset": "mnist"})
    assert "FEDLAB\\_DATA" in said(page)


def test_a_preset_card_opens_the_run_page(dashboard: AppTest) -> None:
    page = visit(dashboard, "home")
    page.button(key="preset:two-labels-digits").click().run()
    assert not page.exception
    assert page.session_state["experiment"] == recipe("two-labels-digits")
    assert page.query_params["data.partition"] == "shards"
    assert page.button(key="button:run")


def test_the_first_page_is_the_first_preset(dashboard: AppTest) -> None:
    page = visit(dashboard, "run")
    assert page.session_state["experiment"] == START
    assert page.selectbox(key="preset").value == "fedsparsify-digits"
    assert dict(page.query_params) == {}


def test_a_store_that_is_none_is_explained(dashboard: AppTest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear Sir or Madam, " * 100)
    monkeypatch.setenv("FEDLAB_STORE", str(tmp_path / "letter.txt"))
    monkeypatch.setattr(engine, "pool", engine.store)
    dashboard.run()
    assert not dashboard.exception
    assert "letter" in dashboard.error[0].value
