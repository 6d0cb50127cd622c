"""The five demonstrations of the lesson plan, driven in a real browser: does each tell its story in three minutes?

    python benchmarks/demos.py

Every step is opened by its link; where Run is to be pressed it is, and the step ends with the run. What people say and
ask comes on top of this. Results: results/demos.json and the part of docs/PERFORMANCE.md between the marks.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

from dashboard_latency import PATIENCE_MS, PICTURE, WARM_S
from document import PERFORMANCE, fill_in
from machine import machine
from playwright.sync_api import Page, sync_playwright
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).parents[1]))

from app.demos import DEMOS, Demo
from app.session import to_query
from fedlab_core.runs.store import RunStore
from tests.app.server import Server

RESULTS = Path(__file__).parent / "results" / "demos.json"
LIMIT_S = 180
MEASURED = "document.querySelector('.st-key-costs-latency .js-plotly-plot')?.data?.length > 0"


def tell(page: Page, url: str, demo: Demo, store: RunStore) -> float:
    """Seconds that the machine needs for all steps of a demonstration, with the milliseconds measured where it asks."""
    start = time.perf_counter()
    for step in demo.steps:
        query = urlencode(to_query(step.experiment, step.view)) if step.experiment else urlsplit(page.url).query
        page.goto(f"{url}/{step.page}?{query}")
        page.wait_for_function(PICTURE, timeout=PATIENCE_MS)
        if step.runs:
            page.get_by_test_id("stMain").get_by_role("button", name="Run", exact=True).click()
            page.wait_for_url(re.compile(r"[?&]run="), timeout=PATIENCE_MS)
            run_id = parse_qs(urlsplit(page.url).query)["run"][0]
            while store.get(run_id).status != "finished":
                page.wait_for_timeout(50)
                if time.perf_counter() - start > 2 * LIMIT_S or store.get(run_id).error:
                    raise SystemExit(f"{demo.name}: run {run_id} is {store.get(run_id).status}")
            page.get_by_test_id("stMain").get_by_text(re.compile(rf"{run_id}$")).wait_for()
            page.get_by_test_id("stMain").get_by_text(re.compile(r"\bfinished$")).first.wait_for()
        if step.page == "costs":
            page.get_by_role("button", name="Measure", exact=True).click()
            page.wait_for_function(MEASURED, timeout=PATIENCE_MS)
    return time.perf_counter() - start


def main() -> None:
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        raise SystemExit("no chromium: install it, or name it in the variable CHROMIUM")
    load = round(os.getloadavg()[0], 2)
    seconds = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        with tempfile.TemporaryDirectory() as folder, Server(Path(folder)) as server:
            page = browser.new_context(viewport={"width": 1440, "height": 1000}).new_page()
            page.goto(server.url)
            time.sleep(WARM_S)
            with RunStore(server.store_path) as store:
                for demo in tqdm(DEMOS, desc="demonstrations"):
                    seconds[demo.name] = round(tell(page, server.url, demo, store), 1)
        browser.close()
    host = machine()
    lines = ["| demonstration | seconds of the machine |", "|---|---|"]
    lines += [f"| {demo.title} | {seconds[demo.name]:.0f} |" for demo in DEMOS]
    lines += [
        "",
        f"Once each. Machine: {host['processor']}, {host['cores']} cores, {host['system']}, Python {host['python']},",
        f"torch {host['torch']}; load average before: {load}.",
    ]
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"seconds": seconds, "machine": host, "load_average_before": load}, indent=1) + "\n")
    fill_in("demos", "\n".join(lines), PERFORMANCE)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
