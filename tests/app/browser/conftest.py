"""A dashboard with a store of its own for every file of browser tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from fedlab_core.runs.store import RunStore
from tests.app.server import Server


@pytest.fixture(scope="module")
def server(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The dashboard; the tests of one file share it."""
    with Server(tmp_path_factory.mktemp("dashboard")) as running:
        yield running


@pytest.fixture
def store(server: Server) -> Iterator[RunStore]:
    """The server's store, seen from outside. What a test leaves under way is stopped."""
    with RunStore(server.store_path) as opened:
        yield opened
        for run in opened.list():
            if run.status in ("queued", "running", "paused"):
                opened.request(run.run_id, "stop")
