"""The picture of a step: who acts, what travels, which numbers stand where."""

from __future__ import annotations

from typing import Any

import pytest

from fedlab_core.metrics import ACCURACY, MAE
from fedlab_core.plots.style import DARK, DOWNLINK, LIGHT, UPLINK
from fedlab_core.plots.tables import figure_words
from fedlab_core.plots.theatre import CLIENTS, NAMES, scene_facts, scene_picture
from fedlab_core.theatre import Scene, Step

VALUES = {"before": 0.9, "after": 0.88, "pruned": 1234.0, "grown": 0.0, "votes needed": 2.0, "unanimous": 0.75}


def scene(step: Step, **changes: Any) -> Scene:
    """Three of five clients in round 4; a quarter of the server's weights are gone, half of the clients'."""
    settings: dict[str, Any] = {
        "round": 4,
        "clients": (0, 2, 3),
        "num_clients": 5,
        "server_sparsity": 0.25,
        "client_sparsity": 0.5,
        "metric": ACCURACY,
        "each": (1000.0, 2000.0, 3000.0) if step != "devices" else (0.25, 0.5, 0.75),
        "total": 6000 if step in ("send", "return") else None,
        "values": VALUES,
    }
    return Scene(step, **{**settings, **changes})


def title(made: Scene) -> str:
    return scene_picture(made, 1, 2).layout.title.text.replace("<br>", " ")


@pytest.mark.parametrize(
    ("step", "sentence"),
    [
        ("send", "The server sends its model to 3 of 5 clients: 6 kB"),
        ("train", "3 clients train on 6,000 examples of their own, which stay where they are"),
        ("prune", "Each client prunes its own model before it sends it"),
        ("return", "3 clients return 6 kB, 2 kB each on average"),
        ("merge", "The server merges 3 models into one; its accuracy is 90 %"),
        ("vote", "2 of 3 votes keep a weight; clients agree on 75 % of them, and 1,234 go"),
        ("purge", "1,234 weights go: 25 % are pruned, the accuracy goes from 90 % to 88 %"),
        ("devices", "Each device keeps a sub-network of its own: 25 % to 75 % of the FLOPs of the whole network"),
    ],
)
def test_the_title_says_what_happens(step: Step, sentence: str) -> None:
    assert title(scene(step)) == sentence


def test_other_words_for_other_rounds() -> None:
    assert "channels that matter" in title(scene("train", values={"gated layers": 2.0}))
    assert title(scene("prune", values={"target": 0.6})).endswith("the schedule asks for 60 %")
    assert "5 weights go and 5 come back" in title(scene("purge", values={**VALUES, "pruned": 5.0, "grown": 5.0}))
    assert "stays 88 %" in title(scene("purge", values={**VALUES, "before": 0.88}))
    assert "its mean absolute error is 4.5 years" in title(scene("merge", metric=MAE, values={"before": 4.5}))
    assert "merges 1 model into" in title(scene("merge", clients=(0,), each=(1.0,)))


@pytest.mark.parametrize(("step", "name", "line"), [("send", "downlink", DOWNLINK), ("return", "uplink", UPLINK)])
def test_what_travels_is_an_arrow_for_each_client(step: Step, name: str, line: dict[str, Any]) -> None:
    arrows = scene_picture(scene(step), 1, 5).data
    assert [trace.name for trace in arrows] == [name] * 3
    assert all(trace.line.to_plotly_json() == line for trace in arrows)
    assert all((trace.y[1] < trace.y[0]) == (step == "send") for trace in arrows)
    assert [trace.showlegend for trace in arrows] == [True, False, False]


@pytest.mark.parametrize("step", ["train", "prune", "merge", "vote", "purge", "devices"])
def test_nothing_travels_in_other_steps_and_who_acts_is_framed(step: Step) -> None:
    figure = scene_picture(scene(step), 1, 5)
    assert not figure.data
    frames = [shape.line.width for shape in figure.layout.shapes if not shape.fillcolor]
    server, *clients = [width > 2 for width in frames]
    assert server == (step in ("merge", "vote", "purge", "devices"))
    assert clients == [step in ("train", "prune", "devices")] * 3


@pytest.mark.parametrize(("dark", "look"), [(False, LIGHT), (True, DARK)])
def test_small_masks_are_as_sparse_as_the_models(dark: bool, look: Any) -> None:
    cells = [
        shape.fillcolor for shape in scene_picture(scene("prune"), 1, 5, dark=dark).layout.shapes if shape.fillcolor
    ]
    assert len(cells) == 16 * 4
    assert cells.count(look.pruned) == 4 + 3 * 8
    unknown = scene_picture(scene("prune", client_sparsity=None), 1, 5, dark=dark)
    assert sum(bool(shape.fillcolor) for shape in unknown.layout.shapes) == 16, "what is not stored is not drawn"


def test_each_client_has_its_own_number() -> None:
    words = " ".join(figure_words(scene_picture(scene("send"), 2, 6)))
    assert "Round 4, step 2 of 6: send" in words
    assert "client 2 2 kB" in words
    assert "server 25 % pruned" in words
    unknown = " ".join(figure_words(scene_picture(scene("return", each=()), 1, 5)))
    assert "client 2 2 kB, mean" in unknown
    assert "client 3 75 % of FLOPs" in " ".join(figure_words(scene_picture(scene("devices"), 1, 5)))
    assert "client 0 1,000 examples" in " ".join(figure_words(scene_picture(scene("train"), 1, 5)))


def test_many_clients_are_counted() -> None:
    many = scene("train", clients=tuple(range(20)), each=(5.0,) * 20)
    words = figure_words(scene_picture(many, 1, 5))
    assert sum(word.startswith("client ") for word in words) == CLIENTS
    assert "and 14 more clients" in words


def test_the_facts_are_those_of_the_scene() -> None:
    assert scene_facts(scene("purge", values={**VALUES, "target": 0.25})) == {
        "clients": "3 of 5",
        "sparsity": "25 %",
        "the schedule asks for": "25 %",
        "accuracy, just before pruning": "90 %",
        "accuracy, after the round": "88 %",
        "weights pruned": "1,234",
        "weights grown": "0",
    }
    assert scene_facts(scene("send", values={}))["bytes, all clients"] == "6 kB"
    assert scene_facts(scene("train", values={"training loss": 0.1234}))["training loss"] == "0.123"
    assert scene_facts(scene("devices", values={"server's FLOPs": 0.8}))["FLOPs of the server's network"] == "80 %"


def test_every_step_has_a_name() -> None:
    assert set(NAMES) == set(Step.__args__)  # type: ignore[attr-defined]
