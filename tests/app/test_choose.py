"""Which run is looked at, and which one is its dense reference."""

from __future__ import annotations

from dataclasses import replace

from streamlit.testing.v1 import AppTest

from app.choose import dense_reference
from fedlab_core.runs.store import RunStore
from tests.app.conftest import SMALL
from tests.app.pages import visit


def test_a_fork_is_no_dense_reference(store: RunStore) -> None:
    dense = SMALL.replace({"strategy.name": "fedavg"})
    run = replace(store.get(store.create(dense)), status="finished")
    assert dense_reference([run], SMALL) is run
    assert dense_reference([run], dense) is None
    assert dense_reference([replace(run, parent_id="pruned", parent_round=2)], SMALL) is None
    assert dense_reference([replace(run, status="running")], SMALL) is None


def test_another_run_than_the_opened_one_is_said(dashboard: AppTest, store: RunStore, finished_run: bytes) -> None:
    store.import_run(finished_run)
    page = visit(dashboard, "clients", run="gone")
    assert any("this is another one" in caption.value for caption in page.caption)
