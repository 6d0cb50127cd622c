"""What if? A fork beside its parent, and a sweep whose cells fill in."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, quote, urlsplit

from fedlab_core.runs.store import RunStore
from tests.app.browser.window import (
    IN_A_BROWSER,
    TINY,
    OpenPage,
    drawn,
    main,
    playwright,
    press,
    settled,
    shows,
)
from tests.app.server import Server
from tests.environment import PATIENCE_MS

pytestmark = IN_A_BROWSER

AXES = quote("strategy.final_sparsity=0.5,0.9;federation.seed=0,1")


def test_a_fork_by_one_slider_is_drawn_beside_its_parent(
    server: Server, store: RunStore, open_page: OpenPage, finished_run: bytes
) -> None:
    parent = store.import_run(finished_run)
    page = open_page(f"{server.url}/whatif?run={parent}&to=94")
    slider = main(page).get_by_role("slider", name=re.compile("Sparsity target"))
    playwright.expect(slider).to_have_value("94", timeout=PATIENCE_MS)
    assert "its parent" not in drawn(page, "live:accuracy")
    slider.press("ArrowRight")
    press(page, "Fork to 95 % from round 1")
    page.wait_for_url(re.compile(rf"run=(?!{parent})"), timeout=PATIENCE_MS)
    child = parse_qs(urlsplit(page.url).query)["run"][0]
    for again in (False, True):
        if again:
            page.reload()
        # Both, and of the child, whose rounds 0 and 1 are its parent's, all rounds.
        drawn(page, "live:accuracy", "data.some(({name}) => name === 'its parent') && data[0].x.length === 4")
    run = store.get(child)
    assert (run.parent_id, run.parent_round, run.status) == (parent, 1, "finished")
    assert run.experiment.settings()["strategy.final_sparsity"] == 0.95
    assert [row["round"] for row in store.rows(child)] == [1, 2, 3]


def test_a_sweep_fills_in_its_cells_and_survives_a_reload(server: Server, store: RunStore, open_page: OpenPage) -> None:
    page = open_page(f"{server.url}/whatif?part=sweep&axes={AXES}&{TINY}")
    press(page, "Start 4 runs")
    page.wait_for_url(re.compile("sweep="), timeout=PATIENCE_MS)
    sweep_id = parse_qs(urlsplit(page.url).query)["sweep"][0]
    for again in (False, True):
        if again:
            page.reload()
        shows(page, "4 of 4 finished")
        assert "Pareto front" in drawn(page, "sweep:figure", "data.at(-1).x.length > 0")
        main(page).get_by_test_id("stDataFrame").wait_for()
        settled(page)
    assert [run.status for run in store.list(sweep_id)] == ["finished"] * 4
    main(page).get_by_text("What do you want to vary?").click()  # the question is still there, and may be asked again
    press(page, "Start 4 runs")
    shows(page, re.compile("^[0-4] of 4 finished"))
