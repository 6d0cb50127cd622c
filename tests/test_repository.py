"""What the repository promises beside its code: lists that agree, files fit to publish, commands that exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from fedlab_core.cli import app
from fedlab_core.runs.recipes import recipe

ROOT = Path(__file__).parents[1]
EXTRAS = ("app", "brain", "flower", "notebooks", "onnx", "dev")
DOCUMENTS = ("README.md", "CONTRIBUTING.md")
MAX_BYTES = 5_000_000

# Absolute paths of somebody's machine, and addresses of package indexes: neither is of use to anybody else.
MACHINE_PATH = re.compile(r"(?<![\w.~:/}>-])/(home|root|Users|work|farm|mnt|tmp)/\w")
INDEX_ADDRESS = re.compile(r"pypi[.]org|python[h]osted|download[.]pytorch|conda[.]anaconda|index-[u]rl|find-[l]inks")


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def project() -> dict[str, Any]:
    return tomllib.loads(read("pyproject.toml"))["project"]


def requirements() -> list[str]:
    """What `pip install -e .[app,brain,flower,notebooks,onnx,dev]` asks for directly."""
    table = project()
    return table["dependencies"] + [line for extra in EXTRAS for line in table["optional-dependencies"][extra]]


def pins() -> dict[str, str]:
    """Package -> tested version, from constraints.txt; every line that is no comment must be `name==version`."""
    lines = [line for line in read("constraints.txt").splitlines() if line and not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9-]+==[0-9a-z.]+", line)] == []
    return dict(line.split("==") for line in lines)


def complaints(path: str, content: bytes) -> Iterator[str]:
    """What must not be published in this file."""
    if len(content) > MAX_BYTES:
        yield f"{path}: {len(content):,} bytes; at most {MAX_BYTES:,}"
    if b"\0" in content[:8000]:
        return  # not text
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), start=1):
        for pattern in (MACHINE_PATH, INDEX_ADDRESS):
            if hit := pattern.search(line):
                yield f"{path}:{number}: {hit.group()}"


def targets() -> dict[str, str]:
    """Target of the Makefile -> the help text beside it."""
    return dict(re.findall(r"^([a-z]+):.*## (.*)$", read("Makefile"), flags=re.MULTILINE))


def commands(document: str) -> set[str]:
    """Targets that a document tells its reader to make, in code only: prose may "make sense"."""
    code = re.findall(r"```.*?```|`[^`\n]+`", read(document), flags=re.DOTALL)
    return {target for part in code for target in re.findall(r"\bmake ([a-z]+)\b", part)}


def fedlab_commands(document: str) -> list[list[str]]:
    """What a document tells its reader to type after `fedlab`, without the comment at the end of the line."""
    lines = re.findall(r"^(?:\w+=\S+ )?fedlab (.*)$", read(document), flags=re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines]


def links(document: str) -> set[str]:
    """Files that a document links to; comments are not seen by the reader."""
    text = re.sub(r"<!--.*?-->", "", read(document), flags=re.DOTALL)
    return {link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link}


def test_environment_yml_asks_for_the_same_packages_as_pyproject() -> None:
    environment = yaml.safe_load(read("environment.yml"))
    conda, (pip,) = environment["dependencies"][:-1], environment["dependencies"][-1].values()
    assert environment["name"] == "fedlab"
    assert conda == [f"python{project()['requires-python']}", "pip"]
    assert sorted(pip) == sorted([*requirements(), "-c constraints.txt", "-e ."])


def test_constraints_pin_every_direct_dependency_to_an_allowed_version() -> None:
    tested = pins()
    for requirement in map(Requirement, requirements()):
        version = tested.get(canonicalize_name(requirement.name))
        assert version is not None, f"constraints.txt has no version of {requirement.name}"
        assert version in requirement.specifier, f"{requirement.name} {version} is not {requirement.specifier}"


def test_constraints_hold_no_package_that_belongs_to_one_platform() -> None:
    assert [name for name in pins() if name.startswith(("nvidia-", "cuda-", "triton"))] == []


def test_tracked_files_are_small_and_name_no_machine_and_no_package_index() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    paths = [path for path in listed.stdout.split("\0") if path and (ROOT / path).is_file()]
    assert "pyproject.toml" in paths
    assert [found for path in paths for found in complaints(path, (ROOT / path).read_bytes())] == []


@pytest.mark.parametrize(
    "content",
    [
        b"x" * (MAX_BYTES + 1),
        b"open('/" + b"home/ada/data.csv')",
        b"cd /" + b"tmp/try",
        b"https://pypi" + b".org/simple",
        b"--index" + b"-url",
    ],
)
def test_the_check_of_files_sees_an_offence(content: bytes) -> None:
    assert list(complaints("some/file", content))


@pytest.mark.parametrize("content", [b"docs/home/page.md", b"https://example.com/home/page", b"\0/" + b"home/x"])
def test_the_check_of_files_lets_harmless_text_pass(content: bytes) -> None:
    assert list(complaints("some/file", content)) == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_of_the_documents_exist(document: str) -> None:
    assert commands(document)
    assert commands(document) <= set(targets())


def test_fedlab_commands_of_the_readme_exist() -> None:
    known = {command.name for command in app.registered_commands}
    assert {words[0] for words in fedlab_commands("README.md")} <= known


def test_runs_of_the_readme_can_be_built() -> None:
    runs = [words for words in fedlab_commands("README.md") if words[0] == "run"]
    assert len(runs) >= 3
    for _, name, *options in runs:
        settings = [after for option, after in pairwise(options) if option == "--set"]
        recipe(name).replace(dict(setting.split("=") for setting in settings))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_of_the_documents_lead_somewhere(document: str) -> None:
    assert [link for link in links(document) if not (ROOT / link).exists()] == []


def test_make_help_lists_every_target() -> None:
    (phony,) = re.findall(r"^\.PHONY: (.*)$", read("Makefile"), flags=re.MULTILINE)
    assert phony.split() == list(targets())
    printed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert [name for name, text in targets().items() if name not in printed or text not in printed] == []


def test_there_is_one_version() -> None:
    version = project()["version"]
    assert f'__version__ = "{version}"' in read("fedlab_core/__init__.py")
    assert str(yaml.safe_load(read("CITATION.cff"))["version"]) == version
    assert f"## {version}" in read("CHANGELOG.md")


def test_licences_are_the_ones_that_pyproject_names() -> None:
    assert project()["license"] == yaml.safe_load(read("CITATION.cff"))["license"] == "Apache-2.0"
    assert [name for name in project()["license-files"] if not (ROOT / name).is_file()] == []
    assert "Apache License" in read("LICENSE")
    assert "CC-BY-4.0" in read("LICENSE-docs")


def test_pre_commit_fetches_nothing() -> None:
    assert {entry["repo"] for entry in yaml.safe_load(read(".pre-commit-config.yaml"))["repos"]} == {"local"}


def test_streamlit_knows_every_setting_and_calls_nobody() -> None:
    config = pytest.importorskip("streamlit.config")
    text = read(".streamlit/config.toml")
    settings = tomllib.loads(text)
    known = set(config._config_options_template)

    def names(table: dict[str, Any], prefix: str = "") -> Iterator[str]:
        for key, value in table.items():
            yield from names(value, f"{prefix}{key}.") if isinstance(value, dict) else [prefix + key]

    assert set(names(settings)) <= known
    assert settings["browser"]["gatherUsageStats"] is False
    assert settings["global"]["minCachedMessageSize"] > 1e9  # no references, which going back quickly would break
    assert "address" in settings["server"]  # without it Streamlit asks the internet for this machine's address
    assert "http" not in text  # no fonts, logos or scripts from elsewhere
