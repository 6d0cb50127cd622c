"""A round: what it measures is what happened."""

from dataclasses import replace

import pytest
import torch

from fedlab_core.experiment import Experiment
from fedlab_core.federation.messages import pack_assignment, pack_update
from fedlab_core.lab import Federation, Start
from fedlab_core.rounds import initial_record, run_round, sample_clients, start_record
from fedlab_core.simulation import refuse_divergence
from fedlab_core.strategies import Strategy
from fedlab_core.strategies.fedavg import FedAvg
from fedlab_core.strategies.fedsparsify_local import FedSparsifyLocal
from fedlab_core.types import Assignment, RoundContext, ServerState, Update

BASE = Experiment().replace(
    {"data.num_clients": 4, "model.name": "mlp", "federation.rounds": 5, "federation.local_epochs": 1}
)


@pytest.mark.parametrize(("participation", "count"), [(1.0, 10), (0.5, 5), (0.25, 2), (0.01, 1)])
def test_sampling_counts(participation: float, count: int) -> None:
    drawn = sample_clients(10, participation, RoundContext(1, 5, 0))
    assert len(set(drawn)) == len(drawn) == count
    assert drawn == sorted(drawn)


def test_sampling_changes_with_round_and_reaches_everyone() -> None:
    rounds = [tuple(sample_clients(10, 0.3, RoundContext(t, 40, 0))) for t in range(1, 41)]
    assert len(set(rounds)) > 20
    assert {client for drawn in rounds for client in drawn} == set(range(10))
    assert rounds == [tuple(sample_clients(10, 0.3, RoundContext(t, 40, 0))) for t in range(1, 41)]


class Noting(Strategy):
    """Remembers what went through its hands; not registered, because it has no name of its own."""

    seen: dict[str, list[object]] = {}  # noqa: RUF012 - a test's notebook

    def assign(self, server: ServerState, client_id: int, ctx: RoundContext) -> Assignment:
        self.seen.setdefault("down", []).append(super().assign(server, client_id, ctx))
        return super().assign(server, client_id, ctx)

    def aggregate(self, updates: list[Update], previous: ServerState) -> dict[str, torch.Tensor]:  # type: ignore[override]
        self.seen["up"] = list(updates)
        return super().aggregate(updates, previous)


class Recording(Noting, FedAvg):
    """Everything dense."""


class RecordingLocal(Noting, FedSparsifyLocal):
    """Every client uploads under a mask of its own."""


@pytest.mark.parametrize("strategy", [Recording(), RecordingLocal()])
def test_bytes_are_the_lengths_of_real_messages(strategy: Recording | RecordingLocal) -> None:
    federation = replace(Federation.of(BASE), experiment=BASE.model_copy(update={"strategy": strategy}))
    record = initial_record(federation)
    for round in range(1, 4):
        strategy.seen.clear()
        record = run_round(federation, record.state, federation.context(round))
        assert record.download_bytes == sum(len(pack_assignment(a)) for a in strategy.seen["down"])  # type: ignore[arg-type]
        assert record.upload_bytes == sum(len(pack_update(u)) for u in strategy.seen["up"])  # type: ignore[arg-type]


def test_a_dense_round_uploads_every_weight() -> None:
    federation = Federation.of(BASE)
    record = run_round(federation, initial_record(federation).state, federation.context(1))
    weights = sum(weight.numel() for weight in record.state.params.values())
    assert 4 * 4 * weights < record.upload_bytes < 4 * 4 * weights + 4 * 500


def test_flops_count_examples_epochs_and_density() -> None:
    federation = Federation.of(BASE.replace({"strategy.name": "fedsparsify-global", "federation.local_epochs": 2}))
    forward = 2 * (64 * 128 + 128 * 128 + 128 * 10)
    server = initial_record(federation).state
    record = run_round(federation, server, federation.context(1))
    examples = len(federation.data.dataset.y_train_N)
    assert record.dense_flops == record.effective_flops == 3 * forward * examples * 2
    half = {name: torch.arange(mask.numel()).reshape(mask.shape) % 2 == 0 for name, mask in server.masks.items()}
    sparse = run_round(federation, replace(server, masks=half), federation.context(1))
    assert sparse.dense_flops == record.dense_flops
    assert sparse.effective_flops == record.dense_flops // 2


def test_accuracy_before_and_after_the_purge() -> None:
    federation = Federation.of(BASE.replace({"strategy.name": "fedsparsify-global", "strategy.final_sparsity": 0.99}))
    record = initial_record(federation)
    for round in range(1, 6):
        record = run_round(federation, record.state, federation.context(round))
        if round == 1:
            assert record.accuracy_before_purge == record.test_accuracy
    assert record.accuracy_before_purge != record.test_accuracy


def test_feature_skew_tests_clients_on_their_own_kind_of_image() -> None:
    federation = Federation.of(BASE.replace({"data.partition": "feature", "data.rotation_degrees": 180}))
    record = initial_record(federation)
    for round in range(1, 4):
        record = run_round(federation, record.state, federation.context(round))
    assert record.mean_client_accuracy != pytest.approx(record.test_accuracy, abs=1e-3)
    unturned = Federation.of(
        BASE.replace({"data.partition": "feature", "data.rotation_degrees": 0, "data.noise_std": 0})
    )
    upright = start_record(unturned, Start(record.state, 0, 0), 3)
    assert upright.test_accuracy == record.test_accuracy
    assert upright.mean_client_accuracy == pytest.approx(record.test_accuracy, abs=0.02)
    assert abs(record.mean_client_accuracy - record.test_accuracy) > 0.02


def test_divergence_is_said_and_never_taken_for_pruning() -> None:
    wild = {
        "federation.learning_rate": 10,
        "federation.momentum": 0.99,
        "federation.batch_size": 4,
        "federation.local_epochs": 2,
    }
    federation = Federation.of(BASE.replace({**wild, "strategy.name": "fedsparsify-global"}))
    record = initial_record(federation)
    with pytest.raises(ValueError, match=r"training diverged in round \d: .* lower federation.learning_rate"):  # noqa: PT012
        for round in range(1, 6):
            record = run_round(federation, record.state, federation.context(round))
            refuse_divergence(record)
    assert record.sparsity < 1


def test_clients_without_data_are_never_asked() -> None:
    federation = Federation.of(
        BASE.replace({"data.num_clients": 60, "data.alpha": 0.01, "data.min_size": 0, "federation.participation": 0.1})
    )
    assert (federation.data.sizes == 0).any()
    for round in range(1, 4):
        record = run_round(federation, initial_record(federation).state, federation.context(round))
        assert all(federation.data.sizes[client] > 0 for client in record.clients)
