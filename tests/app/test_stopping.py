"""When a run stops by itself: chosen before Run, part of the address, said while it runs and afterwards."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from fedlab_core.runs.execute import execute
from fedlab_core.runs.store import RunStore
from fedlab_core.runs.until import FOREVER, Until

from .conftest import SMALL
from .pages import said, visit

ADDRESS = SMALL.to_query()


def test_a_run_gets_the_rule_of_the_address_and_says_so(dashboard: AppTest, store: RunStore) -> None:
    page = visit(dashboard, "run", **ADDRESS)
    page.number_input(key="run:goal").set_value(95).run()
    page.number_input(key="run:most").set_value(20).run()
    assert (page.query_params["goal"], page.query_params["most"]) == ("95", "20")
    page.button(key="button:run").click().run()
    assert not page.exception
    (run,) = store.list()
    assert run.until == Until(score=0.95, bytes=20 * 10**6)
    assert "Stops at accuracy 95 % or 20 MB" in said(page).replace("\\", "")
    assert not page.number_input(key="run:goal").proto.HasField("default"), "an emptied field would come back as 1"


def test_what_ended_it_is_said(dashboard: AppTest, store: RunStore) -> None:
    run_id = store.create(SMALL, until=Until(bytes=1))
    execute(store, run_id)
    sentence = said(visit(dashboard, "run", run=run_id)).replace("\\", "")
    assert "Stopped by its rule after round 1: " in sentence
    assert "sent and received. Resume goes on from there" in sentence
    store.request(run_id, "step")
    execute(store, run_id, on_record=lambda record: store.request(run_id, "stop"))
    assert store.get(run_id).status == "stopped"
    assert "its rule" not in said(visit(dashboard, "run", run=run_id)), "this time it was a person"


@pytest.mark.parametrize(("goal", "most"), [("101", "x"), ("0", "0"), ("", "1000001")])
def test_a_rule_that_cannot_be_is_none(dashboard: AppTest, store: RunStore, goal: str, most: str) -> None:
    page = visit(dashboard, "run", **ADDRESS, goal=goal, most=most)
    assert page.number_input(key="run:goal").value is None
    assert page.number_input(key="run:most").value is None
    page.button(key="button:run").click().run()
    assert store.list()[0].until == FOREVER
