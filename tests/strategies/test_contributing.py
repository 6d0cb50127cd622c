"""The example in CONTRIBUTING is a real strategy: dropped into the package, everything finds it."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.environment import unmeasured

pytestmark = pytest.mark.slow  # processes come and go

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


def python(package: Path, *arguments: str) -> str:
    environment = unmeasured(PYTHONPATH=str(package), FEDLAB_STORE=str(package / "runs.sqlite"))
    done = subprocess.run(
        [sys.executable, *arguments], cwd=package, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_command_line_runs_it(package_with_example: Path) -> None:
    settings = ["--set", "strategy.name=linear-layerwise", "--set", "strategy.final_sparsity=0.5", "--rounds", "2"]
    lines = python(package_with_example, "-m", "fedlab_core.cli", "run", "fedavg-digits", *settings, "--json")
    rounds = [json.loads(line) for line in lines.splitlines()]
    assert rounds[1]["sparsity"] == pytest.approx(0.5, abs=0.001)


def test_contract_covers_it(package_with_example: Path) -> None:
    contract = str(ROOT / "tests" / "strategies" / "test_contract.py")
    options = ["-q", "-p", "no:cacheprovider", "-k", "linear-layerwise", "-c", str(ROOT / "pyproject.toml")]
    assert "9 passed" in python(package_with_example, "-m", "pytest", contract, *options)


def test_dashboard_offers_it(package_with_example: Path) -> None:
    script = """
from streamlit.testing.v1 import AppTest
page = AppTest.from_file("app/main.py", default_timeout=60).run()
page.switch_page("views/run.py").run()
print([option for box in page.selectbox for option in box.options])
"""
    assert "Layer-wise, linear" in python(package_with_example, "-c", script)
