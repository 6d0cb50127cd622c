"""The server is killed in the middle of a run: no process is left, and the run goes on as if nothing had happened."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import psutil

from fedlab_core.runs.store import RunInfo, RunStore
from fedlab_core.simulation import simulate
from tests.app.browser.window import (
    IN_A_BROWSER,
    LONG,
    OpenPage,
    opened_run,
    press,
    shows_status,
    stop,
    wait_for_round,
)
from tests.app.server import Server

pytestmark = IN_A_BROWSER


def test_a_killed_server_leaves_no_process_and_its_run_can_be_resumed(tmp_path: Path, open_page: OpenPage) -> None:
    with Server(tmp_path) as first:
        page = open_page(f"{first.url}/run?{LONG}")
        press(page, "Run")
        run_id = opened_run(page)
        wait_for_round(page, 2)
        workers = first.workers()
        assert workers
        first.kill()
        _, alive = psutil.wait_procs(workers, timeout=20)
        assert alive == []
    with Server(tmp_path) as second, RunStore(second.store_path) as store:
        left: RunInfo = store.get(run_id)
        assert left.status == "interrupted"
        page.goto(f"{second.url}/run?run={run_id}")
        shows_status(page, "interrupted")
        press(page, "Resume")
        wait_for_round(page, left.rounds_done + 1)
        stop(page, store, run_id)
        last = store.get(run_id).rounds_done
        round_, resumed = store.state(run_id, left.rounds_done + 1)
        assert round_ == left.rounds_done + 1
        workers = second.workers()
        assert [row["round"] for row in store.rows(run_id)] == list(range(last + 1))
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert alive == []
    assert last > left.rounds_done
    *_, uninterrupted = islice(simulate(left.experiment, processes=left.processes), left.rounds_done + 2)
    assert uninterrupted.state.sha256() == resumed.sha256()
