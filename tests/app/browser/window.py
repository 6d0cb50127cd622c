"""What tests do in a window of the dashboard, and what they wait for; nothing here sleeps."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest

from fedlab_core.runs.store import RunStore
from tests.environment import PATIENCE_MS

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

IN_A_BROWSER = [pytest.mark.slow, pytest.mark.timeout(1800)]
"""The marks of every file here."""

OpenPage = Callable[..., "playwright.Page"]

ROUNDS = 400
LONG = f"strategy.name=fedsparsify-global&federation.rounds={ROUNDS}"
"""Settings of a run that does not end while it is watched."""

TINY = (
    "data.num_clients=4&federation.rounds=2&federation.local_epochs=1&federation.batch_size=64&model.name=mlp"
    "&strategy.name=fedsparsify-global&strategy.final_sparsity=0.8"
)
"""Settings of a run that ends at once."""

CURVE = "(document.querySelector('.js-plotly-plot')?.data?.[0]?.x?.length ?? 0)"
"""How many rounds, with round 0, the curve of the global model's accuracy has."""

IDLE = "document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'"
"""Whether the server has nothing more to say to this window."""


def main(page: playwright.Page) -> playwright.Locator:
    """The page without its sidebar."""
    return page.get_by_test_id("stMain")


def button(page: playwright.Page, name: str) -> playwright.Locator:
    return main(page).get_by_role("button", name=name, exact=True)


def press(page: playwright.Page, name: str) -> None:
    playwright.expect(button(page, name)).to_be_enabled(timeout=PATIENCE_MS)
    button(page, name).click()


def shows(page: playwright.Page, text: str | re.Pattern[str]) -> None:
    """Wait until the page says this."""
    playwright.expect(main(page).get_by_text(text).first).to_be_visible(timeout=PATIENCE_MS)


def shows_status(page: playwright.Page, status: str) -> None:
    """Wait until the badge of the opened run says so."""
    main(page).get_by_text(re.compile(rf"\b{status}$")).first.wait_for()


def settled(page: playwright.Page) -> None:
    """Wait until the page is drawn to its end, and see that nothing went wrong."""
    main(page).get_by_role("link", name="Run", exact=True).wait_for()
    page.wait_for_function(IDLE, timeout=PATIENCE_MS)
    assert page.get_by_test_id("stException").all_inner_texts() == []


def drawn(page: playwright.Page, key: str, enough: str = "true") -> list[str]:
    """Wait until the figure of this key is there, and `enough` is true of its `data`; the names of its traces."""
    figure = f"document.querySelector('.st-key-{re.sub('[^a-z]', '-', key)} .js-plotly-plot')"
    page.wait_for_function(f"(data => data?.length > 0 && {enough})({figure}?.data)", timeout=PATIENCE_MS)
    names: list[str] = page.evaluate(f"{figure}.data.map(trace => trace.name ?? '')")
    return names


def opened_run(page: playwright.Page) -> str:
    """The run of the address, once the page shows it."""
    page.wait_for_url(re.compile(r"[?&]run="), timeout=PATIENCE_MS)
    run_id = parse_qs(urlsplit(page.url).query)["run"][0]
    main(page).get_by_text(re.compile(rf"{run_id}$")).wait_for()
    return run_id


def wait_for_round(page: playwright.Page, number: int, of: int = ROUNDS) -> None:
    """Wait until the page shows this round of the run, or a later one, as a number and on the curve."""
    shown = "[...document.querySelectorAll('[data-testid=stMetricValue]')].map(value => value.innerText)"
    page.wait_for_function(
        f"{shown}.some(text => text.endsWith('/ {of}') && parseInt(text) >= {number})", timeout=PATIENCE_MS
    )
    page.wait_for_function(f"{CURVE} > {number}", timeout=PATIENCE_MS)


def stop(page: playwright.Page, store: RunStore, run_id: str) -> None:
    press(page, "Stop")
    shows_status(page, "stopped")
    assert store.get(run_id).status == "stopped"
