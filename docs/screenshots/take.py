"""Take the screenshots of every page in both themes again, after the pages have changed.

    python docs/screenshots/take.py

Needs Chromium (from PATH, or named by the variable CHROMIUM). The store is a new one: gallery, a run, a fork, a sweep.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[2]))

from fedlab_core.runs.execute import execute, fork
from fedlab_core.runs.grid import Grid
from fedlab_core.runs.recipes import recipe
from fedlab_core.runs.store import RunStore
from fedlab_core.runs.sweep import run_sweep
from tests.app.server import Server

FOLDER = Path(__file__).parent
SIZE = {"width": 1440, "height": 1080}
FORK = "strategy.name=fedsparsify-global&strategy.final_sparsity=0.98"


GRID = {"strategy.final_sparsity": [0.5, 0.8, 0.9, 0.95], "data.alpha": [0.1, 1.0], "federation.seed": [0, 1]}


def prepare(store: RunStore) -> tuple[str, str, str]:
    """A run, a fork of it, and a sweep."""
    run_id = store.create(recipe("fedsparsify-digits"))
    execute(store, run_id)
    child = fork(store, run_id, 20, {"strategy.final_sparsity": 0.98}, name="98 % from round 20")
    execute(store, child)
    grid = Grid.of(recipe("fedsparsify-digits").replace({"federation.rounds": 15}), GRID)
    sweep = store.create_sweep(grid, name="how much, and how skewed")
    for _ in run_sweep(store, sweep):
        pass
    return run_id, child, sweep


def press(page: Page, name: str) -> None:
    """Press a button, unless what it asks for is there from the other theme's picture."""
    button = page.get_by_role("button", name=name, exact=True)
    button.wait_for()
    page.wait_for_timeout(1000)
    if button.is_enabled():
        button.click()


def take(page: Page, address: str, target: Path) -> None:
    """Open an address, wait until it is drawn, save it."""
    page.goto(address)
    page.get_by_test_id("stMain").get_by_role("link", name="Masks", exact=True).wait_for()
    if address.endswith("/runs"):
        page.locator("canvas").first.wait_for()
        page.wait_for_timeout(2000)
        table = page.locator("canvas").first.bounding_box()
        assert table is not None
        page.mouse.click(table["x"] + 15, table["y"] + 90)  # the table is drawn on a canvas: its second row
        page.get_by_role("button", name="Export").wait_for()
    elif "/privacy" in address:
        press(page, "Attack")
    if not re.search("/(runs|help|lesson)", address):
        page.locator(".js-plotly-plot .main-svg").first.wait_for()
    if "/costs" in address:
        press(page, "Measure")
        page.wait_for_function("document.querySelectorAll('.st-key-costs-latency .main-svg').length > 0")
        page.get_by_text("milliseconds on this machine").scroll_into_view_if_needed()
    page.get_by_test_id("stStatusWidget").wait_for(state="detached")
    page.wait_for_timeout(3000)  # charts settle into their final size
    # Whole colours: a palette shifts them, and the pictures' colours mean something.
    Image.open(io.BytesIO(page.screenshot())).convert("RGB").save(target, optimize=True)
    print(f"{target.name}: {target.stat().st_size / 1000:.0f} kB")


def take_all(browser: Browser, url: str, run_id: str, child: str, sweep: str) -> None:
    """Every page in both themes."""
    pages = {
        "home": "",
        "data": "data?strategy.name=fedsparsify-global&data.alpha=0.2&client=7",
        "run": f"run?run={run_id}",
        "fork": f"run?{FORK}&run={child}",
        "design": f"design?{FORK}&cost=flops&limit=40",
        "theatre": f"theatre?run={run_id}&round=12&step=return",
        "masks": f"masks?run={run_id}&round=12&view=change",
        "clients": f"clients?run={run_id}",
        "whatif": f"whatif?sweep={sweep}",
        "compare": f"compare?runs={run_id},{child}",
        "costs": f"costs?run={run_id}",
        "privacy": f"privacy?run={run_id}",
        "runs": "runs",
        "help": "help",
        "lesson": "lesson",
    }
    for theme in ("light", "dark"):
        context = browser.new_context(color_scheme=theme, viewport=SIZE)
        context.set_default_timeout(120_000)
        for name, address in pages.items():
            page = context.new_page()
            take(page, f"{url}/{address}", FOLDER / f"{name}-{theme}.png")
            page.close()
        context.close()


def main() -> None:
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        raise SystemExit("no chromium: install it, or name it in the variable CHROMIUM")
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder)) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(server.url)  # a first visit, which brings the gallery
        page.locator(".js-plotly-plot .main-svg").first.wait_for(timeout=120_000)
        with RunStore(server.store_path) as store:
            known = prepare(store)
        take_all(browser, server.url, *known)
        browser.close()


if __name__ == "__main__":
    main()
