"""Going on from a saved state makes no difference; a fork starts where its parent was."""

from dataclasses import replace

import pytest
import torch

from fedlab_core import Experiment, SettingError, simulate
from fedlab_core.lab import Federation
from fedlab_core.simulation import fork_start
from fedlab_core.strategies import strategy_names
from tests.cases import model_for

BASE = Experiment().replace(
    {"data.num_clients": 4, "model.name": "mlp", "federation.rounds": 5, "federation.participation": 0.5}
)


@pytest.mark.slow
@pytest.mark.parametrize("name", strategy_names())
def test_resumed_equals_uninterrupted(name: str) -> None:
    most = {"federation.participation": 0.75}  # a median needs three clients
    experiment = BASE.replace({"strategy.name": name, "model.name": model_for(name), **most})
    whole = list(simulate(experiment))
    rest = list(simulate(experiment, start=(2, whole[2].state)))
    assert [record.round for record in rest] == [3, 4, 5]
    assert [record.state.sha256() for record in rest] == [record.state.sha256() for record in whole[3:]]
    assert not list(simulate(experiment, start=(5, whole[5].state)))


def test_a_hook_that_raises_leaves_the_finished_rounds_whole() -> None:
    calls: list[int] = []

    def stop_in_the_middle() -> None:
        calls.append(1)
        if len(calls) == 100:
            raise KeyboardInterrupt

    records = []
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - records collected before the interrupt matter
        for record in simulate(BASE, on_step=stop_in_the_middle):
            records.append(record)
    whole = list(simulate(BASE))
    assert 1 < len(records) < len(whole)
    assert all(a.state.sha256() == b.state.sha256() for a, b in zip(records, whole, strict=False))


def test_fork_keeps_weights_and_masks_and_may_change_the_rest() -> None:
    parent = BASE.replace({"strategy.name": "fedsparsify-global"})
    server = list(simulate(parent))[3].state
    child = parent.replace({"strategy.final_sparsity": 0.99, "data.alpha": 0.1})
    state = fork_start(parent, Federation.of(child), server).server
    assert state.sha256() == server.sha256()
    last = list(simulate(child, start=(3, state)))[-1]
    assert last.sparsity == pytest.approx(0.99, abs=1e-3)
    assert all(not (last.state.masks[n] & ~server.masks[n]).any() for n in server.masks)


def test_fork_to_another_strategy_keeps_masks_and_starts_its_memory() -> None:
    parent = BASE.replace({"strategy.name": "fedsparsify-global"})
    server = list(simulate(parent))[3].state
    fedavg, random = (Federation.of(parent.replace({"strategy.name": name})) for name in ("fedavg", "random"))
    dense = fork_start(parent, fedavg, server).server
    assert all(torch.equal(dense.masks[n], server.masks[n]) for n in server.masks)
    assert list(simulate(fedavg.experiment, start=(3, dense)))[-1].sparsity > 0.5
    assert fork_start(parent, random, server).server.state.keys() == server.masks.keys()


def test_a_state_may_lack_what_is_only_looked_at() -> None:
    """As those of runs from before votes were remembered."""
    experiment = BASE.replace({"strategy.name": "fedsparsify-local"})
    records = list(simulate(experiment))
    old = replace(records[1].state, state={})
    again = list(simulate(experiment, start=(1, old)))
    assert again[-1].state.sha256() == records[-1].state.sha256()


@pytest.mark.parametrize("other", [{"model.name": "cnn_small"}, {"strategy.name": "random"}])
def test_a_state_of_another_experiment_is_refused(other: dict[str, str]) -> None:
    server = next(iter(simulate(BASE))).state
    with pytest.raises(SettingError, match=r"the state is not one of this experiment: .* does not fit"):
        next(simulate(BASE.replace(other), start=(0, server)))


def test_fork_to_another_model_is_refused() -> None:
    server = next(iter(simulate(BASE))).state
    with pytest.raises(SettingError, match=r"model\.name is 'cnn_small'"):
        fork_start(BASE, Federation.of(BASE.replace({"model.name": "cnn_small"})), server)
