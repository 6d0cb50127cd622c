"""A store of its own for every test, workers that are none, and one small finished run that is computed once."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# The dashboard is no installed package: it is started from the repository.
sys.path.insert(0, str(Path(__file__).parents[2]))

from streamlit.testing.v1 import AppTest

from app import engine
from fedlab_core.experiment import Experiment
from fedlab_core.runs.execute import execute
from fedlab_core.runs.store import RunStore
from fedlab_core.runs.worker import WorkerPool

MAIN = Path(__file__).parents[2] / "app" / "main.py"
ROUNDS = 3
SMALL = Experiment().replace(
    {
        "data.num_clients": 4,
        "federation.rounds": ROUNDS,
        "federation.local_epochs": 1,
        "federation.batch_size": 64,
        "strategy.name": "fedsparsify-global",
        "strategy.final_sparsity": 0.8,
    }
)


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A finished run of `SMALL`, as a file."""
    with RunStore(tmp_path_factory.mktemp("finished") / "runs.sqlite") as store:
        run_id = store.create(SMALL, name="small")
        execute(store, run_id)
        return store.export(run_id)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunStore]:
    """The store of the dashboard under test: empty, without the gallery's examples, and nobody takes runs from it."""
    monkeypatch.setenv("FEDLAB_STORE", str(tmp_path / "runs.sqlite"))
    monkeypatch.setattr(engine, "pool", lambda: WorkerPool(tmp_path / "runs.sqlite", workers=0))
    engine.store.clear()
    with RunStore() as opened:
        opened.once("gallery")
        yield opened
    monkeypatch.setenv("FEDLAB_STORE", str(tmp_path / "runs.sqlite"))  # a test may have pointed it elsewhere
    engine.store().close()
    engine.store.clear()


@pytest.fixture
def dashboard(store: RunStore) -> AppTest:
    """The dashboard, not yet opened."""
    return AppTest.from_file(str(MAIN), default_timeout=60)
