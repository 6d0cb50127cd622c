"""What a page asks for and draws when it is there, without another click: measurements, attacks, a playback."""

from __future__ import annotations

import pytest

from fedlab_core.runs.store import RunStore
from tests.app.browser.window import IN_A_BROWSER, TINY, OpenPage, button, drawn, main, playwright, press, settled
from tests.app.server import Server
from tests.environment import PATIENCE_MS

pytestmark = IN_A_BROWSER


@pytest.mark.parametrize("of", ["run", "settings"])
def test_measured_milliseconds_are_drawn_when_they_are_there(
    server: Server, store: RunStore, open_page: OpenPage, finished_run: bytes, of: str
) -> None:
    run_id = store.import_run(finished_run)
    page = open_page(f"{server.url}/costs?of={of}&run={run_id}&{TINY}")
    drawn(page, "costs:encodings")
    press(page, "Measure")
    drawn(page, "costs:latency", "data[0].x?.length === 3 && data[0].x.every(ms => ms > 0)")
    playwright.expect(page.get_by_test_id("stProgress")).to_have_count(0, timeout=PATIENCE_MS)
    playwright.expect(button(page, "Measure")).to_be_disabled(timeout=PATIENCE_MS)
    settled(page)


def test_an_attack_ends_in_a_roc(server: Server, store: RunStore, open_page: OpenPage, finished_run: bytes) -> None:
    page = open_page(f"{server.url}/privacy?run={store.import_run(finished_run)}")
    press(page, "Attack")
    names = drawn(page, "privacy:roc", "data.some(trace => trace.x?.length > 2)")
    assert any("black-box" in name for name in names)
    playwright.expect(main(page).get_by_test_id("stMetricValue")).to_have_count(7, timeout=PATIENCE_MS)
    playwright.expect(button(page, "Attack")).to_be_disabled(timeout=PATIENCE_MS)
    settled(page)


def test_play_moves_on_by_itself_until_it_is_switched_off(
    server: Server, store: RunStore, open_page: OpenPage, finished_run: bytes
) -> None:
    page = open_page(f"{server.url}/masks?run={store.import_run(finished_run)}")
    drawn(page, "masks:map")
    page.evaluate("window.shown = []")
    title = "document.querySelector('.st-key-masks-map .js-plotly-plot')?.layout?.title?.text"
    main(page).get_by_text("Play", exact=True).click()
    # Every picture that differs from the last one: of rounds 0 and 1, where all is kept, of 2, of 3, and one again.
    page.wait_for_function(
        f"""(now => {{
            if (now && now !== shown.at(-1)) shown.push(now);
            return new Set(shown).size === 3 && shown.length > 3;
        }})({title})""",
        timeout=PATIENCE_MS,
    )
    main(page).get_by_text("Play", exact=True).click()
    settled(page)
    drawn(page, "masks:changes")
    at = page.evaluate(title)
    for view in ("magnitude", "kept and pruned"):  # nobody plays any more: these are drawn of the same round
        main(page).get_by_role("radio", name=view).click()
        settled(page)
    page.wait_for_function(f"at => {title} === at", arg=at, timeout=PATIENCE_MS)
