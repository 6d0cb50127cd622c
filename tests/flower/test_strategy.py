"""Rounds over Flower's nodes are the engine's rounds; nodes run in this process here."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest
import torch

pytest.importorskip("flwr", reason="Flower is not installed: pip install 'fedlab_core[flower]'")

from flwr.app import ArrayRecord, ConfigRecord, Message, RecordDict

from fedlab_core.experiment import Experiment
from fedlab_core.federation.trainer import no_step_hook
from fedlab_core.flower.messages import ANSWER, Node, pack_node, read_node, read_task
from fedlab_core.flower.nodes import Roll
from fedlab_core.flower.strategy import PruningStrategy
from fedlab_core.lab import Federation
from fedlab_core.rounds import run_round
from fedlab_core.simulation import simulate
from fedlab_core.strategies import strategy_names
from fedlab_core.types import RoundRecord
from tests.cases import model_for
from tests.flower.grid import Change, HereGrid

SMALL = Experiment().replace(
    {
        "model.name": "mlp",
        "data.num_clients": 5,
        "federation.rounds": 2,
        "federation.local_epochs": 1,
        "federation.participation": 0.8,
    }
)


def over_flower(experiment: Experiment, grid: HereGrid, deadline_s: float = 0.2) -> list[RoundRecord]:
    federation = Federation.of(experiment)
    strategy = PruningStrategy(federation, federation.initial_state(), deadline_s)
    return list(simulate(experiment, one_round=partial(strategy.one_round, grid)))


def same_in_all_but_time(one: RoundRecord, other: RoundRecord) -> None:
    rows = [{k: v for k, v in record.to_json().items() if k != "round_s"} for record in (one, other)]
    assert rows[0].keys() == rows[1].keys()
    for key, value in rows[0].items():
        assert value == (pytest.approx(rows[1][key], abs=2e-3) if isinstance(value, float) else rows[1][key]), key


@pytest.mark.slow
@pytest.mark.parametrize("name", strategy_names())
def test_every_method_ends_in_the_same_weights_and_bytes(name: str) -> None:
    """One client after the other: nothing but the order of sums in a convolution may differ."""
    model = model_for(name)
    experiment = SMALL.replace({"strategy.name": name, "model.name": model, "federation.trainer": "loop"})
    if model != "mlp":
        experiment = experiment.replace({"federation.rounds": 1, "data.num_clients": 3})
    here, there = list(simulate(experiment)), over_flower(experiment, HereGrid.of(2))
    for one, other in zip(here, there, strict=True):
        assert (one.upload_bytes, one.download_bytes) == (other.upload_bytes, other.download_bytes)
        assert one.effective_flops == other.effective_flops
        assert other.dropped == ()
        there_too = other.state.tensors()
        for key, tensor in one.state.tensors().items():
            torch.testing.assert_close(tensor, there_too[key], atol=1e-6, rtol=0)


def test_stacked_clients_end_within_rounding() -> None:
    """On a node fewer clients are stacked, so sums are rounded otherwise."""
    here, there = list(simulate(SMALL)), over_flower(SMALL, HereGrid.of(2))
    for one, other in zip(here, there, strict=True):
        same_in_all_but_time(one, other)
        for name, weight in one.state.params.items():
            torch.testing.assert_close(weight, other.state.params[name], atol=1e-5, rtol=0)


def test_each_node_gets_its_own_clients_and_shared_payloads_once() -> None:
    grid = HereGrid.of(2)
    over_flower(SMALL, grid)
    assert grid.asked[:2] == [("query", 100), ("query", 101)]
    assert [kind for kind, _ in grid.asked].count("query") == 2
    tasks = [read_task(content) for content in grid.contents[:2]]
    assert [{one.client_id % 2 for one in task.downloads} for task in tasks] == [{0}, {1}]
    parts = grid.contents[0]["fedlab.task"]["parts"]
    assert len(parts) == 2  # the model, and that nobody has a memory of his own
    assert tasks[0].downloads[0].payload is tasks[0].downloads[-1].payload


def test_flowers_own_loop_can_drive_the_strategy() -> None:
    federation = Federation.of(SMALL)
    strategy = PruningStrategy(federation, federation.initial_state())
    result = strategy.start(HereGrid.of(2), ArrayRecord(), num_rounds=2)
    server = federation.initial_state()
    for round in (1, 2):
        server = run_round(federation, server, federation.context(round)).state
    for name, weight in server.params.items():
        found = result.arrays.to_torch_state_dict()[name]
        torch.testing.assert_close(weight, found, atol=1e-5, rtol=0)
    assert result.train_metrics_clientapp[2]["test_accuracy"] == strategy.record.test_accuracy


def answer_of(change: dict[str, Any]) -> Change:
    def changed(reply: Message) -> Message:
        reply.content = RecordDict({ANSWER: ConfigRecord({**dict(reply.content[ANSWER]), **change})})
        return reply

    return changed


def without_content(reply: Message) -> Message:
    reply.content = RecordDict()
    return reply


FAULTS: Mapping[str, tuple[Change, str]] = {
    "no answer": (lambda reply: None, "did not answer within 0.2 s"),
    "something else": (without_content, "none to a task"),
    "no payload": (answer_of({"payloads": [], "clients": []}), "answered without it"),
    "numbers": (answer_of({"payloads": [1, 2]}), "answered without it"),
    "text": (answer_of({"payloads": "text"}), "none to a task"),
    "garbage": (answer_of({"payloads": [b"garbage"] * 2, "clients": [1, 3]}), "payload"),
    "another's": (answer_of({"clients": [0, 2]}), "answered without it"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_node_loses_its_clients_and_nobody_else(fault: str) -> None:
    change, reason = FAULTS[fault]
    experiment = SMALL.replace({"federation.participation": 1, "data.num_clients": 4})
    faulty, alone = over_flower(experiment, HereGrid.of(2, {101: change})), None
    assert [record.clients for record in faulty[1:]] == [(0, 1, 2, 3)] * 2
    for record in faulty[1:]:
        assert [one.client_id for one in record.dropped] == [1, 3]
        assert all(reason in one.reason for one in record.dropped), record.dropped
    alone = over_flower(experiment, HereGrid.of(2, {101: FAULTS["no answer"][0]}))
    assert faulty[-1].state.sha256() == alone[-1].state.sha256()


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("nan", "values that are not finite in fc1.weight"),
        ("shapes", "not of the model that was sent"),
        ("examples", "examples; the client has"),
        ("damaged", "payload is damaged"),
        ("nonsense", "ValueError: fault is 'nonsense'; allowed are gone, late"),
    ],
)
def test_a_node_may_be_told_to_misbehave(fault: str, reason: str) -> None:
    grid = HereGrid.of(2)
    grid.settings[101]["fault"] = fault
    record = over_flower(SMALL.replace({"federation.rounds": 1}), grid)[-1]
    assert {one.client_id % 2 for one in record.dropped} == {1}
    assert all(reason in one.reason for one in record.dropped), record.dropped


def test_without_any_node_left_rounds_are_skipped_and_a_new_node_is_taken_in() -> None:
    federation = Federation.of(SMALL)
    server = federation.initial_state()
    strategy = PruningStrategy(federation, server, 0.2)
    grid = HereGrid.of(2)
    nodes, grid.settings = grid.settings, {}
    lost = strategy.one_round(grid, federation, server, federation.context(1), no_step_hook)
    assert lost.skipped
    assert {reason for _, reason in lost.dropped} == {"its node is not connected"}
    grid.settings = nodes
    assert not strategy.one_round(grid, federation, lost.state, federation.context(2), no_step_hook).skipped
    grid.settings = {205: nodes[101]}  # the node was started anew, and has a new number
    again = strategy.one_round(grid, federation, lost.state, federation.context(2), no_step_hook)
    assert ("train", 205) in grid.asked
    assert again.state.sha256() != lost.state.sha256()


def test_waiting_can_be_left() -> None:
    class Left(Exception):  # noqa: N818
        pass

    def leave() -> None:
        raise Left

    federation = Federation.of(SMALL)
    strategy = PruningStrategy(federation, federation.initial_state(), 60)
    with pytest.raises(Left):
        strategy.one_round(HereGrid.of(2), federation, strategy.server, federation.context(1), leave)


@pytest.mark.parametrize(
    "content",
    [
        RecordDict(),
        RecordDict({"fedlab.node": ConfigRecord({"node": "nonsense"})}),
        RecordDict({"fedlab.node": ConfigRecord({"node": "[1, 2]"})}),
        pack_node(Node(2, 2)),
        pack_node(Node(-1, 2)),
        pack_node(Node(0, 2, examples=-1)),
    ],
)
def test_who_does_not_introduce_himself_is_no_node(content: RecordDict) -> None:
    with pytest.raises(ValueError, match=r"introduce|cannot be"):
        read_node(content)


def test_nobody_at_all_is_said() -> None:
    with pytest.raises(ValueError, match=r"none of 3 nodes has connected within 0.1 s"):
        Roll().wait(HereGrid([]), 3, 0.1, no_step_hook)
