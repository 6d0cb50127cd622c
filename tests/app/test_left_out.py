"""Dropped clients and skipped rounds on the pages; what a node says is plain text there."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pytest
from streamlit.testing.v1 import AppTest

from fedlab_core.clients import Download, Lost, Report, client_side
from fedlab_core.lab import Federation
from fedlab_core.rounds import run_round
from fedlab_core.runs.execute import execute_claimed
from fedlab_core.runs.store import RunStore
from fedlab_core.types import RoundContext

from .conftest import SMALL
from .pages import said, visit
from .test_figures import titles

pytestmark = pytest.mark.slow

EVIL = "<b>evil</b> [link](http://x.example) `code`"


def forgetful(
    federation: Federation, downloads: Sequence[Download], ctx: RoundContext, *rest: object
) -> list[Report | Lost]:
    """In round 2 client 1 is gone, in round 3 everybody is."""
    answers: list[Report | Lost] = [*client_side(federation, downloads, ctx)]
    lost = [(ctx.round == 2 and one.client_id == 1) or ctx.round == 3 for one in downloads]
    return [Lost(EVIL) if gone else answer for gone, answer in zip(lost, answers, strict=True)]


@pytest.fixture(scope="session")
def lossy_run(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A run of `SMALL` with one dropped client in round 2 and a skipped round 3, as a file."""
    with RunStore(tmp_path_factory.mktemp("lossy") / "runs.sqlite") as store:
        run_id = store.create(SMALL, machine={"processes": 1})
        store.claim(run_id)
        execute_claimed(store, run_id, one_round=partial(run_round, run_clients=forgetful))
        return store.export(run_id)


@pytest.fixture
def run_id(store: RunStore, lossy_run: bytes) -> str:
    return store.import_run(lossy_run)


def plain(page: AppTest) -> str:
    return said(page).replace("\\", "").replace("\u200b", "")


def test_the_run_page_counts_and_names_them(dashboard: AppTest, run_id: str) -> None:
    dashboard.session_state["live:log"] = True
    page = visit(dashboard, "run", run=run_id)
    assert "5 updates were dropped in 2 rounds, 1 round was skipped; the round log names them" in plain(page)
    notes = list(page.dataframe[0].value["left out"])
    reason = " ".join(EVIL.split())
    assert notes[0] == f"skipped, the model stayed as it was; dropped: clients 0, 1, 2, 3 ({reason})"
    assert notes[1:] == [f"dropped: client 1 ({reason})", "", ""]


def test_the_log_of_a_whole_run_has_no_such_column(dashboard: AppTest, store: RunStore, finished_run: bytes) -> None:
    dashboard.session_state["live:log"] = True
    page = visit(dashboard, "run", run=store.import_run(finished_run))
    assert "left out" not in page.dataframe[0].value.columns
    assert "dropped" not in plain(page)


def test_the_clients_page_says_who_when_and_why(dashboard: AppTest, store: RunStore, run_id: str) -> None:
    page = visit(dashboard, "clients", run=run_id)
    assert titles(page)[2].endswith("1 to 2; 0 of 4 never; 5 updates were dropped")
    table = page.dataframe[0].value
    assert list(table["client"]) == [1, 0, 1, 2, 3]
    assert set(table["why"]) == {EVIL}
    assert store.took_part(run_id) == {0, 1, 2, 3}
    page.button(key="clients:again:1").click().run()
    assert not page.exception
    assert "no update was merged" in " ".join(error.value for error in page.error)
    page.button(key="clients:again:3").click().run()
    assert not page.exception
    assert "bit by bit" in plain(page)


def test_the_theatre_ends_a_skipped_round_where_nothing_came_back(dashboard: AppTest, run_id: str) -> None:
    page = visit(dashboard, "theatre", run=run_id, round="2", step="merge")
    assert "merges 3 models into one" in titles(page)[0]
    assert "Round 2: dropped: client 1 (<b>evil</b>" in plain(page)
    page = visit(dashboard, "theatre", run=run_id, round="3", step="end")
    assert "return" in titles(page)[0]
    assert "Round 3: skipped" in plain(page)
    assert page.button(key="theatre:next").disabled


def test_a_client_that_was_always_dropped_did_not_take_part(store: RunStore) -> None:
    run_id = store.create(SMALL, machine={"processes": 1})
    store.claim(run_id)
    never = partial(run_round, run_clients=lambda *all: [Lost("gone")] * 4)
    execute_claimed(store, run_id, one_round=never)
    assert store.took_part(run_id) == set()
