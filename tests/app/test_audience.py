"""Many windows look at a run less often, share its figures, and the workers behind it make way for them."""

from __future__ import annotations

import time
from pathlib import Path

import psutil
import pytest
from streamlit.testing.v1 import AppTest

from app import audience, session
from fedlab_core.runs.store import RunStore
from fedlab_core.runs.worker import NICE, WorkerPool

from .conftest import MAIN
from .pages import visit


@pytest.mark.parametrize(("others", "seconds"), [(0, 0.4), (5, 0.4), (29, 2.0), (59, 4.0)])
def test_the_more_windows_look_the_longer_each_waits(
    monkeypatch: pytest.MonkeyPatch, others: int, seconds: float
) -> None:
    now = time.monotonic()
    looks = {f"window {place}": now for place in range(others)} | {"closed": now - 2 * audience.GONE_S}
    monkeypatch.setattr(audience, "_last_looks", looks)
    monkeypatch.setattr(session, "window", lambda: "mine")
    assert audience.every() == pytest.approx(seconds)
    assert "closed" not in looks
    assert not audience.has_changed(seconds)
    assert audience.has_changed(seconds / 3)
    assert audience.has_changed(seconds * 3)


def test_windows_share_figures_that_are_the_same_and_no_others(store: RunStore, finished_run: bytes) -> None:
    run_id = store.import_run(finished_run)
    for guess, there in (({}, False), ({"guess": "35"}, True), ({}, False), ({"guess": "35"}, True)):
        page = visit(AppTest.from_file(str(MAIN), default_timeout=60), "run", run=run_id, **guess)
        assert ("your prediction" in page.get("plotly_chart")[0].proto.spec) == there


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(psutil, "RLIMIT_NPROC"), reason="priorities are read as Linux has them")
def test_a_worker_makes_way(tmp_path: Path) -> None:
    before = psutil.Process().nice()
    pool = WorkerPool(tmp_path / "runs.sqlite", workers=1)
    pool.start()
    try:
        (worker,) = (child for child in psutil.Process().children() if str(tmp_path) in " ".join(child.cmdline()))
        deadline = time.monotonic() + 60
        while worker.nice() == before and time.monotonic() < deadline:
            assert pool.alive
        assert worker.nice() == min(19, before + NICE)
    finally:
        pool.close()
