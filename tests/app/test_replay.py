"""A finished run is told again, round by round."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from app import replay
from fedlab_core.runs.store import RunStore
from tests.app.conftest import ROUNDS
from tests.app.test_pages import charts, visit


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """`clock[0]` is the time, in seconds."""
    now = [100.0]
    monkeypatch.setattr(replay.time, "monotonic", lambda: now[0])
    return now


def metric(page: AppTest, name: str) -> str:
    return next(element.value for element in page.metric if element.label == name)


def test_rounds_come_one_after_the_other(
    dashboard: AppTest, store: RunStore, finished_run: bytes, clock: list[float]
) -> None:
    run_id = store.import_run(finished_run)
    page = visit(dashboard, "run", run=run_id, replay="1")
    assert metric(page, "Round") == f"0 / {ROUNDS}"
    clock[0] += 1.1
    assert metric(page.run(), "Round") == f"1 / {ROUNDS}"
    clock[0] += 0.5
    assert metric(page.run(), "Round") == f"1 / {ROUNDS}"
    clock[0] += 60
    assert metric(page.run(), "Round") == f"{ROUNDS} / {ROUNDS}"
    clock[0] -= 60  # what has been told stays told
    assert metric(page.run(), "Round") == f"{ROUNDS} / {ROUNDS}"


def test_a_speed_that_is_none_shows_everything(dashboard: AppTest, store: RunStore, finished_run: bytes) -> None:
    page = visit(dashboard, "run", run=store.import_run(finished_run), replay="a million")
    assert metric(page, "Round") == f"{ROUNDS} / {ROUNDS}"
    assert charts(page) == 4


def test_choosing_a_speed_begins(dashboard: AppTest, store: RunStore, finished_run: bytes, clock: list[float]) -> None:
    page = visit(dashboard, "run", run=store.import_run(finished_run))
    assert metric(page, "Round") == f"{ROUNDS} / {ROUNDS}"
    page.segmented_control(key="run:replay").set_value("3").run()
    assert metric(page, "Round") == f"0 / {ROUNDS}"
    assert page.query_params["replay"] == "3"
    assert len(store.list()) == 1
