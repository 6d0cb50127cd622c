"""The example in CONTRIBUTING is a real strategy: dropped into the package, everything finds it."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.environment import unmeasured

pytestmark = pytest.mark.slow  # a process of its own

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def package_with_example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package and the app with one file more."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    match = re.search(r"```python\n# fedlab_core/strategies/(\w+\.py)\n(.*?)```", text, re.DOTALL)
    assert match, "CONTRIBUTING has no strategy example"
    name, code = match.groups()
    assert len(code.splitlines()) < 60
    copy = tmp_path_factory.mktemp("copy")
    for folder in ("fedlab_core", "app"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "fedlab_core" / "strategies" / name).write_text(code)
    return copy


# All three in one process: most of the time of each would be that of importing PyTorch.
SCRIPT = """
import json, sys
import pytest

contract = int(pytest.main(sys.argv[1:]))  # first: it wants to import its plug-ins itself

from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner
from fedlab_core.cli import app

settings = ["--set", "strategy.name=linear-layerwise", "--set", "strategy.final_sparsity=0.5", "--rounds", "2"]
command = CliRunner().invoke(app, ["run", "fedavg-digits", *settings, "--json"])
page = AppTest.from_file("app/main.py", default_timeout=60).run()
page.switch_page("views/run.py").run()
offered = [option for box in page.selectbox for option in box.options]
print(json.dumps({"command": command.stdout, "offered": offered, "contract": contract}))
"""


@pytest.fixture(scope="module")
def seen(package_with_example: Path) -> dict[str, Any]:
    """What a process that imports the copy has printed, run, and been offered."""
    contract = str(ROOT / "tests" / "strategies" / "test_contract.py")
    options = ["-q", "-p", "no:cacheprovider", "-k", "linear-layerwise", "-c", str(ROOT / "pyproject.toml")]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, contract, *options],
        cwd=package_with_example,
        env=unmeasured(PYTHONPATH=str(package_with_example), FEDLAB_STORE=str(package_with_example / "runs.sqlite")),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    *printed, found = done.stdout.splitlines()
    return json.loads(found) | {"printed": "\n".join(printed)}


def test_command_line_runs_it(seen: dict[str, Any]) -> None:
    rounds = [json.loads(line) for line in seen["command"].splitlines()]
    assert rounds[1]["sparsity"] == pytest.approx(0.5, abs=0.001)


def test_contract_covers_it(seen: dict[str, Any]) -> None:
    assert seen["contract"] == 0, seen["printed"]
    assert "10 passed" in seen["printed"]


def test_dashboard_offers_it(seen: dict[str, Any]) -> None:
    assert "Layer-wise, linear" in seen["offered"]
