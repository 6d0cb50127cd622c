"""Laws of robust aggregation in whole rounds: every rule really is the one that merges, and f is kept or refused."""

from collections.abc import Sequence

import pytest
import torch

from fedlab_core.clients import client_side
from fedlab_core.experiment import Experiment
from fedlab_core.federation.robust import most_central
from fedlab_core.federation.validation import AggregationError
from fedlab_core.lab import Federation
from fedlab_core.rounds import merge, read, run_round, send
from fedlab_core.strategies.robust import RULES, Robust
from fedlab_core.types import ServerState, Update

BASE = Experiment().replace(
    {
        "data.num_clients": 5,
        "data.partition": "iid",
        "model.name": "mlp",
        "federation.rounds": 4,
        "federation.local_epochs": 1,
        "strategy.name": "robust",
    }
)


def first_round(**settings: object) -> tuple[Sequence[Update], ServerState]:
    federation = Federation.of(BASE.replace({f"strategy.{name}": value for name, value in settings.items()}))
    ctx, server = federation.context(1), federation.initial_state()
    downloads = send(federation, server, ctx)
    updates = read(federation, server, downloads, client_side(federation, downloads, ctx)).updates
    return updates, merge(federation, server, updates, ctx)[1]


def test_the_median_of_the_clients_is_the_next_model() -> None:
    updates, after = first_round()
    for name, weight in after.params.items():
        assert torch.equal(weight, torch.stack([update.params[name] for update in updates]).median(0).values)


def test_the_trimmed_mean_leaves_out_both_ends() -> None:
    updates, after = first_round(rule="trimmed_mean", faulty=1)
    for name, weight in after.params.items():
        values_K = torch.stack([update.params[name] for update in updates]).double()
        middle = (values_K.sum(0) - values_K.amin(0) - values_K.amax(0)) / 3
        assert torch.allclose(weight.double(), middle, atol=1e-7)


def test_krum_takes_weights_and_running_statistics_of_one_client() -> None:
    updates, after = first_round(rule="krum")
    chosen = most_central(updates, 1)
    assert all(torch.equal(after.params[name], weight) for name, weight in chosen.params.items())


@pytest.mark.parametrize("rule", RULES)
def test_running_statistics_are_merged_by_the_same_rule(rule: str) -> None:
    means = [0.0, 1.0, 3.0, 4.5, 20.0]
    updates = [
        Update(k, {"w": torch.tensor([mean])}, {"mean": torch.tensor([-mean])}, {}, 1, 0.0)
        for k, mean in enumerate(means)
    ]
    server = ServerState({}, {}, {})
    strategy = Robust(rule=rule)
    assert strategy.aggregate_buffers(updates, server)["mean"].item() == pytest.approx(
        -strategy.aggregate(updates, server)["w"].item()
    )


def test_what_is_merged_is_purged_on_the_schedule() -> None:
    federation = Federation.of(BASE.replace({"strategy.final_sparsity": 0.8}))
    server = federation.initial_state()
    for round in range(1, 5):
        record = run_round(federation, server, federation.context(round))
        server = record.state
    assert record.sparsity == pytest.approx(0.8, abs=1e-3)


@pytest.mark.parametrize(("rule", "faulty", "needed"), [("median", 3, 7), ("trimmed_mean", 3, 7), ("krum", 2, 7)])
def test_too_few_clients_for_f_end_the_run_in_that_sentence(rule: str, faulty: int, needed: int) -> None:
    with pytest.raises(AggregationError, match=rf"5 updates with f = {faulty} faulty; it needs n >= 2f.* = {needed}"):
        first_round(rule=rule, faulty=faulty)
    (remark,) = Robust(rule=rule, faulty=faulty).remarks(10)
    assert f"f = {faulty} needs {needed} updates in every round" in remark
