"""The course in JupyterLab and a real browser: run all cells, move a slider, answer wrong, then right."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import pytest

from tests.environment import PATIENCE_MS, unmeasured

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
START_S = 120.0
PICTURES = os.environ.get("PICTURES")
"""A folder for pictures of what was seen, for whoever wants to look."""


SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none"},  # every cell is in the page, also where nobody looks
    "apputils-extension/notification": {"fetchNews": "false"},
}


class Story(NamedTuple):
    """What a student does in a notebook: moves a slider; answers an exercise, wrong first, which breaks a law."""

    lesson: str
    slider: str
    exercise: str
    wrong: str
    law: str
    right: str


MEAN = "{{name: sum({share} * u.params[name] for u in updates) for name in updates[0].params}}"
STORIES = [
    Story(
        lesson="01",
        slider="local epochs E",
        exercise="01.1",
        wrong=f"def aggregate(updates):\n    return {MEAN.format(share='1 / len(updates)')}",
        law="a client counts by its number of examples",
        right="def aggregate(updates):\n    total = sum(u.num_examples for u in updates)\n"
        f"    return {MEAN.format(share='u.num_examples / total')}",
    ),
    Story(
        lesson="08",
        slider="server p_s",
        exercise="08.2",
        wrong="def straight_through(y_C):\n    return (y_C >= 0.5).float()",
        law="backward, a gradient gets through at all",
        right="def straight_through(y_C):\n    return (y_C >= 0.5).float() + y_C - y_C.detach()",
    ),
]


class Lab(NamedTuple):
    """A running JupyterLab: where it is, and the folder that it shows."""

    url: str
    folder: Path


@pytest.fixture(scope="module")
def lab(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab over a copy of the notebooks, with settings and progress of its own."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copytree(NOTEBOOKS, folder / "notebooks")
    for name, chosen in SETTINGS.items():
        file = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(chosen))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = {
        "ServerApp.port": port,
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.open_browser": False,
        "ServerApp.allow_root": True,
        "ServerApp.quit_button": False,
        "IdentityProvider.token": "",
        "LabApp.news_url": "None",
        "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
        "LabApp.extension_manager": "readonly",
        "LabApp.user_settings_dir": folder / "settings",
        "LabApp.workspaces_dir": folder / "workspaces",
    }
    command = [sys.executable, "-m", "jupyterlab", str(folder / "notebooks")]
    environment = unmeasured(FEDLAB_PROGRESS=str(folder / "progress.json"), OMP_NUM_THREADS="1")
    with (folder / "lab.log").open("wb") as log:
        flags = [f"--{name}={value}" for name, value in options.items()]
        process = subprocess.Popen([*command, *flags], env=environment, stdout=log, stderr=log)
    url = f"http://localhost:{port}"
    try:
        _wait_until_it_answers(url)
        yield Lab(url, folder / "notebooks")
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_it_answers(url: str) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/api/status", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise TimeoutError(f"JupyterLab did not answer within {START_S:g} s")


def picture(page: Any, name: str) -> None:
    if PICTURES:
        page.screenshot(path=f"{PICTURES}/{name}.png")


def cell(page: Any, file: Path, text: str) -> Any:
    """The code cell of the notebook that has `text`; by its place, for an editor out of sight draws no lines."""
    cells = [one.source for one in nbformat.read(file, as_version=4).cells if one.cell_type == "code"]
    (place,) = (i for i, source in enumerate(cells) if text in source)
    return page.locator(".jp-CodeCell").nth(place)


def run(page: Any, one: Any) -> None:
    """Run a cell as a student does, and wait until it has run."""
    one.locator(".cm-content").click()
    page.keyboard.press("Control+Enter")
    _idle(page)


def write(page: Any, one: Any, text: str) -> None:
    one.scroll_into_view_if_needed()
    one.locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(text)


def _idle(page: Any) -> None:
    """No cell has the star of one that is waiting or running."""
    page.wait_for_function(
        "![...document.querySelectorAll('.jp-InputPrompt')].some(one => one.textContent.includes('*'))"
    )


@pytest.mark.slow
@pytest.mark.parametrize("story", STORIES, ids=[story.lesson for story in STORIES])
def test_a_student_works_through_a_notebook(story: Story, lab: Lab, open_page: Any) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    (file,) = lab.folder.glob(f"{story.lesson}_*.ipynb")
    page = open_page(f"{lab.url}/lab/workspaces/{story.lesson}/tree/{file.name}")
    page.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for()
    page.locator(".lm-MenuBar-item", has_text=re.compile("^Run$")).click()
    picture(page, f"lab-{story.lesson}-menu")
    page.locator(".lm-Menu-item", has_text=re.compile("^Run All Cells")).first.click()
    last = page.locator(".jp-CodeCell").last
    playwright.expect(last.locator(".jp-OutputArea")).to_contain_text("dashboard", timeout=PATIENCE_MS)
    _idle(page)
    assert page.locator(".jp-RenderedText[data-mime-type='application/vnd.jupyter.stderr']").count() == 0

    explorer = page.locator(".jp-CodeCell", has=page.locator(".widget-hslider")).first
    explorer.scroll_into_view_if_needed()
    words = explorer.locator(".widget-label").last.inner_text()
    handle = explorer.locator(".widget-hslider").filter(has_text=story.slider).locator(".noUi-handle")
    handle.focus()
    start = time.monotonic()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    page.wait_for_function(
        "([one, before]) => one.innerText !== before",
        arg=[explorer.locator(".widget-label").last.element_handle(), words],
    )
    print(f"{story.lesson}: the figure follows three steps of the slider within {time.monotonic() - start:.2f} s")
    picture(page, f"lab-{story.lesson}-slider")

    stub, check = cell(page, file, f"exercise {story.exercise}"), cell(page, file, f'check("{story.exercise}"')
    write(page, stub, story.wrong)
    run(page, stub)
    run(page, check)
    playwright.expect(check).to_contain_text(story.law, timeout=PATIENCE_MS)
    playwright.expect(check).to_contain_text("Hint 1 of 3", timeout=PATIENCE_MS)
    picture(page, f"lab-{story.lesson}-wrong")
    write(page, stub, story.right)
    run(page, stub)
    run(page, check)
    playwright.expect(check).to_contain_text("passed, all", timeout=PATIENCE_MS)
    picture(page, f"lab-{story.lesson}-right")
