"""What every strategy promises, whoever wrote it. A file dropped into fedlab_core/strategies is tested here untold."""

import json
from dataclasses import replace

import pytest
import torch

from fedlab_core.experiment import Experiment
from fedlab_core.lab import Federation
from fedlab_core.rounds import initial_record, run_round
from fedlab_core.strategies import strategy_class, strategy_names
from fedlab_core.types import RoundRecord
from tests.cases import model_for

ROUNDS = 4
BASE = Experiment().replace(
    {
        "data.num_clients": 5,
        "data.alpha": 0.3,
        "model.name": "mlp",
        "federation.rounds": ROUNDS,
        "federation.participation": 0.8,
        "federation.local_epochs": 1,
        "federation.batch_size": 32,
    }
)


def base(strategy: str) -> Experiment:
    return BASE.replace({"strategy.name": strategy, "model.name": model_for(strategy)})


def in_float64(experiment: Experiment) -> Federation:
    federation = Federation.of(experiment)
    data = replace(federation.data, dataset=federation.data.dataset.to(torch.float64))
    return replace(federation, data=data)


def run(federation: Federation) -> list[RoundRecord]:
    records = [initial_record(federation)]
    for round in range(1, federation.experiment.federation.rounds + 1):
        records.append(run_round(federation, records[-1].state, federation.context(round)))
    return records


@pytest.fixture(scope="module", params=strategy_names())
def finished(request: pytest.FixtureRequest) -> tuple[Experiment, list[RoundRecord]]:
    experiment = base(request.param)
    return experiment, run(Federation.of(experiment))


def test_records_are_sound(finished: tuple[Experiment, list[RoundRecord]]) -> None:
    _, records = finished
    assert [record.round for record in records] == list(range(ROUNDS + 1))
    for record in records:
        json.loads(json.dumps(record.to_json(), allow_nan=False))
        assert 0 <= record.worst_client_accuracy <= record.mean_client_accuracy <= record.best_client_accuracy <= 1
        assert 0 <= record.sparsity < 1
        assert record.effective_flops <= 2 * record.dense_flops  # a method may do more than train
    for record in records[1:]:
        assert len(record.clients) == 4
        assert record.upload_bytes > 0
        assert record.download_bytes > 0
        assert record.dense_flops > 0


def test_it_learns(finished: tuple[Experiment, list[RoundRecord]]) -> None:
    _, records = finished
    assert max(record.accuracy_before_purge for record in records) > records[0].test_accuracy + 0.2


def test_pruned_weights_are_zero_and_counted(finished: tuple[Experiment, list[RoundRecord]]) -> None:
    _, records = finished
    for record in records:
        server = record.state
        pruned = sum(int((~mask).sum()) for mask in server.masks.values())
        assert record.sparsity == pytest.approx(pruned / sum(mask.numel() for mask in server.masks.values()))
        assert all((server.params[name][~mask] == 0).all() for name, mask in server.masks.items())
        assert all(
            mask.dtype == torch.bool and mask.shape == server.params[n].shape for n, mask in server.masks.items()
        )
        assert all(isinstance(tensor, torch.Tensor) for tensor in server.state.values())


def test_same_experiment_gives_the_same_bytes(finished: tuple[Experiment, list[RoundRecord]]) -> None:
    experiment, records = finished
    again = run(Federation.of(experiment))
    assert [record.state.sha256() for record in again] == [record.state.sha256() for record in records]


def test_the_server_lets_every_honest_update_in(finished: tuple[Experiment, list[RoundRecord]]) -> None:
    assert [record.dropped for record in finished[1]] == [()] * (ROUNDS + 1)


def test_a_round_changes_nothing_it_was_given(finished: tuple[Experiment, list[RoundRecord]]) -> None:
    experiment, records = finished
    federation, before = Federation.of(experiment), records[2].state.sha256()
    run_round(federation, records[2].state, federation.context(3))
    assert records[2].state.sha256() == before


def test_no_global_randomness(finished: tuple[Experiment, list[RoundRecord]]) -> None:
    experiment, records = finished
    federation, before = Federation.of(experiment), torch.random.get_rng_state()
    run_round(federation, records[0].state, federation.context(1))
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.slow
@pytest.mark.parametrize("name", strategy_names())
def test_loop_and_fast_agree_over_whole_runs(name: str) -> None:
    experiment = base(name)
    fast = run(in_float64(experiment))[-1].state
    loop = run(in_float64(experiment.replace({"federation.trainer": "loop"})))[-1].state
    assert all(torch.equal(fast.masks[n], loop.masks[n]) for n in fast.masks)
    assert max(float((fast.params[n] - loop.params[n]).abs().max()) for n in fast.params) < 1e-10


@pytest.mark.parametrize("name", strategy_names())
def test_declared_values_turn_it_into_fedavg(name: str) -> None:
    fields = strategy_class(name).model_fields
    extra = {key: info.json_schema_extra for key, info in fields.items()}
    neutral = {
        f"strategy.{key}": e["fedavg"] for key, e in extra.items() if isinstance(e, dict) and e["fedavg"] is not None
    }
    if not neutral and name != "fedavg":
        pytest.skip(f"{name} declares no setting that makes it FedAvg")
    here = run(Federation.of(BASE.replace({"strategy.name": name, **neutral})))[-1].state
    fedavg = run(Federation.of(BASE.replace({"strategy.name": "fedavg"})))[-1].state
    assert all(torch.allclose(here.params[n], fedavg.params[n], atol=1e-6) for n in fedavg.params)


@pytest.mark.parametrize("name", strategy_names())
def test_it_says_what_it_is(name: str) -> None:
    cls = strategy_class(name)
    assert cls.title
    assert cls.source
    assert cls.__doc__
