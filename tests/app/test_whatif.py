"""The page What-if: forks by one slider, and sweeps that are designed, started, watched, stopped and deleted."""

from __future__ import annotations

import sqlite3

import pytest
from streamlit.testing.v1 import AppTest

from app import engine
from fedlab_core.runs.estimate import Pace
from fedlab_core.runs.execute import execute
from fedlab_core.runs.grid import Grid
from fedlab_core.runs.store import RunStore

from .conftest import SMALL
from .pages import said, visit

ADDRESS = {key: str(value) for key, value in SMALL.to_query().items()} | {"part": "sweep"}
AXES = "strategy.final_sparsity=0.5,0.9;data.alpha=0.5,1;federation.seed=0,1"


@pytest.fixture(autouse=True)
def known_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is measured: a round takes a tenth of a second."""
    monkeypatch.setattr(engine, "pace", lambda experiment: Pace(0.1, 0.1))


def figure(page: AppTest, place: int = 0) -> str:
    return str(page.get("plotly_chart")[place].proto.spec)


def start(page: AppTest) -> None:
    page.button(key="sweep:start").click().run()
    assert not page.exception, page.exception


def test_without_a_run_there_is_nothing_to_fork(dashboard: AppTest) -> None:
    assert "Nothing to fork yet" in said(visit(dashboard, "whatif"))


def test_a_fork_by_one_slider_is_drawn_beside_its_parent(
    dashboard: AppTest, store: RunStore, finished_run: bytes
) -> None:
    parent = store.import_run(finished_run)
    page = visit(dashboard, "whatif", run=parent, round="1")
    assert page.slider(key="fork:round").value == 1
    page.slider(key="fork:to").set_value(95).run()
    assert page.query_params["to"] == "95"
    page.button(key="fork:quick").click().run()
    assert not page.exception
    child = store.list()[0]
    assert (child.parent_id, child.parent_round) == (parent, 1)
    assert child.experiment == store.get(parent).experiment.replace({"strategy.final_sparsity": 0.95})
    assert page.query_params["run"] == child.run_id
    assert "its parent" in figure(page)


def test_a_dense_run_is_pruned_from_a_round_on(dashboard: AppTest, store: RunStore) -> None:
    parent = store.create(SMALL.replace({"strategy.name": "fedavg", "federation.rounds": 2}))
    execute(store, parent)
    page = visit(dashboard, "whatif", run=parent, to="90", round="1")
    page.button(key="fork:quick").click().run()
    assert not page.exception
    child = store.list()[0].experiment
    assert (child.strategy.name, child.settings()["strategy.final_sparsity"]) == ("fedsparsify-global", 0.9)


def test_a_sweep_is_started_once_and_waits_in_the_queue(dashboard: AppTest, store: RunStore) -> None:
    page = visit(dashboard, "whatif", **ADDRESS, axes=AXES)
    assert "8 runs of 3 rounds in 1 process" in said(page)
    start(page)
    start(page)
    (sweep,) = store.sweeps()
    runs = store.list(sweep.sweep_id)
    assert [run.status for run in runs] == ["queued"] * 8
    assert {run.experiment.data.alpha for run in runs} == {0.5, 1.0}
    assert page.query_params["sweep"] == sweep.sweep_id
    assert len({run.owner for run in runs}) == 1 != runs[0].owner
    page.button(key="sweep:stop").click().run()
    assert {run.status for run in store.list(sweep.sweep_id)} == {"stopped"}
    page.run()
    page.button(key="sweep:resume").click().run()
    assert {run.status for run in store.list(sweep.sweep_id)} == {"queued"}
    store.stop_sweep(sweep.sweep_id)
    page.run()
    page.button(key="sweep:delete").click().run()
    assert not page.exception
    assert store.sweeps() == store.list() == []
    assert "sweep" not in page.query_params


def test_cells_are_drawn_from_the_first_finished_one_on(dashboard: AppTest, store: RunStore) -> None:
    grid = Grid.of(SMALL, {"strategy.name": ["fedavg", "random"], "strategy.final_sparsity": [0.5, 0.9]})
    sweep_id = store.create_sweep(grid, name="two methods")
    store.queue_sweep(sweep_id)
    page = visit(dashboard, "whatif", **ADDRESS, sweep=sweep_id)
    assert "No cell has finished yet" in figure(page)
    for _ in range(2):
        execute(store, next(run.run_id for run in reversed(store.list(sweep_id)) if run.status == "queued"))
    page.run()
    assert "lie on the front" in figure(page) or "lies on the front" in figure(page)
    table = page.dataframe[0].value
    assert list(table["status"]) == ["finished", "finished", "waiting"]
    for x in ("megabytes", "flops", "round"):
        page.get_by_key("sweep:x").set_value(x).run()
        assert not page.exception
    page.slider(key="sweep:target").set_value(100).run()
    assert "2 runs never reached 100 %" in said(page)


def test_choices_are_in_the_address(dashboard: AppTest) -> None:
    page = visit(dashboard, "whatif", **ADDRESS)
    page.multiselect(key="sweep:strategy.name").set_value(["fedavg", "dynamic-gate", "random"]).run()
    page.slider(key="sweep:seeds").set_value(3).run()
    assert not page.exception
    assert page.query_params["axes"].startswith("strategy.name=fedavg,dynamic-gate,random;strategy.final_sparsity=")
    assert page.query_params["axes"].endswith(";federation.seed=0,1,2")
    page.multiselect(key="sweep:strategy.ratio").set_value(["0.5"]).run()
    page.multiselect(key="sweep:strategy.name").set_value(["random"]).run()
    assert not page.exception
    assert "strategy.ratio" not in page.query_params["axes"]


@pytest.mark.parametrize(
    ("axes", "words"),
    [
        ("strategy.final_sparsity=0.5,95", "final\\_sparsity is '95'"),
        ("data.num_clients=4,1000000", "num\\_clients"),
        (f"federation.seed={','.join(map(str, range(300)))}", "300 runs; allowed are at most 200"),
        (f"federation.seed={','.join(map(str, range(999)))}", "999 combinations"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(dashboard: AppTest, store: RunStore, axes: str, words: str) -> None:
    page = visit(dashboard, "whatif", **ADDRESS, axes=axes)
    starts = [button for button in page.button if button.key == "sweep:start"]
    if starts:
        start(page)
    assert words in said(page).replace("\\=", "=").replace("\\;", ";").replace("\\'", "'")
    assert store.sweeps() == []


def test_an_address_that_says_nothing_is_said_and_the_default_is_asked(dashboard: AppTest) -> None:
    page = visit(dashboard, "whatif", **ADDRESS, axes="pigeons")
    assert "KEY\\=VALUE" in said(page)
    assert "6 runs of 3 rounds" in said(page)


def test_above_the_time_cap_nothing_starts(dashboard: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "pace", lambda experiment: Pace(0.0, 60.0))
    page = visit(dashboard, "whatif", **ADDRESS, axes=AXES, cap="5")
    assert page.button(key="sweep:start").disabled
    assert "more than the cap of 5 min" in said(page)
    assert "1 seed instead of 2" in said(page)
    page.number_input(key="sweep:cap").set_value(100).run()
    assert not page.button(key="sweep:start").disabled
    assert page.query_params["cap"] == "100"


def test_a_sweep_of_somebody_else_is_only_watched(dashboard: AppTest, store: RunStore) -> None:
    sweep_id = store.create_sweep(Grid.of(SMALL, {"federation.seed": [0]}), name="theirs", owner="somebody else")
    store.queue_sweep(sweep_id)
    page = visit(dashboard, "whatif", **ADDRESS, sweep=sweep_id)
    assert page.button(key="sweep:stop").disabled
    assert "started in another browser" in said(page)


def test_a_deleted_or_damaged_sweep_is_said(dashboard: AppTest, store: RunStore) -> None:
    sweep_id = store.create_sweep(Grid.of(SMALL.replace({"federation.rounds": 1}), {"federation.seed": [0]}))
    store.queue_sweep(sweep_id)
    (run,) = store.list(sweep_id)
    execute(store, run.run_id)
    with sqlite3.connect(store.path) as connection:
        connection.execute("UPDATE rounds SET row = '{' WHERE round = 0")
    connection.close()
    assert "cannot be shown" in said(visit(dashboard, "whatif", **ADDRESS, sweep=sweep_id))
    store.delete_sweep(sweep_id)
    dashboard.run()
    assert not dashboard.exception
