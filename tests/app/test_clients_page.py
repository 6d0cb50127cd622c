"""The page Clients: the worst by name, what is mistaken, and how clients pull apart, computed again when asked for."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from fedlab_core.experiment import Experiment
from fedlab_core.runs.execute import execute, fork
from fedlab_core.runs.recipes import recipe
from fedlab_core.runs.store import RunStore

from .test_figures import open_page, titles

TINY = {
    "model.name": "mlp",
    "data.num_clients": 3,
    "federation.rounds": 3,
    "federation.local_epochs": 1,
    "federation.batch_size": 64,
}


def finished(store: RunStore, **changes: object) -> str:
    run_id = store.create(Experiment().replace(TINY | changes), machine={"processes": 1})
    execute(store, run_id)
    return run_id


def said(page: AppTest) -> str:
    return " ".join(caption.value for caption in page.caption)


def test_the_worst_are_named_and_a_client_can_be_chosen(dashboard: AppTest, store: RunStore) -> None:
    page = open_page(dashboard, "clients", run=finished(store))
    assert any(text.value.startswith("**Worst 10 %**: client ") for text in page.markdown)
    assert titles(page)[1].startswith("All clients: ")
    page.selectbox(key="clients:client").set_value(1).run()
    assert not page.exception
    assert page.query_params["client"] == "1"
    assert titles(page)[1].startswith("Client 1: ")


def test_updates_are_computed_again_and_come_out_as_stored(dashboard: AppTest, store: RunStore) -> None:
    page = open_page(dashboard, "clients", run=finished(store, **{"strategy.name": "fedsparsify-local"}))
    assert len(titles(page)) == 3
    page.button(key="clients:again:3").click().run()
    assert not page.exception
    assert page.query_params["drift"] == "3"
    assert titles(page)[3].startswith("In round 3 an update has cosine ")
    assert "9 updates of rounds 1 to 3" in titles(page)[4]
    assert "bit by bit" in said(page)


@pytest.mark.slow
@pytest.mark.parametrize("wanted", ["2", "99", "x"])
def test_a_wish_that_cannot_be_is_left_out(dashboard: AppTest, store: RunStore, wanted: str) -> None:
    page = open_page(dashboard, "clients", run=finished(store), drift=wanted, client="77")
    assert len(titles(page)) == 3
    assert titles(page)[1].startswith("All clients: ")


@pytest.mark.slow
def test_where_a_fork_begins_no_update_has_been_sent(dashboard: AppTest, store: RunStore) -> None:
    child = fork(store, finished(store), 2, {"strategy.name": "fedprox"}, status="interrupted")
    page = open_page(dashboard, "clients", run=child, drift="1")
    assert "No client has sent an update yet" in said(page)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dwnp-digits", "dynamic-gate-digits"])
def test_clients_with_networks_of_their_own(dashboard: AppTest, store: RunStore, name: str) -> None:
    settings = {**TINY, "federation.rounds": 2, "model.name": "cnn_small"}
    run_id = store.create(recipe(name).replace(settings), machine={"processes": 1})
    execute(store, run_id)
    page = open_page(dashboard, "clients", run=run_id, drift="1")
    assert titles(page)[3].startswith("In round 2 an update has cosine ")


@pytest.mark.slow
def test_errors_in_years_are_drawn_against_age(dashboard: AppTest, store: RunStore) -> None:
    changes = {"data.dataset": "brains", "data.partition": "ranges", "federation.learning_rate": 1e-4}
    page = open_page(dashboard, "clients", run=finished(store, **changes))
    assert "guesses are off by" in titles(page)[1]
    assert any("years on" in text.value for text in page.markdown)
