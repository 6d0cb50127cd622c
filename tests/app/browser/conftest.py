"""A real Chromium, a server with a store of its own for every file, and windows that must not talk to anybody else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from fedlab_core.runs.store import RunStore
from tests.app.server import Server

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")

PATIENCE_MS = int(os.environ.get("PATIENCE_MS", 300_000))
"""How long to wait for something to appear: machines that test are busy."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium; without it the tests are skipped, and say so."""
    if CHROMIUM is None:
        pytest.skip("no chromium: install it, or name it in the variable CHROMIUM")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as running:
        arguments = ["--no-sandbox", "--disable-background-networking"]
        opened = running.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield opened
        opened.close()


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


@pytest.fixture
def open_page(browser: Any) -> Iterator[Any]:
    """Open an address in a new browser context (a person of their own), or in one that is given (another tab).

    No window may talk to another host, or open a dialog: nothing in the dashboard does that, so a script would.
    """
    contexts, foreign, dialogs = [], [], []

    def note(request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname != "localhost":
            foreign.append(request.url)

    def dismiss(dialog: Any) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    def open_at(address: str, context: Any = None, **settings: Any) -> Any:
        if context is None:
            context = browser.new_context(viewport={"width": 1440, "height": 1000}, reduced_motion="reduce", **settings)
            contexts.append(context)
            context.set_default_timeout(PATIENCE_MS)
            context.on("request", note)
            context.on("dialog", dismiss)
            context.on("page", lambda page: page.on("websocket", note))
        page = context.new_page()
        page.goto(address)
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert foreign == [], "the dashboard must work with the network unplugged"
    assert dialogs == [], "no script may come out of a text"
