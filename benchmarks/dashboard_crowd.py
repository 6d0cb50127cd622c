"""How long a person waits for the dashboard while others use it: 1, 10 and 30 windows on one server, and a run trains.

    python benchmarks/dashboard_crowd.py [--windows 1 10 30]

The window that is measured is a real browser (Chromium). Every other one has the Run page open and watches the same run
grow, without a browser (see watchers.py), for those of a class run on other machines. Server, workers, the one browser
and the other windows' messages share the processors of this machine.
Results: results/dashboard_crowd.json and the part of docs/PERFORMANCE.md between the marks.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from dashboard_latency import FIRST_POINTS, PATIENCE_MS, PICTURE, WARM_S, first_picture_s
from document import PERFORMANCE, fill_in
from machine import machine
from playwright.sync_api import Browser, Page, sync_playwright
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).parents[1]))

from watchers import Watchers

from tests.app.server import Server

RESULTS = Path(__file__).parent / "results" / "dashboard_crowd.json"
REPEATS = 5
SETTLED_S = 5.0
"""After so long all windows have agreed how often they look."""
LONG = "federation.rounds=5000"
"""The run that trains meanwhile does not end."""

TITLE = "document.querySelector('.js-plotly-plot')?.layout?.title?.text ?? ''"
WAITS = {
    "open": "page open to first picture",
    "slider": "slider to changed picture",
    "run": "Run to first point",
    "again": "each of the others is drawn again after (mean)",
}


def start_run(page: Page, address: str) -> float:
    """Seconds from the click on Run to its first point."""
    page.goto(address)
    button = page.get_by_test_id("stMain").get_by_role("button", name="Run", exact=True)
    button.wait_for(timeout=PATIENCE_MS)
    page.wait_for_function(PICTURE, timeout=PATIENCE_MS)
    start = time.perf_counter()
    button.click()
    curve = FIRST_POINTS.format(condition="")
    own = f"location.search.includes('run=') && {curve} > 0 && {curve} < 31"
    page.wait_for_function(own, timeout=PATIENCE_MS, polling=20)
    return time.perf_counter() - start


def slider_s(page: Page, key: str) -> float:
    """Seconds from a key press on the slider of alpha to the changed heatmap of the page Data."""
    slider = page.get_by_test_id("stSidebar").get_by_role("slider", name="Dirichlet")
    before = page.evaluate(TITLE)
    slider.focus()
    start = time.perf_counter()
    slider.press(key)
    page.wait_for_function(f"({TITLE}) !== {json.dumps(before)}", timeout=PATIENCE_MS, polling=20)
    return time.perf_counter() - start


def measure(browser: Browser, windows: int) -> dict[str, list[float]]:
    """The waits of one window, in seconds, `REPEATS` of each."""
    size = {"width": 1440, "height": 1000}
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder)) as server:
        page = browser.new_context(viewport=size).new_page()
        page.goto(server.url)
        time.sleep(WARM_S)
        start_run(page, f"{server.url}/run?strategy.name=fedsparsify-global&{LONG}")
        watched = page.url
        page.goto(f"{server.url}/data")
        with Watchers(watched, windows - 1) as others:
            time.sleep(SETTLED_S)
            others.looks_s.clear()
            begun = time.perf_counter()
            taken = {"open": [first_picture_s(browser, f"{server.url}/data") for _ in range(REPEATS)]}
            page.wait_for_function(f"({TITLE}) !== ''", timeout=PATIENCE_MS)
            taken["slider"] = [slider_s(page, key) for key in ("ArrowLeft", "ArrowRight") * REPEATS][:REPEATS]
            if windows > 1:
                taken["again"] = [(windows - 1) * (time.perf_counter() - begun) / len(others.looks_s)]
            address = f"{server.url}/run?strategy.name=fedsparsify-global&federation.rounds=5&federation.seed="
            taken["run"] = [start_run(page, f"{address}{seed}") for seed in range(1, REPEATS + 1)]
        page.context.close()
    return taken


def report(result: dict[str, Any]) -> str:
    """Its part of docs/PERFORMANCE.md."""
    counts = list(result["seconds"])
    head = "| seconds | " + " | ".join(f"{count} window{'s' * (count != '1')}" for count in counts) + " |"
    lines = [head, "|---|" + "---|" * len(counts)]
    for name, words in WAITS.items():
        cells = [_cell(result["seconds"][count].get(name, [])) for count in counts]
        lines.append(f"| {words} | " + " | ".join(cells) + " |")
    host = result["machine"]
    lines += [
        "",
        f"Medians of {REPEATS}, the worst in brackets. {host['processor']}, {host['cores']} cores for server, workers",
        f"and the browser; {host['system']}, Python {host['python']}, torch {host['torch']}; load average before:",
        f"{result['load_average_before']}.",
    ]
    return "\n".join(lines)


def _cell(seconds: list[float]) -> str:
    """Median and worst; a mean, which is one number, alone."""
    if not seconds:
        return "-"
    return f"{statistics.median(seconds):.2f}" + (f" ({max(seconds):.2f})" if len(seconds) > 1 else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--windows", type=int, nargs="+", default=[1, 10, 30])
    options = parser.parse_args()
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        raise SystemExit("no chromium: install it, or name it in the variable CHROMIUM")
    load = round(os.getloadavg()[0], 2)
    seconds = {}
    for windows in tqdm(options.windows, desc="windows"):
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            seconds[str(windows)] = measure(browser, windows)
            browser.close()
    result = {"seconds": seconds, "machine": machine(), "load_average_before": load}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    fill_in("dashboard_crowd", report(result), PERFORMANCE)
    print(report(result))


if __name__ == "__main__":
    main()
