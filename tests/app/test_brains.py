"""A regression in the dashboard: years on every page, and no word of accuracy where errors are meant."""

from __future__ import annotations

import pytest

from fedlab_core.runs.execute import execute
from fedlab_core.runs.recipes import recipe
from fedlab_core.runs.store import RunStore

from .test_figures import AppTest, metrics, open_page, titles

QUICK = {"model.name": "mlp", "federation.rounds": 2, "federation.local_epochs": 1, "federation.learning_rate": 1e-4}


@pytest.mark.slow
def test_a_run_on_brains_is_shown_in_years(dashboard: AppTest, store: RunStore) -> None:
    run_id = store.create(recipe("fedsparsify-brains").replace(QUICK))
    execute(store, run_id)
    last = store.rows(run_id)[-1]
    settings = {"data.dataset": "brains", "data.partition": "ranges", "model.name": "brain_small"}
    dashboard.session_state["live:log"] = True  # the round log is unfolded
    page = open_page(dashboard, "run", run=run_id, guess="35", **settings)
    shown = metrics(page)
    assert "Test accuracy" not in shown
    assert shown["Test mean absolute error"].startswith(f"{last['test_mae']:.2f}"[:3])
    assert shown["Test mean absolute error"].endswith(" years")
    assert shown["Worst · mean · best client"].startswith(f"{last['worst_client_mae']:.1f} · ")
    assert "mean absolute error is" in titles(page)[0]
    assert any("test mean absolute error (tenths of a year)" in text.value for text in page.markdown)
    assert page.slider(key="run:guess").value == 35
    assert "test_mae" in page.dataframe[0].value.columns
    assert "test_accuracy" not in page.dataframe[0].value.columns
    page.switch_page("views/runs.py").run()
    assert not page.exception
    assert page.dataframe[0].value["error"][0] == pytest.approx(last["test_mae"])
    page.switch_page("views/home.py").run()
    assert not page.exception
    assert any(metric.value.endswith("years") for metric in page.metric)
    page.switch_page("views/data.py").run()
    assert not page.exception
    assert any("years on average" in title for title in titles(page))
    page.switch_page("views/masks.py").run()
    assert not page.exception
