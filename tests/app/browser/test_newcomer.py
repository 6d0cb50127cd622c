"""What a newcomer does first in the real dashboard, in a real browser, and what must not go wrong then."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from fedlab_core.runs.store import RunStore
from tests.app.browser.window import (
    CURVE,
    IN_A_BROWSER,
    LONG,
    TINY,
    OpenPage,
    button,
    opened_run,
    playwright,
    press,
    settled,
    shows,
    shows_status,
    stop,
    wait_for_round,
)
from tests.app.server import ROOT, Server
from tests.environment import PATIENCE_MS

pytestmark = IN_A_BROWSER


def pages() -> list[str]:
    """The addresses of all pages, read from the table in `app/main.py`."""
    tree = ast.parse((ROOT / "app" / "main.py").read_text())
    table = next(node.value for node in tree.body if isinstance(node, ast.Assign) and node.targets[0].id == "PAGES")
    stems = [Path(ast.literal_eval(key)).stem for key in table.keys]
    return ["" if stem == "home" else stem for stem in stems]


def test_first_picture_then_a_run_in_two_clicks_that_reaches_its_accuracy(
    server: Server, store: RunStore, open_page: OpenPage
) -> None:
    assert server.workers() == []  # the first picture waits for no worker: nothing of it has started yet
    page = open_page(server.url)
    page.locator(".js-plotly-plot .main-svg").first.wait_for()
    button(page, "Open").first.click()
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
        playwright.expect(button(theirs, name)).to_be_disabled(timeout=PATIENCE_MS)
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
def test_every_page_draws_in_both_themes_with_the_network_unplugged(
    server: Server, store: RunStore, open_page: OpenPage, finished_run: bytes, scheme: str
) -> None:
    run_id = store.import_run(finished_run)
    page = open_page(server.url, color_scheme=scheme)
    for name in pages():
        page.goto(f"{server.url}/{name}?run={run_id}")
        settled(page)
        assert page.get_by_test_id("stSpinner").count() == 0


def test_impossible_settings_are_refused_before_running(server: Server, store: RunStore, open_page: OpenPage) -> None:
    before = len(store.list())
    page = open_page(f"{server.url}/run?data.partition=shards&data.labels_per_client=11&data.num_clients=20")
    press(page, "Run")
    shows(page, re.compile("data.labels_per_client is 11; .*allowed is 1 to 10, the nearest is 10"))
    page.goto(f"{server.url}/design?data.partition=shards&data.labels_per_client=11")
    shows(page, "Not feasible.")
    shows(page, re.compile("the nearest is 10"))
    page.goto(f"{server.url}/run?strategy.name=fedsparsify-global&strategy.final_sparsity=1.5")
    shows(page, re.compile("final_sparsity.*1.5.*The address asked for it; the default is used instead"))
    assert len(store.list()) == before


def test_same_seeds_give_identical_numbers_in_two_browsers(
    server: Server, store: RunStore, open_page: OpenPage
) -> None:
    shown, stored = [], []
    for _ in range(2):
        page = open_page(f"{server.url}/run?{TINY}&federation.seed=3")
        press(page, "Run")
        run_id = opened_run(page)
        shows_status(page, "finished")
        wait_for_round(page, 2, of=2)
        settled(page)
        playwright.expect(page.get_by_test_id("stMetricValue")).to_have_count(6, timeout=PATIENCE_MS)
        shown.append(page.get_by_test_id("stMetricValue").all_inner_texts())
        stored.append((run_id, store.state(run_id, 2)[1].sha256()))
    assert shown[0] == shown[1]
    assert stored[0][0] != stored[1][0]
    assert stored[0][1] == stored[1][1]
