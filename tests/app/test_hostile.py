"""The card on Home that runs three rules of aggregation beside each other, and Compare while its runs grow."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from fedlab_core.experiment import Experiment
from fedlab_core.runs.store import RunStore

from .conftest import SMALL
from .pages import said, visit

pytestmark = pytest.mark.slow


def test_the_card_runs_four_experiments_once(dashboard: AppTest, store: RunStore) -> None:
    page = visit(dashboard, "home")
    page.button(key="preset:hostile").click().run()
    assert not page.exception
    runs = store.list()[::-1]
    assert [run.name.partition(" ")[0] for run in runs] == ["Mean", "Mean", "Median", "Krum"]
    assert [run.experiment.federation.hostile for run in runs] == [0, 2, 2, 2]
    rules = [run.experiment.settings().get("strategy.rule") for run in runs]
    assert rules == [None, None, "median", "krum"]
    assert all(run.status == "queued" for run in runs)
    assert page.query_params["runs"] == ",".join(run.run_id for run in runs)
    page = visit(dashboard, "compare")
    assert "4 of these runs under way; 4 not yet begun" in said(page)
    assert "Two runs are needed" not in said(page)
    page.switch_page("views/home.py").run()
    page.button(key="preset:hostile").click().run()
    assert len(store.list()) == 4


def test_a_watching_window_starts_nothing(dashboard: AppTest, store: RunStore) -> None:
    page = visit(dashboard, "home", watch="1")
    page.button(key="preset:hostile").click().run()
    assert not page.exception
    assert store.list() == []
    assert "only watches" in said(page)


def test_compare_draws_what_has_begun_and_says_what_has_not(
    dashboard: AppTest, store: RunStore, finished_run: bytes
) -> None:
    done = [store.import_run(finished_run) for _ in range(2)]
    coming = store.create(SMALL)
    page = visit(dashboard, "compare", runs=",".join([*done, coming]))
    assert page.multiselect(key="compare:runs").value == done
    assert "1 of these runs under way; 1 not yet begun" in said(page)
    assert not page.warning
    store.set_status(coming, "stopped")
    page.run()
    assert "under way" not in said(page)
    assert "without rounds" in said(page)


def test_titles_say_how_many_are_hostile(dashboard: AppTest, store: RunStore) -> None:
    store.create(Experiment().replace({"federation.hostile": 3}))
    page = visit(dashboard, "runs")
    assert page.dataframe[0].value["name"][0] == "FedAvg, digits, 20 clients (3 hostile), α 0.5"
