"""What docs/DEPLOY.md and the files for Docker tell a reader to type is what Flower's programs and ours accept."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("flwr", reason="the extra flower is not installed")

from flwr.superlink.cli.flower_superlink import _parse_args_run_superlink
from flwr.supernode.cli.flower_supernode import _parse_args_run_supernode

from fedlab_core.cli import app
from fedlab_core.flower.certificates import write_certificates
from fedlab_core.flower.server_app import Settings
from fedlab_core.runs.recipes import recipe

DOCS = Path(__file__).parents[2] / "docs"
GUIDE = (DOCS / "DEPLOY.md").read_text(encoding="utf-8")
PARSERS = {"flower-superlink": _parse_args_run_superlink, "flower-supernode": _parse_args_run_supernode}
VARIABLE = re.compile(r"\w+=\S+")


def blocks(language: str) -> list[str]:
    """The guide's examples in a language; none is what is typed."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", GUIDE, flags=re.DOTALL | re.MULTILINE)
    return [text for name, text in fenced if name == language]


def typed() -> Iterator[list[str]]:
    """The guide's commands as words, without variables that are set before them."""
    for block in blocks(""):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            while words and VARIABLE.fullmatch(words[0]):
                words = words[1:]
            if words:
                yield words


def services() -> dict[str, Any]:
    return yaml.safe_load((DOCS / "deploy" / "docker-compose.yml").read_text())["services"]


def mounted(service: dict[str, Any]) -> dict[str, str]:
    """Path inside the container -> path beside the compose file, or name of a volume."""
    return {mount.split(":")[1]: mount.split(":")[0] for mount in service["volumes"]}


@pytest.mark.parametrize("program", sorted(PARSERS))
def test_flower_accepts_the_commands_of_guide_and_compose_file(program: str) -> None:
    commands = [*typed(), *(shlex.split(one["command"]) for one in services().values())]
    options = [words[1:] for words in commands if words[0] == program]
    assert len(options) >= 2
    for own in options:
        PARSERS[program]().parse_args(own)  # ends the process if it does not know an option


def test_runs_of_the_guide_can_be_built() -> None:
    submitted = [words[words.index("--run-config") + 1] for words in typed() if words[:2] == ["flwr", "run"]]
    assert len(submitted) >= 2
    for line in submitted:
        pairs = [pair.partition("=") for pair in shlex.split(line)]
        settings = Settings.model_validate({key: value for key, _, value in pairs})
        recipe(settings.recipe).replace(settings.changes())


def test_fedlab_commands_of_the_guide_exist() -> None:
    known = {command.name for command in app.registered_commands}
    used = {words[1] for words in typed() if words[0] == "fedlab"}
    assert used == {"deploy"}
    assert used <= known


def test_links_and_settings_of_the_guide_are_well_formed() -> None:
    assert [link for link in re.findall(r"\]\(([^)#:]+)\)", GUIDE) if not (DOCS / link).exists()] == []
    tables = [tomllib.loads(block) for block in blocks("toml")]
    assert [list(table["superlink"]) for table in tables] == [["lab"], ["cluster"]]


def test_every_container_has_the_files_that_its_command_names_and_no_others_key(tmp_path: Path) -> None:
    made = {f"./certificates/{path.name}" for path in write_certificates(tmp_path / "new", ["superlink"], nodes=2)}
    keys = {}
    for name, service in services().items():
        files = mounted(service)
        assert {word for word in shlex.split(service["command"]) if word.startswith("/srv/certificates/")} <= set(files)
        assert {source for source in files.values() if "certificates" in source} <= made
        keys[name] = {source for source in files.values() if source.endswith(".key")}
    assert {name: len(own) for name, own in keys.items()} == {"superlink": 1, "dashboard": 0, "node0": 1, "node1": 1}
    assert len(set.union(*keys.values())) == 3


def test_superlink_and_dashboard_share_runs_and_process_numbers_and_nothing_is_open_to_other_machines() -> None:
    named = services()
    assert mounted(named["superlink"])["/srv/runs"] == mounted(named["dashboard"])["/srv/runs"] == "runs"
    assert named["dashboard"]["pid"] == "service:superlink"
    ports = {name: service.get("ports", []) for name, service in named.items()}
    assert {name for name, own in ports.items() if own} == {"dashboard"}
    assert all(port.startswith("127.0.0.1:") for port in ports["dashboard"])


def test_what_flwr_in_a_container_trusts_is_mounted_there() -> None:
    (connection,) = tomllib.loads((DOCS / "deploy" / "flower.toml").read_text())["superlink"].values()
    files = mounted(services()["superlink"])
    assert connection["root-certificates"] in files
    assert files["/srv/flower/config.toml"] == "./flower.toml"
