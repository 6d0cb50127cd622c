"""What holds for every test: one thread, the same examples each time, no network; and a browser for those that ask."""

import os
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import torch
from hypothesis import HealthCheck, settings

from tests.environment import CHROMIUM, PATIENCE_MS

# Test processes run side by side: one thread each is faster than several that compete for the same cores.
torch.set_num_threads(1)

# Tests of several processes say so themselves; to the others helpers would only bring their time to start.
os.environ.setdefault("FEDLAB_PROCESSES", "1")

# The clock of a busy machine must not decide about a test, so neither deadlines nor "too slow" count.
settings.register_profile("fedlab", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("fedlab")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The notebooks come first: theirs is the longest file, and nobody should wait for it alone in the end."""
    items.sort(key=lambda item: "notebooks" not in item.path.parts)


LOCAL_HOSTS = {"localhost", "127.0.0.1", "::1", "0.0.0.0", "::"}


@pytest.fixture(autouse=True, scope="session")
def offline() -> Iterator[None]:
    """Refuse connections to other machines: whatever a test starts in this process must work unplugged."""
    connect = socket.socket.connect

    def connect_locally(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and address[0] not in LOCAL_HOSTS:
            raise PermissionError(f"a test tried to reach {address}; allowed are {', '.join(sorted(LOCAL_HOSTS))}")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect_locally)
        yield


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


@pytest.fixture
def open_page(browser: Any) -> Iterator[Any]:
    """Open an address in a new browser context (a person of their own), or in one that is given (another tab).

    No window may talk to another host, or open a dialog: nothing of ours does that, so a script would.
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
    assert foreign == [], "all must work with the network unplugged"
    assert dialogs == [], "no script may come out of a text"
