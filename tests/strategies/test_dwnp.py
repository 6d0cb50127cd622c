"""Laws of DWNP: budgets are met, devices differ, bytes of the hypernetwork are charged, what is cut is cut."""

import pytest
import torch

from fedlab_core.experiment import Experiment
from fedlab_core.lab import Federation
from fedlab_core.pruning.budget import ChannelCosts
from fedlab_core.simulation import fork_start, simulate
from fedlab_core.strategies.dwnp import DWNP, fit
from fedlab_core.types import RoundRecord

BASE = Experiment().replace(
    {
        "data.num_clients": 4,
        "data.alpha": 0.3,
        "model.name": "cnn_small",
        "federation.rounds": 10,
        "federation.local_epochs": 2,
        "federation.batch_size": 32,
        "strategy.name": "dwnp",
        "strategy.width": 8,
        "strategy.rate": 0.02,
    }
)


@pytest.fixture(scope="module")
def finished() -> tuple[Federation, list[RoundRecord]]:
    experiment = BASE.replace({"strategy.spread": 0.3})
    return Federation.of(experiment), list(simulate(experiment))


def shares(federation: Federation, record: RoundRecord) -> list[float]:
    costs = ChannelCosts.of_model(federation.model, federation.layer_flops)
    return [float(costs.share(costs.split(row.float()))) for row in record.state.state["channels"]]


def test_budgets_are_met(finished: tuple[Federation, list[RoundRecord]]) -> None:
    """p_s = 0.8, devices from 0.35 to 0.65: as near as one channel of the smallest layers allows."""
    federation, records = finished
    server, *devices = shares(federation, records[-1])
    assert server == pytest.approx(0.8, abs=0.02)
    assert devices == pytest.approx([0.35, 0.45, 0.55, 0.65], abs=0.02)


def test_devices_are_parts_of_the_servers_network_and_differ(finished: tuple[Federation, list[RoundRecord]]) -> None:
    _, records = finished
    server, *devices = records[-1].state.state["channels"].bool()
    assert all(not (device & ~server).any() for device in devices)
    assert len({tuple(device.tolist()) for device in devices}) == 4


def test_channels_are_fixed_and_cut_once(finished: tuple[Federation, list[RoundRecord]]) -> None:
    _, records = finished
    assert [record.sparsity > 0 for record in records] == [False] * 6 + [True] * 5
    cut = records[6].state
    for record in records[6:]:
        assert torch.equal(record.state.state["channels"], cut.state["channels"])
        assert all(torch.equal(record.state.masks[name], mask) for name, mask in cut.masks.items())
        assert all(not record.state.params[name][~mask].any() for name, mask in cut.masks.items())


def test_phases_cost_what_they_send(finished: tuple[Federation, list[RoundRecord]]) -> None:
    """Weights only; weights and hypernetwork; sub-networks only."""
    _, records = finished
    hyper = sum(v.numel() for name, v in records[0].state.state.items() if name.startswith("hyper/"))
    warm_up, learning, tuned = (records[place].download_bytes / 4 for place in (1, 3, 8))
    assert learning == pytest.approx(warm_up + 4 * (hyper + 2 * 3 * 64), rel=0.02)
    assert tuned < 0.75 * warm_up
    assert records[8].effective_flops < 0.65 * records[8].dense_flops


@pytest.mark.slow
def test_two_hypernetworks_cost_twice_and_the_servers_code_stays(
    finished: tuple[Federation, list[RoundRecord]],
) -> None:
    federation = Federation.of(BASE.replace({"strategy.shared_hn": False}))
    records = list(simulate(federation.experiment))
    one, two = (r[3].download_bytes - r[1].download_bytes for r in (finished[1], records))
    assert two == pytest.approx(2 * one, rel=0.15)
    before, after = records[0].state.state, records[6].state.state
    assert torch.equal(before["codes"][0], after["codes"][0])
    assert not torch.equal(before["codes"][1], after["codes"][1])
    assert all(not torch.equal(before[name], after[name]) for name in before if name.startswith("hyper"))
    server, *devices = shares(federation, records[-1])
    assert server == pytest.approx(0.8, abs=0.02)
    assert devices == pytest.approx([0.5] * 4, abs=0.02)


@pytest.mark.slow
def test_the_hypernetwork_learns_the_budget() -> None:
    """Without any adjustment at the end: the draws of later rounds keep fewer FLOPs than those of the first."""
    experiment = BASE.replace(
        {"federation.rounds": 24, "strategy.rate": 0.05, "strategy.p_s": 0.6, "strategy.p_d": 0.3}
    )
    federation = Federation.of(experiment)
    costs = ChannelCosts.of_model(federation.model, federation.layer_flops)
    strategy, drawn = experiment.strategy, []
    assert isinstance(strategy, DWNP)
    for record in simulate(experiment):
        ctx = federation.context(record.round + 1)
        if 3 <= record.round < 14:
            extras = [strategy.assign(record.state, k, ctx).extras["drawn"] for k in range(4)]
            drawn.append(sum(float(costs.share(costs.split(row.float()))) for row in extras) / 4)
    assert drawn[0] > 0.8
    assert drawn[-1] == pytest.approx(0.3, abs=0.12)


def test_devices_are_tested_on_their_own_networks(finished: tuple[Federation, list[RoundRecord]]) -> None:
    federation, records = finished
    strategy, last, ctx = federation.experiment.strategy, records[-1], federation.context(10)
    assert isinstance(strategy, DWNP)
    for device in range(4):
        masks = strategy.personal(last.state, device, ctx)
        assert masks is not None
        assert sum(int(mask.sum()) for mask in masks.values()) < sum(int(m.sum()) for m in last.state.masks.values())
    assert strategy.personal(records[3].state, 0, federation.context(3)) is None


@pytest.mark.slow
def test_statistics_of_a_channel_come_from_those_who_have_it() -> None:
    """With BatchNorm: what no device has kept would fade to a variance of zero, and the server's network blow up."""
    settings = {"model.name": "resnet20", "data.num_clients": 3, "federation.rounds": 5, "strategy.prune_after": 0.4}
    records = list(simulate(BASE.replace(settings | {"strategy.start_after": 0, "strategy.p_d": 0.3})))
    assert records[-1].test_loss < 20
    variances = [v for name, v in records[-1].state.buffers.items() if name.endswith("running_var")]
    assert min(float(v.min()) for v in variances) > 1e-3


@pytest.mark.slow
def test_a_fork_of_a_pruned_run_learns_among_what_is_left() -> None:
    parent = BASE.replace({"strategy.name": "channel-pruning", "strategy.final_sparsity": 0.6, "model.name": "mlp"})
    server = list(simulate(parent))[5].state
    child = Federation.of(parent.replace({"strategy.name": "dwnp", "strategy.prune_after": 0.8, "strategy.width": 8}))
    start = fork_start(parent, child, server)
    last = list(simulate(child.experiment, start=(5, start.server)))[-1].state
    costs = ChannelCosts.of_model(child.model, child.layer_flops)
    alive = torch.cat(costs.alive(server.masks))
    assert all(not (row.bool() & ~alive).any() for row in last.state["channels"])
    assert all(not (last.masks[name] & ~mask).any() for name, mask in server.masks.items())


@pytest.mark.slow
def test_few_local_steps_still_learn() -> None:
    """Of clients with one step a round, each does a theta-step, too."""
    few = BASE.replace({"data.num_clients": 60, "federation.local_epochs": 1, "federation.participation": 0.05})
    federation, records = Federation.of(few), []
    for record in simulate(few):
        records.append(record.state.state)
    assert federation.data.sizes.min() < 32
    assert not torch.equal(records[1]["codes"][0], records[3]["codes"][0])


def test_thresholds_are_the_nearest_that_there_are() -> None:
    federation = Federation.of(BASE)
    costs = ChannelCosts.of_model(federation.model, federation.layer_flops)
    generator = torch.Generator().manual_seed(3)
    o = [torch.randn(size, generator=generator) for size in costs.sizes]
    every = [
        abs(float(costs.share([((row >= level) | (row == row.max())).float() for row in o])) - 0.4)
        for level in torch.cat(o)
    ]
    found = abs(float(costs.share([row.float() for row in fit(costs, o, 0.4)])) - 0.4)
    assert found == pytest.approx(min(every))
    assert all(row.any() for row in fit(costs, o, 0.051))


def test_budgets_of_devices_stay_below_the_servers() -> None:
    strategy, ctx = DWNP(p_s=0.6, p_d=0.5, spread=0.5), Federation.of(BASE).context(1)
    assert [strategy.budget(device, ctx) for device in range(4)] == pytest.approx(
        [0.25, 0.5 - 0.25 / 3, 0.5 + 0.25 / 3, 0.6]
    )
    assert "lowered" in strategy.remarks(10)[0]
    assert "before they are learned" in DWNP(start_after=0.5, prune_after=0.5).remarks(10)[0]
    assert DWNP().remarks(10) == []
