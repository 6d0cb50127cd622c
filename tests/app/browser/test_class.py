"""A class in front of one dashboard: who watches, who waits, and what an instructor hides."""

from __future__ import annotations

import re

import pytest

from fedlab_core.runs.store import RunStore
from tests.app.browser.window import (
    IN_A_BROWSER,
    LONG,
    OpenPage,
    button,
    main,
    opened_run,
    playwright,
    press,
    settled,
    shows,
    shows_status,
    stop,
    wait_for_round,
)
from tests.app.server import Server
from tests.environment import PATIENCE_MS

pytestmark = IN_A_BROWSER

BUTTONS = ("Run", "Step", "Pause", "Resume", "Stop")


def test_a_spectator_sees_a_run_grow_and_can_change_nothing(
    server: Server, store: RunStore, open_page: OpenPage
) -> None:
    page = open_page(f"{server.url}/run?{LONG}")
    press(page, "Run")
    run_id = opened_run(page)
    wait_for_round(page, 1)
    spectator = open_page(f"{server.url}/run?run={run_id}&watch=1")
    wait_for_round(spectator, 1)
    wait_for_round(spectator, store.get(run_id).rounds_done + 1)  # it grows here, too
    settled(spectator)
    shows(spectator, "This window only watches")
    assert [name for name in BUTTONS if button(spectator, name).count()] == []
    assert spectator.get_by_test_id("stSidebar").get_by_role("slider").count() == 0
    spectator.goto(f"{server.url}/runs?watch=1")
    spectator.locator("canvas").first.wait_for()
    settled(spectator)
    spectator.locator("canvas").first.click(position={"x": 15, "y": 55}, force=True)
    for name in ("Resume", "Rename", "Delete"):
        playwright.expect(button(spectator, name)).to_be_disabled(timeout=PATIENCE_MS)
    stop(page, store, run_id)
    before = len(store.list())
    spectator.goto(f"{server.url}/whatif?run={run_id}&watch=1")
    main(spectator).get_by_role("button", name=re.compile("^Fork to")).click()
    shows(spectator, re.compile("this window only watches; remove watch=1"))
    assert len(store.list()) == before


@pytest.mark.parametrize(("hide", "gone", "there"), [("controls,masks", "Masks", "Run"), ("buttons", "", "Masks")])
def test_what_an_instructor_hides_is_not_drawn(
    server: Server, open_page: OpenPage, hide: str, gone: str, there: str
) -> None:
    page = open_page(f"{server.url}/run?hide={hide}&large=1")
    main(page).get_by_role("link", name=there, exact=True).wait_for()
    settled(page)
    assert page.evaluate("getComputedStyle(document.documentElement).fontSize") == "21.6px"  # 135 % of 16
    assert main(page).get_by_role("link", name=gone or "nothing", exact=True).count() == 0
    seen = {"controls": page.get_by_test_id("stSidebar").get_by_role("slider").first, "buttons": button(page, "Run")}
    for part, element in seen.items():
        playwright.expect(element).to_be_visible(visible=part not in hide, timeout=PATIENCE_MS)


def test_two_people_see_their_places_in_the_queue_and_cannot_stop_each_other(
    server: Server, store: RunStore, open_page: OpenPage
) -> None:
    ada = open_page(f"{server.url}/run?{LONG}&federation.seed=1")
    press(ada, "Run")
    first = opened_run(ada)
    wait_for_round(ada, 1)
    ben = open_page(f"{server.url}/run?{LONG}&federation.seed=2")
    press(ben, "Run")
    second = opened_run(ben)
    shows(ben, re.compile(rf"Next in line; .*{first}.* is carried out now"))
    ada_again = open_page(f"{server.url}/run?{LONG}&federation.seed=3", ada.context)
    press(ada_again, "Run")
    third = opened_run(ada_again)
    shows(ada_again, re.compile(rf"2nd in line; .*{first}.* is carried out now"))
    shows(ben, re.compile("1st in line"))
    for page, theirs in ((ada, second), (ben, first)):
        page.goto(f"{server.url}/run?run={theirs}")
        shows(page, re.compile("started in another browser"))
        for name in ("Pause", "Resume", "Stop"):
            playwright.expect(button(page, name)).to_be_disabled(timeout=PATIENCE_MS)
    ada.goto(f"{server.url}/run?run={first}")
    stop(ada, store, first)
    ben.goto(f"{server.url}/run?run={second}")  # it is Ben's turn now, though Ada waits, too
    wait_for_round(ben, 1)
    assert store.get(third).status == "queued"
    stop(ada_again, store, third)
    stop(ben, store, second)
    shows_status(ben, "stopped")
