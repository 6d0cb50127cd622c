"""The page Masks: layers as pictures and as a network, and what clients have of their own."""

from __future__ import annotations

import json

import pytest
from streamlit.testing.v1 import AppTest

from app import engine
from fedlab_core.data.datasets import DataError
from fedlab_core.experiment import Experiment
from fedlab_core.lab import Federation
from fedlab_core.runs.execute import execute
from fedlab_core.runs.recipes import recipe
from fedlab_core.runs.store import RunStore

from .test_figures import open_page, titles

QUICK = {"federation.rounds": 2, "federation.local_epochs": 1, "data.num_clients": 3, "model.name": "mlp"}


def figure(page: AppTest, place: int) -> dict:
    return json.loads(page.get("plotly_chart")[place].proto.spec)


def has(page: AppTest, sentence: str) -> bool:
    return any(sentence in caption.value for caption in page.caption)


def test_channels_are_a_view_of_the_address(dashboard: AppTest, store: RunStore, finished_run: bytes) -> None:
    run_id = store.import_run(finished_run)
    page = open_page(dashboard, "masks", run=run_id, view="channels", layer="conv1.weight")
    gone = int((~store.masks(run_id, 3)["conv1.weight"].flatten(1).any(1)).sum())
    assert f"{gone} of 16 channels of conv1.weight are gone" in titles(page)[0]


def test_the_network_and_the_first_layer_are_those_of_the_round(
    dashboard: AppTest, store: RunStore, finished_run: bytes
) -> None:
    run_id = store.import_run(finished_run)
    page = open_page(dashboard, "masks", run=run_id, round="1")
    assert titles(page)[1].startswith("Nothing is pruned: all ")
    assert titles(page)[3] == "All 16 units of conv1.weight have all their weights"
    page.select_slider(key="masks:round").set_value(3).run()
    assert "% of the weights" in titles(page)[1]
    assert len(figure(page, 3)["layout"]["images"]) == 16


def test_one_mask_for_all_is_said_and_not_drawn(dashboard: AppTest, store: RunStore, finished_run: bytes) -> None:
    page = open_page(dashboard, "masks", run=store.import_run(finished_run))
    assert has(page, "All clients have the same mask here")
    assert not [button for button in page.button if button.key == "masks:compare"]


@pytest.mark.parametrize("strategy", ["fedsparsify-local", "dynamic-threshold"])
def test_masks_that_clients_chose_are_computed_again_when_asked_for(
    dashboard: AppTest, store: RunStore, strategy: str
) -> None:
    run_id = store.create(Experiment().replace(QUICK | {"strategy.name": strategy}), machine={"processes": 1})
    execute(store, run_id)
    page = open_page(dashboard, "masks", run=run_id)
    before = len(titles(page))
    page.button(key="masks:compare").click().run()
    assert not page.exception
    assert page.query_params["overlap"] == "2"
    assert len(titles(page)) == before + 1
    assert "Of the weights that either of two clients keeps" in titles(page)[-1]
    assert figure(page, -1)["data"][0]["x"] == ["client 0", "client 1", "client 2"]
    page.select_slider(key="masks:round").set_value(0).run()
    assert has(page, "No client has sent a mask yet")


def test_what_cannot_be_computed_again_is_explained(
    dashboard: AppTest, store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = store.create(Experiment().replace(QUICK | {"strategy.name": "fedsparsify-local"}))
    execute(store, run_id)

    def gone(experiment: Experiment) -> Federation:
        raise DataError("there is no folder")

    monkeypatch.setattr(engine, "lab", gone)
    page = open_page(dashboard, "masks", run=run_id, overlap="2")
    assert [error.value for error in page.error] == [
        "The first layer cannot be drawn here: there is no folder.",
        "The masks of the clients cannot be shown here: there is no folder.",
    ]


@pytest.mark.slow
def test_sub_networks_of_devices_and_open_channels_overlap(dashboard: AppTest, store: RunStore) -> None:
    short = {name: value for name, value in QUICK.items() if name != "model.name"}
    devices = store.create(recipe("dwnp-digits").replace(short | {"strategy.prune_after": 0.5}))
    execute(store, devices)
    page = open_page(dashboard, "masks", run=devices)
    assert "Of the weights that either of two clients keeps" in titles(page)[-1]
    assert figure(page, -1)["data"][0]["x"] == ["device 0", "device 1", "device 2"]
    gates = store.create(recipe("dynamic-gate-digits").replace(short))
    execute(store, gates)
    page = open_page(dashboard, "masks", run=gates)
    assert "Of the channels that either of two clients opens, both open" in titles(page)[-1]


@pytest.mark.slow
def test_volumes_are_shown_by_their_middle_slices(dashboard: AppTest, store: RunStore) -> None:
    settings = {"federation.rounds": 1, "federation.local_epochs": 1, "model.name": "mlp"}
    run_id = store.create(recipe("fedsparsify-brains").replace(settings | {"federation.learning_rate": 1e-4}))
    execute(store, run_id)
    page = open_page(dashboard, "masks", run=run_id)
    assert "middle slice" in figure(page, 3)["layout"]["title"]["subtitle"]["text"].replace("<br>", " ")
