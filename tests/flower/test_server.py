"""The server's app: a run of the store with nodes as clients, and nodes that have images of their own."""

from __future__ import annotations

import os
import threading
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

pytest.importorskip("flwr", reason="Flower is not installed: pip install 'fedlab_core[flower]'")

from fedlab_core.experiment import Experiment, SettingError
from fedlab_core.flower.client_app import this_node
from fedlab_core.flower.deploy import CERTIFICATES, deploy, free_ports, trust
from fedlab_core.flower.server_app import Settings, carry_out
from fedlab_core.runs.info import Where
from fedlab_core.runs.store import RunError, RunStore
from fedlab_core.simulation import simulate
from tests.flower.grid import HereGrid

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SMALL = Experiment().replace(
    {"model.name": "mlp", "data.num_clients": 4, "federation.rounds": 3, "federation.local_epochs": 1}
)


@pytest.fixture
def store(tmp_path: Path):
    with RunStore(tmp_path / "runs.sqlite") as opened:
        yield opened


def claimed(store: RunStore, experiment: Experiment, nodes: int) -> str:
    where = {"where": Where(nodes=nodes).model_dump()}
    run_id = store.create(experiment, status="interrupted", machine=where)
    store.claim(run_id)
    return run_id


def test_a_run_is_stored_round_by_round(store: RunStore) -> None:
    run_id = claimed(store, SMALL, 2)
    carry_out(store, run_id, HereGrid.of(2), Settings(nodes=2))
    info = store.get(run_id)
    assert (info.status, info.rounds_done) == ("finished", 3)
    assert info.where == Where(nodes=2)
    assert info.where.text() == "Flower on this machine, 2 nodes"
    here = list(simulate(SMALL))
    assert [row["upload_bytes"] for row in store.rows(run_id)] == [record.upload_bytes for record in here]


def test_a_run_that_was_interrupted_goes_on(store: RunStore) -> None:
    run_id = claimed(store, SMALL, 2)
    first, second = list(simulate(SMALL))[:2]
    store.save_round(run_id, first)
    store.save_round(run_id, second)
    grid = HereGrid.of(2)
    carry_out(store, run_id, grid, Settings(nodes=2))
    assert store.get(run_id).status == "finished"
    assert [kind for kind, _ in grid.asked].count("train") == 4  # two nodes, two rounds


def test_what_cannot_be_carried_out_is_a_failed_run(store: RunStore) -> None:
    run_id = claimed(store, SMALL, 2)
    grid = HereGrid.of(2)
    grid.settings = {node: {**settings, "folder": "/no/such/folder"} for node, settings in grid.settings.items()}
    grid.settings.pop(101)
    with pytest.raises(ValueError, match="none of 1 nodes has connected"):
        carry_out(store, run_id, grid, Settings(nodes=1, connect_s=0.1))
    assert store.get(run_id).status == "failed"
    assert "none of 1 nodes" in store.get(run_id).error


def test_the_run_config_of_pyproject_is_that_of_the_app() -> None:
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["flwr"]["app"]
    assert table["config"] == Settings().model_dump()
    assert set(table["components"]) == {"serverapp", "clientapp"}


def test_settings_are_read_and_refused() -> None:
    assert Settings(set="data.alpha=0.1 'model.name=mlp'").changes() == {"data.alpha": "0.1", "model.name": "mlp"}
    with pytest.raises(SettingError, match="set has 'nonsense'"):
        Settings(set="nonsense").changes()
    with pytest.raises(ValueError, match="nodes"):
        Settings(nodes=0)


# Images of one's own


def write_images(folder: Path, classes: Mapping[str, int], count: int, side: int = 8) -> Path:
    """Grey pictures, a class as bright as it says."""
    for name, level in classes.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            Image.new("L", (side, side), level + number % 20).save(folder / name / f"{number}.png")
    return folder


CLASSES = {"dark": 10, "light": 200, "middle": 100}


@pytest.fixture
def own(tmp_path: Path) -> tuple[Experiment, HereGrid]:
    """A server with a test set, and two nodes with unlike numbers of images; the second lacks a class."""
    server = write_images(tmp_path / "server", CLASSES, 10)
    first = write_images(tmp_path / "first", CLASSES, 20)
    second = write_images(tmp_path / "second", {"dark": 10, "middle": 100}, 5)
    experiment = SMALL.replace(
        {"data.dataset": "images", "data.path": str(server), "data.num_clients": 2, "data.partition": "iid"}
    )
    folders: list[Mapping[str, Any]] = [
        {"partition-id": node, "num-partitions": 2, "folder": str(folder)}
        for node, folder in enumerate((first, second))
    ]
    return experiment, HereGrid(folders)


def test_nodes_train_on_their_own_images_and_the_server_tests_on_its_own(store: RunStore, own) -> None:
    experiment, grid = own
    run_id = claimed(store, experiment.replace({"federation.rounds": 8}), 2)
    carry_out(store, run_id, grid, Settings(nodes=2))
    rows = store.rows(run_id)
    assert store.get(run_id).status == "finished"
    assert rows[-1]["dropped"] == []
    assert rows[-1]["test_accuracy"] == 1 > rows[0]["test_accuracy"]
    sizes = [node.examples for node in (this_node(settings) for settings in grid.settings.values())]
    assert sizes == [48, 8]
    flops = {row["dense_flops"] for row in rows[1:]}
    assert len(flops) == 1
    assert flops.pop() % sum(sizes) == 0


def test_a_node_that_lies_about_its_examples_later_is_left_out(store: RunStore, own) -> None:
    experiment, grid = own
    grid.settings[101]["fault"] = "examples"
    run_id = claimed(store, experiment, 2)
    carry_out(store, run_id, grid, Settings(nodes=2))
    reasons = {tuple(one) for row in store.rows(run_id)[1:] for one in row["dropped"]}
    assert reasons == {(1, "claims 800 examples; the client has 8")}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"folder": "odd"}, "images of node 1 are (1, 9, 9), those of the server are (1, 8, 8)"),
        ({"num-partitions": 3}, "data.num_clients is 2; a node says that there are 3"),
        ({"folder": None}, "1 of 2 nodes have images of their own; allowed are all or none"),
    ],
)
def test_nodes_that_do_not_fit_are_refused(
    store: RunStore, own, tmp_path: Path, change: Mapping[str, Any], sentence: str
) -> None:
    experiment, grid = own
    write_images(tmp_path / "odd", CLASSES, 4, side=9)
    settings = {**grid.settings[101], **change}
    if settings["folder"] == "odd":
        settings["folder"] = str(tmp_path / "odd")
    grid.settings[101] = {key: value for key, value in settings.items() if value is not None}
    run_id = claimed(store, experiment, 2)
    with pytest.raises(SettingError) as caught:
        carry_out(store, run_id, grid, Settings(nodes=2))
    assert str(caught.value) == sentence == store.get(run_id).error


def test_a_class_that_the_server_does_not_know_loses_the_node(store: RunStore, own, tmp_path: Path) -> None:
    experiment, grid = own
    grid.settings[101]["folder"] = str(write_images(tmp_path / "more", {"dark": 10, "purple": 60}, 5))
    run_id = claimed(store, experiment, 2)
    carry_out(store, run_id, grid, Settings(nodes=2))
    (client, reason), *_ = store.rows(run_id)[1]["dropped"]
    assert client == 1
    assert "class purple of this node is none of the server's: dark, light, middle" in reason


def test_a_path_that_the_server_names_is_never_opened(store: RunStore, own) -> None:
    experiment, grid = own
    for settings in grid.settings.values():
        settings.pop("folder")
    run_id = claimed(store, experiment, 2)
    carry_out(store, run_id, grid, Settings(nodes=2))
    rows = store.rows(run_id)
    assert all(row["skipped"] for row in rows[1:])
    assert "data.path is ''" in rows[1]["dropped"][0][1]


def test_a_method_that_needs_examples_first_says_that_they_are_elsewhere(store: RunStore, own) -> None:
    experiment, grid = own
    run_id = claimed(store, experiment.replace({"strategy.name": "snip"}), 2)
    with pytest.raises(ValueError, match=r"the examples of client \d are at its node"):
        carry_out(store, run_id, grid, Settings(nodes=2))
    assert store.get(run_id).status == "failed"


# Addresses


def test_a_superlink_elsewhere_needs_a_certificate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(CERTIFICATES, raising=False)
    for local in ("127.0.0.1:8000", "localhost:8000", "[::1]:8000"):
        assert trust(local) == "insecure = true"
    with pytest.raises(RunError, match=r"lab.example:8000 is not on this machine; say in FEDLAB_CERTIFICATES"):
        trust("lab.example:8000")
    monkeypatch.setenv(CERTIFICATES, str(tmp_path / 'ca "x".pem'))
    assert tomllib.loads(trust("lab.example:8000"))["root-certificates"] == str(tmp_path / 'ca "x".pem')


def test_ports_are_free_and_unlike() -> None:
    assert len(set(free_ports(5))) == 5


def test_nobody_at_the_address_is_said(store: RunStore) -> None:
    (port,) = free_ports(1)
    where = {"where": Where(nodes=1, address=f"127.0.0.1:{port}").model_dump()}
    run_id = store.create(SMALL, status="interrupted", machine=where)
    store.claim(run_id)
    with pytest.raises(RunError, match=r"the SuperLink at 127.0.0.1:\d+ refused the run"):
        deploy(store, store.get(run_id), os.getpid(), threading.Event())
