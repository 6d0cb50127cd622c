"""What a round reports, measured a second time by hand: accuracies, losses, statistics, work, who trained."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from fedlab_core.data.cohort import LocalData
from fedlab_core.experiment import Experiment
from fedlab_core.federation.programs import ClientProgram
from fedlab_core.federation.trainer import TRAINERS, OnStep, Trainer, no_step_hook
from fedlab_core.lab import Federation
from fedlab_core.rounds import initial_record, run_round
from fedlab_core.types import Assignment, Params, RoundContext, Update

BASE = Experiment().replace(
    {
        "data.num_clients": 4,
        "data.alpha": 0.3,
        "model.name": "mlp",
        "federation.rounds": 5,
        "federation.local_epochs": 1,
    }
)
WHOLE = 4096
"""A batch that no client here can fill: one local epoch is one step on all that a client has."""


def with_sizes(federation: Federation, *sizes: int) -> Federation:
    """The same federation, each client left with its first few training examples."""
    cut = [index_N[:size] for index_N, size in zip(federation.data.train_indices, sizes, strict=True)]
    assert [len(index_N) for index_N in cut] == list(sizes)
    return replace(federation, data=replace(federation.data, train_indices=cut))


def mlp_logits(params: Params, x_NI: Tensor) -> Tensor:
    """The MLP written out."""
    hidden = F.relu(x_NI.flatten(1) @ params["fc1.weight"].T + params["fc1.bias"])
    hidden = F.relu(hidden @ params["fc2.weight"].T + params["fc2.bias"])
    return hidden @ params["fc3.weight"].T + params["fc3.bias"]


@pytest.mark.parametrize(
    "settings",
    [
        {"data.partition": "dirichlet"},
        {"data.partition": "feature", "data.rotation_degrees": 180},
        {"data.num_clients": 60, "data.alpha": 0.01, "data.min_size": 0},
    ],
    ids=["labels differ", "images differ", "clients without test data"],
)
def test_worst_mean_and_best_are_over_the_clients_own_test_data(settings: dict[str, Any]) -> None:
    federation = Federation.of(BASE.replace(settings))
    record = run_round(federation, initial_record(federation).state, federation.context(1))
    accuracies = []
    for client in range(federation.data.num_clients):
        x_NI, y_N = federation.data.test(client)
        right = sum((mlp_logits(record.state.params, x_NI).argmax(1) == y_N).tolist())
        accuracies += [right / len(y_N)] if len(y_N) else []
    mean = sum(accuracies) / len(accuracies)
    assert min(accuracies) < mean < max(accuracies)
    assert len(accuracies) == 4 or len(accuracies) < federation.data.num_clients
    assert record.worst_client_accuracy == pytest.approx(min(accuracies))
    assert record.mean_client_accuracy == pytest.approx(mean)
    assert record.best_client_accuracy == pytest.approx(max(accuracies))


def test_training_loss_counts_every_example_once() -> None:
    """Before their only step all clients have the same model: their mean loss is that of all examples together."""
    federation = with_sizes(Federation.of(BASE.replace({"federation.batch_size": WHOLE})), 2, 90, 10, 30)
    start = initial_record(federation).state
    record = run_round(federation, start, federation.context(1))
    loss_K = []
    for client in range(4):
        x_NI, y_N = federation.data.train(client)
        loss_K.append(float(F.cross_entropy(mlp_logits(start.params, x_NI), y_N)))
    by_examples = sum(size * loss for size, loss in zip((2, 90, 10, 30), loss_K, strict=True)) / 132
    assert record.train_loss == pytest.approx(by_examples, rel=1e-5)
    assert abs(by_examples - sum(loss_K) / 4) > 0.01


def test_running_statistics_are_the_mean_of_the_clients_weighted_by_examples() -> None:
    """One step each, so client k's running mean is 0.9 x 0 + 0.1 x its batch's; likewise the variance, from 1 on."""
    sizes = (4, 12, 2)
    settings = {"data.num_clients": 3, "model.name": "cnn6", "federation.batch_size": WHOLE}
    federation = with_sizes(Federation.of(BASE.replace(settings)), *sizes)
    start = initial_record(federation).state
    record = run_round(federation, start, federation.context(1))
    before_norm: nn.Sequential = federation.model[: list(dict(federation.model.named_children())).index("norm1")]
    params = {name: start.params[name] for name, _ in before_norm.named_parameters()}
    mean_C, var_C = torch.zeros(64), torch.zeros(64)
    for client, size in enumerate(sizes):
        with torch.no_grad():
            out_NCHW = functional_call(before_norm, params, (federation.data.train(client)[0],))
        out_MC = out_NCHW.movedim(1, -1).flatten(0, -2)
        mean_C += size / 18 * (0.1 * out_MC.mean(0))
        var_C += size / 18 * (0.9 + 0.1 * out_MC.var(0))
    torch.testing.assert_close(record.state.buffers["norm1.running_mean"], mean_C, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(record.state.buffers["norm1.running_var"], var_C, rtol=1e-4, atol=1e-6)
    assert not torch.equal(record.state.buffers["norm2.running_mean"], start.buffers["norm2.running_mean"])


def test_work_is_counted_under_the_masks_that_were_downloaded() -> None:
    """Clients purge after they trained: the round of the first purge is dense work, the next one is what it left."""
    federation = Federation.of(BASE.replace({"strategy.name": "fedsparsify-local"}))
    examples = int(federation.data.sizes.sum())
    record = initial_record(federation)
    for round in range(1, 4):
        downloaded = record.state.masks
        record = run_round(federation, record.state, federation.context(round))
        kept = sum(int(mask.sum()) for mask in downloaded.values())
        assert record.effective_flops == 3 * 2 * kept * examples
        assert record.dense_flops == 3 * 2 * (64 * 128 + 128 * 128 + 128 * 10) * examples
        assert (record.effective_flops < record.dense_flops) == (round > 2)
        assert (record.sparsity > 0) == (round > 1)


class Noticing:
    """A trainer that notes its name when it is asked to train, and lets another one do it."""

    def __init__(self, name: str, called: list[str]) -> None:
        self.name, self.called, self.trainer = name, called, TRAINERS[name]()

    def train(
        self,
        model: nn.Module,
        program: ClientProgram,
        assignments: Sequence[Assignment],
        data: Sequence[LocalData],
        ctx: RoundContext,
        on_step: OnStep = no_step_hook,
    ) -> list[Update]:
        self.called.append(self.name)
        return self.trainer.train(model, program, assignments, data, ctx, on_step)


@pytest.mark.parametrize("name", sorted(TRAINERS))
def test_the_trainer_of_the_settings_is_the_one_that_trains(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    noticing: dict[str, Trainer] = {known: Noticing(known, called) for known in TRAINERS}
    for known, trainer in noticing.items():
        monkeypatch.setitem(TRAINERS, known, lambda precision, trainer=trainer: trainer)
    federation = with_sizes(Federation.of(BASE.replace({"federation.trainer": name})), 3, 3, 3, 3)
    run_round(federation, initial_record(federation).state, federation.context(1))
    assert set(called) == {name}
