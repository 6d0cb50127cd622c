"""Whatever anybody types, uploads or writes into an address is text: nothing of it is executed, fetched or a link."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
import safetensors.torch

from app.session import VIEW_KEYS
from fedlab_core.runs.blobs import metadata
from fedlab_core.runs.store import RunStore
from tests.app.browser.test_newcomer import pages
from tests.app.browser.window import IDLE, IN_A_BROWSER, OpenPage, main, playwright, press, settled, shows
from tests.app.server import Server
from tests.environment import PATIENCE_MS

pytestmark = IN_A_BROWSER

# The name ends in "invalid", which no host's name does. A script that is executed sets `pwned`.
HOSTILE = (
    "<script>window.pwned=1</script>",
    "<img src=x onerror=window.pwned=1>",
    '"><svg onload=window.pwned=1>',
    "<svg><animate onbegin=window.pwned=1 attributeName=x dur=1s>",
    "<iframe src=http://evil.invalid></iframe>",
    '<a href="javascript:window.pwned=1">a</a> <a href="http://evil.invalid">b</a>',
    "[a](javascript:window.pwned=1) [b](http://evil.invalid)",
    "![a](http://evil.invalid/a.png)",
    "http://evil.invalid/autolink",
    "<style>@import url(http://evil.invalid/a.css)</style>",
    r"$\href{javascript:window.pwned=1}{x}$ $$\frac{1}{$$",
    "{{window.pwned=1}} ${window.pwned=1} {0} %s {run}",
    ":material/home: :smile: :red[a] **b** `c` # d",
    "x" * 70,
    "\u202eabc\u202c שלום مرحبا",
    "👩‍👩‍👧‍👦 🏳️‍🌈 e\u0301",
    "'\"`; \\ \\' \\n",
    "'; DROP TABLE runs; --",
    "%00 \\x00 \\u0000 \u200b\ufeff \x01 \x1b[31m",
    "../../etc/passwd | rm -rf ~ && $(id)",
)

REACHES_OUT = """[...document.querySelectorAll('a, img, image, iframe, script, link, object, embed')]
    .map(element => element.href?.baseVal ?? element.href ?? element.src ?? element.data ?? '')
    .filter(address => address.startsWith('javascript:') || /^https?:\\/\\/evil/.test(address))"""
"""Addresses of elements that would lead, or have led, to where a hostile text wants."""


def harmless(page: playwright.Page) -> None:
    """Wait until the page is drawn; none of the texts became anything but text."""
    settled(page)
    assert page.evaluate("window.pwned") is None
    assert page.evaluate(REACHES_OUT) == []


def plain(text: str) -> str:
    """As it is compared: white space, and what is invisible and may be left out (control, direction), do not count."""
    return "".join(char for char in text if not char.isspace() and unicodedata.category(char) not in ("Cc", "Cf"))


def crafted(exported: bytes, name: str) -> bytes:
    """The same run under this name, computed on a machine that is all hostile texts."""
    said = metadata(exported)
    run = json.loads(said["run"]) | {"name": name, "machine": {text: text for text in HOSTILE}}
    tensors = safetensors.torch.load(exported)
    return safetensors.torch.save(tensors, {**said, "run": json.dumps(run)})


@pytest.fixture
def named(server: Server, store: RunStore, finished_run: bytes) -> Iterator[list[str]]:
    """Runs with hostile names, one a text."""
    yield (run_ids := [store.import_run(crafted(finished_run, name)) for name in HOSTILE])
    for run_id in run_ids:
        store.delete(run_id)


def test_names_of_imported_runs_are_text_on_every_page(
    server: Server, store: RunStore, open_page: OpenPage, named: list[str]
) -> None:
    page = open_page(server.url)
    for place, run_id in enumerate(named):
        where = pages()[place % len(pages())]
        page.goto(f"{server.url}/{where}?run={run_id}&runs={','.join(named)}")
        harmless(page)
        if where == "compare":  # which names them all
            shows(page, re.compile(named[-1]))
            shown = plain(main(page).inner_text())
            assert [name for name in HOSTILE if plain(name) not in shown] == []


def test_uploaded_files_are_text(server: Server, store: RunStore, open_page: OpenPage, finished_run: bytes) -> None:
    page = open_page(f"{server.url}/runs")
    main(page).get_by_text("Import a run").click()
    chooser = page.locator("input[type=file]")
    for place, content in enumerate((crafted(finished_run, HOSTILE[1]), b"<script>window.pwned=1</script>")):
        name = f"{HOSTILE[1 + place]}.safetensors"
        chooser.set_input_files({"name": name, "mimeType": "application/octet-stream", "buffer": content})
        if place == 0:
            page.wait_for_url(re.compile("run="), timeout=PATIENCE_MS)
        else:
            shows(page, re.compile("the file is no exported run, or damaged"))
        harmless(page)
    page.goto(f"{server.url}/run")
    page.get_by_role("button", name="Save or open a file").click()
    nested = json.dumps({text: {text: text} for text in HOSTILE})
    page.locator("input[type=file]").set_input_files(
        {"name": f"{HOSTILE[2]}.json", "mimeType": "application/json", "buffer": nested.encode()}
    )
    shows(page, re.compile("the file cannot be opened"))
    harmless(page)


def test_addresses_are_text(server: Server, open_page: OpenPage) -> None:
    """Every key of the address with every text: a shift for each address."""
    keys = [*VIEW_KEYS, "data.dataset", "data.path", "data.alpha", "strategy.name", "model.name", "unknown"]
    page = open_page(server.url)
    for shift in range(len(HOSTILE)):
        query = {key: HOSTILE[(place + shift) % len(HOSTILE)] for place, key in enumerate(keys)}
        page.goto(f"{server.url}/{pages()[shift % len(pages())]}?{urlencode(query)}")
        harmless(page)
        shows(page, re.compile("The address asked for it"))


def enter(page: playwright.Page, field: playwright.Locator, text: str) -> None:
    """Type into a field that is part of the address, commit it, leave it, and wait until the page has it."""
    before = page.url
    field.fill(text)
    field.press("Enter")
    field.press("Tab")  # an open list of options hides the page from those who cannot see it
    page.wait_for_function("before => location.href !== before", arg=before, timeout=PATIENCE_MS)
    harmless(page)


@pytest.mark.parametrize(
    ("address", "label"),
    [("help", "Search"), ("data?data.dataset=images", "Folder, tar or zip of class sub-folders")],
    ids=["search", "path"],
)
def test_what_is_typed_into_the_address_is_text(server: Server, open_page: OpenPage, address: str, label: str) -> None:
    page = open_page(f"{server.url}/{address}")
    field = page.get_by_role("textbox", name=label, exact=True)
    for text in HOSTILE:
        enter(page, field, text)


def test_values_of_a_sweep_are_text(server: Server, open_page: OpenPage) -> None:
    page = open_page(f"{server.url}/whatif?part=sweep&strategy.name=fedsparsify-global")
    field = main(page).get_by_role("combobox", name=re.compile("Sparsity target"))
    for text in HOSTILE:
        enter(page, field, text)
    shows(page, re.compile("This sweep cannot be"))


def test_names_of_files_are_text(server: Server, open_page: OpenPage) -> None:
    page = open_page(f"{server.url}/run")
    page.get_by_role("button", name="Save or open a file").click()
    field = page.get_by_role("textbox", name="Name", exact=True)
    for text in HOSTILE:
        field.fill(text)
        field.press("Enter")
        page.wait_for_function(IDLE, timeout=PATIENCE_MS)
        with page.expect_download() as download:
            page.get_by_role("button", name="Save as a file").click()
        assert re.fullmatch(r"[\w.-]+\.json", download.value.suggested_filename)
        assert page.evaluate("window.pwned") is None


def test_names_that_are_given_to_runs_are_text(
    server: Server, store: RunStore, open_page: OpenPage, finished_run: bytes
) -> None:
    run_id = store.import_run(finished_run)
    page = open_page(f"{server.url}/runs")
    table = page.locator("canvas").first
    table.wait_for()
    settled(page)
    table.click(position={"x": 15, "y": 55}, force=True)  # drawn on a canvas: the box before the first row
    press(page, "Rename")
    field = page.get_by_role("textbox", name="Name", exact=True)
    shown = "document.querySelector('[data-testid=stMain] strong')?.innerText"
    for text in HOSTILE:
        before = page.evaluate(shown)
        field.fill(text)
        field.press("Enter")
        page.get_by_role("button", name="Save", exact=True).click()
        page.wait_for_function(f"before => {shown} && {shown} !== before", arg=before, timeout=PATIENCE_MS)
        assert plain(page.evaluate(shown)) == plain(" ".join(text.split()))
        assert page.evaluate("window.pwned") is None
        assert page.evaluate(REACHES_OUT) == []
    assert plain(store.get(run_id).name) == plain(HOSTILE[-1])
