"""Under every figure its words and numbers, when they are asked for."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from fedlab_core.runs.store import RunStore
from tests.app.pages import visit


def test_the_table_of_a_figure_is_built_when_it_is_opened(
    dashboard: AppTest, store: RunStore, finished_run: bytes
) -> None:
    run_id = store.import_run(finished_run)
    before = len(visit(dashboard, "run", run=run_id).dataframe)
    dashboard.session_state["live:accuracy:table"] = True
    page = dashboard.run()
    assert not page.exception, page.exception
    assert len(page.dataframe) == before + 1
    tables = [frame.value for frame in page.dataframe if "global model" in frame.value]
    assert tables[0]["global model"].tolist() == [row["test_accuracy"] for row in store.rows(run_id)]
