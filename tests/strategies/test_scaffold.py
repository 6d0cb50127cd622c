"""SCAFFOLD: what control variates are, by hand and by laws."""

from dataclasses import replace

import pytest
import torch

from fedlab_core.experiment import Experiment
from fedlab_core.federation.messages import pack_assignment
from fedlab_core.federation.programs import LocalSettings
from fedlab_core.lab import Federation
from fedlab_core.simulation import fork_start, simulate
from fedlab_core.strategies import make_strategy
from fedlab_core.strategies.scaffold import ALL, CHANGE, OWN
from fedlab_core.types import Assignment, Batch, Gradient, Params, RoundContext, RoundRecord

BASE = Experiment().replace(
    {
        "data.num_clients": 5,
        "data.alpha": 0.3,
        "model.name": "mlp",
        "federation.rounds": 3,
        "federation.participation": 0.6,
        "federation.local_epochs": 1,
        "federation.batch_size": 32,
        "strategy.name": "scaffold",
    }
)
BATCH = Batch(torch.zeros(1), torch.zeros(1), torch.ones(1), {})


@pytest.fixture(scope="module")
def records() -> list[RoundRecord]:
    return list(simulate(BASE))


def test_a_step_by_hand() -> None:
    """g = 2, c_k = 0.5, c = 1, lr = 0.1: two steps of 0.25 from 3 to 2.5; c_k+ - c_k = 0.5 / (2 x 0.1) - 1 = 1.5."""
    program = make_strategy({"name": "scaffold"}).program(LocalSettings(1, 1, learning_rate=0.1))
    given = Assignment(
        0, {"w": torch.tensor([3.0])}, {}, {}, {ALL + "w": torch.tensor([1.0])}, {OWN + "w": torch.tensor([0.5])}
    )

    def grad(params: Params, buffers: Params, batch: Batch) -> Gradient:
        return Gradient(torch.tensor(0.0), {"w": torch.tensor([2.0])}, {})

    state = program.begin(given, 2)
    for _ in range(2):
        state = program.step(state, BATCH, grad, RoundContext(1, 1, 0))  # type: ignore[arg-type]
    update = program.end(state)
    assert update.params["w"].item() == pytest.approx(2.5)
    assert update.extras[CHANGE + "w"].item() == pytest.approx(1.5)
    assert update.extras.keys() == {CHANGE + "w"}


def test_the_first_round_is_fedavg(records: list[RoundRecord]) -> None:
    fedavg = list(simulate(BASE.replace({"strategy.name": "fedavg", "federation.rounds": 1})))[1].state
    assert all(torch.allclose(records[1].state.params[n], weight, atol=1e-6) for n, weight in fedavg.params.items())


def test_c_is_the_mean_of_all_clients_own(records: list[RoundRecord]) -> None:
    for record in records[1:]:
        for name in record.state.params:
            own_K = record.state.state[OWN + name]
            assert torch.allclose(record.state.state[ALL + name], own_K.mean(0), atol=1e-5)
            assert own_K.any()


def test_who_was_never_asked_has_none(records: list[RoundRecord]) -> None:
    asked: set[int] = set()
    for record in records:
        asked |= set(record.clients)
        rows = record.state.state[OWN + "fc1.weight"].flatten(1).any(1)
        assert set(rows.nonzero().flatten().tolist()) == asked


def test_with_one_full_step_everybody_goes_down_the_mean_gradient() -> None:
    """One step on all data, no momentum: c_k+ is the gradient at w; corrections cancel out where clients are alike."""
    one = {"federation.batch_size": 4096, "federation.momentum": 0, "federation.participation": 1}
    first, second = list(simulate(BASE.replace(one | {"data.partition": "iid"})))[1:3]
    for name, before in first.state.params.items():
        moved = (before - second.state.params[name]) / BASE.federation.learning_rate
        gradients_K = second.state.state[OWN + name]
        assert torch.allclose(moved, gradients_K.mean(0), atol=1e-3)
        assert float((gradients_K[0] - gradients_K[1]).abs().max()) > 1e-3


def test_twice_the_bytes_and_none_for_memory(records: list[RoundRecord]) -> None:
    fedavg = list(simulate(BASE.replace({"strategy.name": "fedavg", "federation.rounds": 1})))[1]
    for way in ("upload_bytes", "download_bytes"):
        assert getattr(records[1], way) == pytest.approx(2 * getattr(fedavg, way), rel=0.01)


def test_a_fork_to_other_data_leaves_behind_what_clients_have_learned(records: list[RoundRecord]) -> None:
    server = records[-1].state
    for changed, kept in (({"federation.rounds": 9}, True), ({"data.seed": 5}, False)):
        child = BASE.replace(changed)
        state = fork_start(BASE, Federation.of(child), server).server.state
        assert all(torch.equal(state[name], server.state[name]) for name in state) is kept
        assert any(value.any() for value in state.values()) is kept


def test_memory_is_no_part_of_the_message(records: list[RoundRecord]) -> None:
    strategy, server = make_strategy({"name": "scaffold"}), records[-1].state
    ctx = RoundContext(4, 4, 0, num_clients=5)
    client = records[-1].clients[0]
    given = strategy.assign(server, client, ctx)
    assert given.extras.keys() == {ALL + name for name in server.params}
    assert all(torch.equal(given.memory[OWN + name], server.state[OWN + name][client]) for name in server.params)
    assert pack_assignment(given) == pack_assignment(replace(given, memory={}))


@pytest.mark.slow
def test_two_processes_hand_memory_on() -> None:
    experiment = BASE.replace({"federation.participation": 1})
    alone = list(simulate(experiment))[-1].state
    two = list(simulate(experiment, processes=2))[-1].state
    assert all(torch.allclose(two.params[name], weight, atol=1e-5) for name, weight in alone.params.items())
    assert all(torch.allclose(two.state[name], value, atol=1e-3) for name, value in alone.state.items())


@pytest.mark.slow
def test_skewed_clients_reach_more_than_with_fedavg() -> None:
    """What it is for: many local steps on unlike data."""
    hard = {"data.partition": "shards", "federation.rounds": 12, "federation.participation": 1}
    hard |= {"federation.local_epochs": 5, "federation.momentum": 0, "federation.batch_size": 16}
    scaffold = list(simulate(BASE.replace(hard)))[-1]
    fedavg = list(simulate(BASE.replace(hard | {"strategy.name": "fedavg"})))[-1]
    assert scaffold.test_accuracy > fedavg.test_accuracy
