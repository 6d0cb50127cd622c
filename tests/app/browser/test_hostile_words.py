"""Whatever anybody types, uploads or writes into an address is text: nothing of it is executed, fetched or a link."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator

import pytest
import safetensors.torch

from fedlab_core.runs.blobs import metadata
from fedlab_core.runs.store import RunStore
from tests.app.browser.conftest import PATIENCE_MS
from tests.app.browser.test_newcomer import pages
from tests.app.browser.window import IN_A_BROWSER, OpenPage, main, playwright, settled, shows
from tests.app.server import Server

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
    for place, (run_id, name) in enumerate(zip(named, HOSTILE, strict=True)):
        where = pages()[place % len(pages())]
        page.goto(f"{server.url}/{where}?run={run_id}&runs={','.join(named)}")
        harmless(page)
        page.goto(f"{server.url}/run?run={run_id}")
        shows(page, re.compile(rf"{run_id}$"))
        harmless(page)
        assert plain(name) in plain(main(page).inner_text())


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
