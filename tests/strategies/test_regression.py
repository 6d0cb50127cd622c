"""Every strategy that can do something with the network for brains runs on ages, and its records speak of errors."""

import json

import pytest
import torch
from torch.func import functional_call

from fedlab_core.costs.flops import forward_flops
from fedlab_core.data.brains import make_brains
from fedlab_core.data.datasets import of_ages
from fedlab_core.data.federated import FederatedData, federate
from fedlab_core.experiment import Experiment
from fedlab_core.lab import Federation
from fedlab_core.metrics import ACCURACY, MAE
from fedlab_core.models import build_model
from fedlab_core.rounds import initial_record, run_round
from fedlab_core.types import RoundRecord
from tests.cases import strategies_for

BASE = Experiment().replace(
    {
        "data.dataset": "brains",
        "data.partition": "iid",
        "data.num_clients": 3,
        "model.name": "brain_small",
        "federation.rounds": 3,
        "federation.local_epochs": 1,
        "federation.batch_size": 8,
        "federation.learning_rate": 0.002,
    }
)


@pytest.fixture(scope="module")
def data() -> FederatedData:
    dataset = of_ages("brains", *make_brains(0, 42, 18))
    return federate(dataset, partition="iid", num_clients=3, seed=0)


def run(strategy: str, data: FederatedData) -> tuple[Federation, list[RoundRecord]]:
    experiment = BASE.replace({"strategy.name": strategy})
    shape = data.dataset.input_shape
    model = experiment.strategy.prepare(build_model(experiment.model.name, shape, data.dataset.num_outputs))
    federation = Federation(experiment, data, model, forward_flops(model, shape))
    records = [initial_record(federation)]
    for round in range(1, BASE.federation.rounds + 1):
        records.append(run_round(federation, records[-1].state, federation.context(round)))
    return federation, records


@pytest.mark.slow
@pytest.mark.parametrize("strategy", strategies_for("brain_small"))
def test_records_speak_of_errors(strategy: str, data: FederatedData) -> None:
    _, records = run(strategy, data)
    for record in records:
        row = json.loads(json.dumps(record.to_json(), allow_nan=False))
        assert [row[name] for name in ACCURACY.fields] == [None] * 5
        assert 0 < record.best_client_mae <= record.mean_client_mae <= record.worst_client_mae < 20
        assert 0 < record.test_mae < 20
        assert record.test_loss >= record.test_mae**2  # the mean of squares is at least the square of the mean
    assert records[-1].state.sha256() != records[0].state.sha256()


def test_errors_by_hand(data: FederatedData) -> None:
    federation, records = run("fedavg", data)
    server, dataset = records[-1].state, data.dataset
    guess_N = functional_call(federation.model.eval(), server.params, (dataset.x_test_NI,)).squeeze(1)
    error_N = (guess_N - dataset.y_test_N).double()
    assert records[-1].test_mae == pytest.approx(float(error_N.abs().mean()), rel=1e-5)
    assert records[-1].test_loss == pytest.approx(float(error_N.square().mean()), rel=1e-5)
    by_client = [float(error_N[index_N].abs().mean()) for index_N in data.test_indices]
    found = (records[-1].best_client_mae, records[-1].worst_client_mae)
    assert found == pytest.approx((min(by_client), max(by_client)), rel=1e-5)
    assert [getattr(records[-1], name) is None for name in MAE.fields] == [False] * 5


def test_the_untrained_model_guesses_about_what_is_typical(data: FederatedData) -> None:
    federation, records = run("fedavg", data)
    assert records[0].state.params["head.bias"].tolist() == pytest.approx([62.68])
    apart = (data.dataset.y_test_N - 62.68).abs().mean()
    assert records[0].test_mae == pytest.approx(float(apart), abs=1.5)
    assert torch.equal(federation.initial_state().params["head.bias"], records[0].state.params["head.bias"])
