"""Every page with an empty store, one run, 500 runs, a damaged run, an address that cannot be: never an exception."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from fedlab_core.experiment import Experiment
from fedlab_core.runs.store import RunStore

from .conftest import SMALL
from .pages import PAGES, charts, said, visit

MANY = 500
LIMIT_S = 3.0


OF_A_RUN = {"home": 1, "data": 3, "run": 4, "theatre": 1, "masks": 5, "clients": 3, "whatif": 4}
"""How many figures a page has that looks at one finished run; the others have none."""

IN_BACKGROUND = ("design", "costs")
"""Pages whose figures come when they are computed, now or a second later: their own tests wait for them."""


def of_run(page: str, run_id: str) -> dict[str, str]:
    """The address that looks at a run; Compare looks at several, Costs also at settings."""
    more = {"compare": {"runs": run_id}, "costs": {"of": "run"}}
    return {"run": run_id} | more.get(page, {})


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_with_an_empty_store(dashboard: AppTest, name: str) -> None:
    page = visit(dashboard, name)
    expected = {
        "home": "No run yet",
        "run": "Press **Run**",
        "theatre": "page **Run**",
        "masks": "page **Run**",
        "clients": "page **Run**",
        "whatif": "Nothing to fork yet",
        "privacy": "page **Run**",
        "runs": "import one",
    }
    assert expected.get(name, "") in said(page)
    if name not in IN_BACKGROUND:
        assert bool(charts(page)) == (name in ("home", "data"))


@pytest.mark.parametrize("name", PAGES)
def test_with_a_finished_run_whose_name_is_no_markup(
    dashboard: AppTest, store: RunStore, finished_run: bytes, name: str
) -> None:
    run_id = store.import_run(finished_run)
    store.rename(run_id, "<img src=x> ![](http://example.org/x.png) **bold**")
    page = visit(dashboard, name, **of_run(name, run_id))
    if name not in IN_BACKGROUND:
        assert charts(page) == OF_A_RUN.get(name, 0)
    assert name == "help" or "cannot" not in said(page)
    assert not any("![](" in element.value for kind in ("markdown", "caption") for element in page.get(kind))
    assert not any("![](" in button.label for button in page.button), "names are text"


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory, finished_run: bytes) -> Path:
    """A store of `MANY` runs: six with masks, the others with their rounds and nothing else."""
    path = tmp_path_factory.mktemp("crowded") / "runs.sqlite"
    with RunStore(path) as store:
        store.once("gallery")
        ids = [store.import_run(finished_run) for _ in range(6)]
        others = [store.create(SMALL.replace({"federation.seed": seed}), status="stopped") for seed in range(MANY - 6)]
    with sqlite3.connect(path) as connection:
        copy = "INSERT INTO rounds SELECT ?, round, row FROM rounds WHERE run_id = ?"
        connection.executemany(copy, [(run_id, ids[0]) for run_id in others])
    connection.close()
    return path


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_with_many_runs_a_page_is_quick(dashboard: AppTest, store: RunStore, crowded: Path, name: str) -> None:
    with sqlite3.connect(crowded) as source, sqlite3.connect(store.path) as target:
        source.backup(target)
    source.close()
    target.close()
    ids = [run.run_id for run in store.list()]
    assert len(ids) == MANY
    finished = [run.run_id for run in store.list() if run.status == "finished"]
    page = visit(dashboard, name, run=finished[0], runs=",".join(finished))
    start = time.process_time()  # of this process alone: whatever else the machine does is not the page's fault
    page.run()
    assert time.process_time() - start < LIMIT_S
    assert not page.exception


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("damage", ["blobs", "experiment", "rows"])
def test_with_a_damaged_run(dashboard: AppTest, store: RunStore, finished_run: bytes, name: str, damage: str) -> None:
    run_id = store.import_run(finished_run)
    with sqlite3.connect(store.path) as connection:
        if damage == "blobs":
            connection.execute("UPDATE blobs SET bytes = x'00'")
        elif damage == "experiment":
            connection.execute("""UPDATE runs SET experiment = '{"data": {"dataset": "pigeons"}}'""")
        else:
            connection.execute("UPDATE rounds SET row = '{' WHERE round = 1")
    connection.close()
    page = visit(dashboard, name, **of_run(name, run_id))
    read = {"blobs": ("masks", "theatre"), "rows": ("run", "theatre", "whatif"), "experiment": ()}
    if name in read[damage]:
        assert "cannot be shown" in said(page)


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_with_an_address_that_cannot_be(dashboard: AppTest, name: str) -> None:
    bad = {"run": "../../nobody", "round": "99", "layer": "<b>", "view": "upside down", "x": "y", "client": "-5"}
    page = visit(dashboard, name, **bad, **{"data.alpha": "[x](http://example.org)"})
    assert page.session_state["experiment"] == Experiment()
    sentences = [warning.value for warning in page.warning]
    assert any("data\\.alpha is" in sentence for sentence in sentences)
    assert not any("[x](" in sentence for sentence in sentences), "text from the address must not become a link"
