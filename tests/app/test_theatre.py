"""Theatre: forwards and backwards through a run, step by step; the place is in the address."""

from __future__ import annotations

import json

from streamlit.testing.v1 import AppTest

from fedlab_core.plots.style import format_bytes
from fedlab_core.runs.execute import execute
from fedlab_core.runs.recipes import recipe
from fedlab_core.runs.store import RunStore
from tests.app.test_pages import charts, said, visit


def heading(page: AppTest) -> str:
    """Which round and step the picture shows."""
    spec = json.loads(page.get("plotly_chart")[0].proto.spec)
    text: str = spec["layout"]["title"]["subtitle"]["text"]
    return text


def test_with_an_empty_store(dashboard: AppTest) -> None:
    assert "page **Run**" in said(visit(dashboard, "theatre"))


def test_next_and_back_go_through_the_whole_run(dashboard: AppTest, store: RunStore, finished_run: bytes) -> None:
    run_id = store.import_run(finished_run)
    page = visit(dashboard, "theatre", run=run_id, round="1")
    assert page.button(key="theatre:back").disabled
    seen = [heading(page)]
    while not page.button(key="theatre:next").disabled:
        page.button(key="theatre:next").click().run()
        assert not page.exception, page.exception
        seen.append(heading(page))
    steps = ("send", "train", "return", "merge", "prune on the server")
    assert seen == [f"Round {r}, step {i} of 5: {step}" for r in (1, 2, 3) for i, step in enumerate(steps, start=1)]
    assert (page.query_params["round"], page.query_params["step"]) == ("3", "purge")
    page.button(key="theatre:back").click().run()
    assert heading(page) == "Round 3, step 4 of 5: merge"
    for _ in range(4):
        page.button(key="theatre:back").click().run()
    assert heading(page) == "Round 2, step 5 of 5: prune on the server"


def test_an_address_opens_a_step_with_the_numbers_of_its_round(
    dashboard: AppTest, store: RunStore, finished_run: bytes
) -> None:
    run_id = store.import_run(finished_run)
    page = visit(dashboard, "theatre", run=run_id, round="2", step="return")
    assert heading(page) == "Round 2, step 3 of 5: return"
    shown = {metric.label: metric.value for metric in page.metric}
    assert shown["bytes, all clients"] == format_bytes(store.rows(run_id)[2]["upload_bytes"])
    assert shown["clients"] == "4 of 4"


def test_a_step_that_the_round_has_not_is_its_first(dashboard: AppTest, store: RunStore, finished_run: bytes) -> None:
    page = visit(dashboard, "theatre", run=store.import_run(finished_run), round="99", step="vote")
    assert heading(page) == "Round 2, step 1 of 5: send"


def test_a_vote_is_a_step_of_its_own(dashboard: AppTest, store: RunStore) -> None:
    settings = {"federation.rounds": 2, "federation.local_epochs": 1, "data.num_clients": 3}
    run_id = store.create(recipe("fedsparsify-local-digits").replace(settings))
    execute(store, run_id)
    page = visit(dashboard, "theatre", run=run_id, round="2", step="vote")
    assert heading(page) == "Round 2, step 6 of 6: vote"
    assert charts(page) == 1
