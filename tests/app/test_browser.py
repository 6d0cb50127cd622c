"""The real dashboard in a real browser: what a newcomer does first, and what must not go wrong then."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psutil
import pytest

from fedlab_core.runs.store import RunInfo, RunStore
from tests.app.server import Server

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium: install it, or name it in the variable CHROMIUM"),
]

ROUNDS = 400
LONG = f"strategy.name=fedsparsify-global&federation.rounds={ROUNDS}"
"""Settings of a run that does not end while it is watched."""

CURVE = "(document.querySelector('.js-plotly-plot')?.data?.[0]?.x?.length ?? 0)"
"""How many rounds, with round 0, the curve of the global model's accuracy has."""

PATIENCE_MS = 150_000
"""How long to wait for something to appear: machines that test are busy."""

OpenPage = Callable[..., "playwright.Page"]


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    with playwright.sync_playwright() as running:
        arguments = ["--no-sandbox", "--disable-background-networking"]
        opened = running.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("dashboard")) as running:
        yield running


@pytest.fixture
def store(server: Server) -> Iterator[RunStore]:
    """The server's store, seen from outside."""
    with RunStore(server.store_path) as opened:
        yield opened


@pytest.fixture
def open_page(browser: playwright.Browser) -> Iterator[OpenPage]:
    """Open an address in a new browser context, which must not talk to any other host."""
    contexts, foreign = [], []

    def note(request: playwright.Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname != "localhost":
            foreign.append(request.url)

    def open_at(address: str, context: playwright.BrowserContext | None = None) -> playwright.Page:
        if context is None:
            context = browser.new_context(viewport={"width": 1440, "height": 1000})
            contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.on("request", note)
        page.on("websocket", lambda websocket: note(websocket))
        page.goto(address)
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert foreign == [], "the dashboard must work with the network unplugged"


def button(page: playwright.Page, name: str) -> playwright.Locator:
    return page.get_by_test_id("stMain").get_by_role("button", name=name, exact=True)


def press(page: playwright.Page, name: str) -> None:
    playwright.expect(button(page, name)).to_be_enabled(timeout=PATIENCE_MS)
    button(page, name).click()


def shows_status(page: playwright.Page, status: str) -> None:
    """Wait until the badge of the opened run says so."""
    page.get_by_test_id("stMain").get_by_text(re.compile(rf"\b{status}$")).first.wait_for()


def opened_run(page: playwright.Page) -> str:
    """The run of the address, once the page shows it."""
    page.wait_for_url(re.compile(r"[?&]run="), timeout=PATIENCE_MS)
    run_id = parse_qs(urlsplit(page.url).query)["run"][0]
    page.get_by_test_id("stMain").get_by_text(re.compile(rf"{run_id}$")).wait_for()
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


def test_the_default_preset_reaches_its_accuracy(server: Server, store: RunStore, open_page: OpenPage) -> None:
    page = open_page(f"{server.url}/run")
    press(page, "Run")
    run_id = opened_run(page)
    page.wait_for_function(f"1 < {CURVE} && {CURVE} < 31", timeout=PATIENCE_MS)  # it grows while the run is under way
    shows_status(page, "finished")
    wait_for_round(page, 30, of=30)
    run = store.get(run_id)
    assert run.experiment.settings()["strategy.final_sparsity"] == 0.9
    assert run.rounds_done == run.experiment.federation.rounds == 30
    assert run.last_row is not None
    assert run.last_row["sparsity"] == pytest.approx(0.9, abs=1e-3)
    assert run.last_row["test_accuracy"] >= 0.96


def test_reload_pause_resume_step_and_stop(server: Server, store: RunStore, open_page: OpenPage) -> None:
    page = open_page(f"{server.url}/run?{LONG}")
    press(page, "Run")
    run_id = opened_run(page)
    wait_for_round(page, 1)
    page.reload()
    wait_for_round(page, 1)
    assert opened_run(page) == run_id
    assert len([run for run in store.list() if run.experiment == store.get(run_id).experiment]) == 1
    press(page, "Pause")
    shows_status(page, "paused")
    done = store.get(run_id).rounds_done
    press(page, "Step")
    wait_for_round(page, done + 1)
    shows_status(page, "paused")
    assert store.get(run_id).rounds_done == done + 1
    press(page, "Resume")
    wait_for_round(page, done + 3)
    stop(page, store, run_id)


def test_two_clicks_start_one_run(server: Server, store: RunStore, open_page: OpenPage) -> None:
    page = open_page(f"{server.url}/run?{LONG}&federation.seed=7")
    playwright.expect(button(page, "Run")).to_be_enabled(timeout=PATIENCE_MS)
    button(page, "Run").dblclick()
    run_id = opened_run(page)
    wait_for_round(page, 1)
    stop(page, store, run_id)
    assert [run.run_id for run in store.list() if run.experiment.federation.seed == 7] == [run_id]


def test_two_windows_do_not_mix(server: Server, store: RunStore, open_page: OpenPage) -> None:
    mine, theirs = (open_page(f"{server.url}/run?{LONG}&data.alpha={alpha}") for alpha in ("0.2", "5"))
    press(mine, "Run")
    run_id = opened_run(mine)
    wait_for_round(mine, 1)
    assert "run=" not in theirs.url
    assert store.get(run_id).experiment.data.alpha == 0.2
    theirs.goto(f"{server.url}/run?run={run_id}")  # they may watch, but not stop
    wait_for_round(theirs, 1)
    for name in ("Pause", "Resume", "Stop"):
        assert button(theirs, name).is_disabled()
    other_tab = open_page(f"{server.url}/run?run={run_id}", mine.context)
    stop(other_tab, store, run_id)
    shows_status(theirs, "stopped")


def test_links_back_and_forward_keep_everything(server: Server, open_page: OpenPage) -> None:
    page = open_page(f"{server.url}/data?strategy.name=fedsparsify-global&data.num_clients=7")
    slider = page.get_by_role("slider", name="Clients K")
    playwright.expect(slider).to_have_value("7", timeout=PATIENCE_MS)
    slider.press("ArrowRight")
    page.wait_for_url(re.compile(r"num_clients=8"), timeout=PATIENCE_MS)
    page.get_by_test_id("stMain").get_by_role("link", name="Run", exact=True).click()
    page.wait_for_url(re.compile(r"/run\?.*num_clients=8"), timeout=PATIENCE_MS)
    playwright.expect(slider).to_have_value("8", timeout=PATIENCE_MS)
    page.go_back()
    page.wait_for_url(re.compile(r"/data\?.*num_clients=8"), timeout=PATIENCE_MS)
    playwright.expect(slider).to_have_value("8", timeout=PATIENCE_MS)
    page.go_back()
    page.wait_for_url(re.compile(r"/data\?.*num_clients=7"), timeout=PATIENCE_MS)
    playwright.expect(slider).to_have_value("7", timeout=PATIENCE_MS)
    page.go_forward()
    playwright.expect(slider).to_have_value("8", timeout=PATIENCE_MS)
    copied = open_page(page.url)
    slider = copied.get_by_role("slider", name="Clients K")
    playwright.expect(slider).to_have_value("8", timeout=PATIENCE_MS)


def test_what_is_looked_at_survives_a_reload(server: Server, open_page: OpenPage) -> None:
    page = open_page(f"{server.url}/masks")
    page.get_by_test_id("stMain").get_by_role("radio", name="magnitude").click()
    page.wait_for_url(re.compile("view=magnitude"), timeout=PATIENCE_MS)
    page.reload()
    playwright.expect(page.get_by_test_id("stMain").get_by_text("Kept weights of")).to_be_visible(timeout=PATIENCE_MS)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_draws_in_both_themes(
    server: Server, browser: playwright.Browser, open_page: OpenPage, scheme: str
) -> None:
    context = browser.new_context(color_scheme=scheme)
    try:
        for name in ("", "data", "run", "masks", "runs"):
            page = open_page(f"{server.url}/{name}", context)
            page.get_by_test_id("stMain").get_by_role("link", name="Masks", exact=True).wait_for()
            page.get_by_test_id("stStatusWidget").wait_for(state="detached")
            assert page.get_by_test_id("stException").count() == 0
            page.close()
    finally:
        context.close()


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
        assert [row["round"] for row in store.rows(run_id)][: left.rounds_done] == list(range(left.rounds_done))
        workers = second.workers()
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert alive == []
