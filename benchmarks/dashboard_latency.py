"""How long a person waits for the dashboard: from opening a page to its first picture, from Run to the first point.

    python benchmarks/dashboard_latency.py

In a real browser (Chromium, from PATH or the variable CHROMIUM), as it comes: 1440 x 1000 pixels, cold browser cache.
"First visit" is the very first page after the server's start, which imports PyTorch; there is one for each server. The
worker is warm when Run is pressed, as it is for a person who has looked at the page first.
Results: results/dashboard_latency.json
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from machine import machine
from playwright.sync_api import Browser, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.app.server import Server

RESULTS = Path(__file__).parent / "results" / "dashboard_latency.json"
REPEATS = 5
PAGES = ("home", "data", "run", "masks")
PATIENCE_MS = 120_000
WARM_S = 10.0
"""From the first page to the click on Run; by then the worker has imported PyTorch and run a round."""

PICTURE = "document.querySelector('.js-plotly-plot .main-svg') !== null"
FIRST_POINTS = "(document.querySelector('.js-plotly-plot')?.data?.[0]?.x?.length ?? 0) {condition}"


def first_picture_s(browser: Browser, url: str) -> float:
    """Seconds from typing the address to the first figure on the screen."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    page = context.new_page()
    start = time.perf_counter()
    page.goto(url)
    page.wait_for_function(PICTURE, timeout=PATIENCE_MS)
    taken = time.perf_counter() - start
    context.close()
    return taken


def run_s(page: Page, url: str, seed: int) -> tuple[float, float, float]:
    """Seconds from the click on Run to round 0 on the curve, to round 1, and to the end of the 30 rounds."""
    page.goto(f"{url}/run?strategy.name=fedsparsify-global&federation.seed={seed}")
    button = page.get_by_test_id("stMain").get_by_role("button", name="Run", exact=True)
    button.wait_for(timeout=PATIENCE_MS)
    page.wait_for_function(PICTURE, timeout=PATIENCE_MS)
    start = time.perf_counter()
    button.click()
    taken = []
    for condition in ("> 0 && location.search.includes('run=') && {curve} < 31", "> 1", "> 30"):
        curve = FIRST_POINTS.format(condition="")
        page.wait_for_function(
            FIRST_POINTS.format(condition=condition.replace("{curve}", curve)), timeout=PATIENCE_MS, polling=20
        )
        taken.append(time.perf_counter() - start)
    return taken[0], taken[1], taken[2]


def measure(browser: Browser) -> dict[str, Any]:
    """Everything, `REPEATS` times, medians."""
    first_visits, pages, runs = [], {name: [] for name in PAGES}, []
    for _ in range(REPEATS):
        with tempfile.TemporaryDirectory() as folder, Server(Path(folder)) as server:
            first_visits.append(first_picture_s(browser, server.url))
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder)) as server:
        first_picture_s(browser, server.url)
        time.sleep(WARM_S)
        for name in PAGES:
            path = "" if name == "home" else name
            pages[name] = [first_picture_s(browser, f"{server.url}/{path}") for _ in range(REPEATS)]
        page = browser.new_context(viewport={"width": 1440, "height": 1000}).new_page()
        runs = [run_s(page, server.url, seed) for seed in range(1, REPEATS + 1)]
    to_round_0, to_round_1, to_end = (round(statistics.median(column), 2) for column in zip(*runs, strict=True))
    return {
        "first_visit_to_first_picture_s": round(statistics.median(first_visits), 2),
        "page_to_first_picture_s": {name: round(statistics.median(taken), 2) for name, taken in pages.items()},
        "run_to_first_point_s": to_round_0,
        "run_to_round_1_s": to_round_1,
        "run_to_end_of_30_rounds_s": to_end,
    }


def main() -> None:
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        raise SystemExit("no chromium: install it, or name it in the variable CHROMIUM")
    load = round(psutil.getloadavg()[0], 2)  # others on the machine: compare figures of an idle one
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        medians = measure(browser)
        browser.close()
    result = {"repeats": REPEATS, "medians": medians, "machine": machine(), "load_average_before": load}
    print(json.dumps(medians, indent=2))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
