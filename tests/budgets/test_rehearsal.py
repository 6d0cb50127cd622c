"""A rehearsal against the run itself."""

import pytest

from fedlab_core.budgets import Spending, rehearsal, rehearse
from fedlab_core.experiment import Experiment
from fedlab_core.lab import Federation
from fedlab_core.pruning.masks import sparsity
from fedlab_core.simulation import simulate
from fedlab_core.strategies import strategy_class, strategy_names
from tests.cases import model_for

BASE = Experiment().replace(
    {
        "data.num_clients": 5,
        "federation.rounds": 3,
        "federation.participation": 0.6,
        "federation.local_epochs": 1,
        "federation.batch_size": 64,
    }
)
SURE = [name for name in strategy_names() if (knob := strategy_class(name).knob) and not knob.learned]


def of(strategy: str) -> Experiment:
    return BASE.replace({"strategy.name": strategy, "model.name": model_for(strategy)})


@pytest.mark.parametrize(
    "strategy",
    ["fednova", "scaffold", *(pytest.param(n, marks=[pytest.mark.slow] * (model_for(n) != "mlp")) for n in SURE)],
)
def test_where_training_decides_nothing_a_rehearsal_is_the_run(strategy: str) -> None:
    """Round by round: the same FLOPs, and messages of the same length but for the codes of masks."""
    real = list(simulate(of(strategy)))
    for expected, record in zip(rehearse(Federation.of(of(strategy))), real, strict=True):
        assert expected.dense_flops == record.dense_flops
        assert expected.effective_flops == pytest.approx(record.effective_flops, rel=1e-6)
        assert expected.upload_bytes == pytest.approx(record.upload_bytes, rel=5e-3)
        assert expected.download_bytes == pytest.approx(record.download_bytes, rel=5e-3)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["fedsparsify-global", "fedsparsify-local", "one-shot"])
def test_bytes_follow_the_schedule_whatever_is_learned(strategy: str) -> None:
    real = Spending.of(simulate(of(strategy)), "mean")
    assert Spending.of(rehearse(Federation.of(of(strategy))), "mean").bytes == pytest.approx(real.bytes, rel=5e-3)


def test_salient_gradients_train_one_round_that_stands_for_all() -> None:
    zero, first, *others = rehearse(Federation.of(of("dynamic-salient")))
    record = next(record for record in simulate(of("dynamic-salient")) if record.round == 1)
    assert (zero.upload_bytes, first.upload_bytes) == (0, record.upload_bytes)
    assert set(others) == {first}


def test_a_rehearsal_follows_the_schedule_round_by_round() -> None:
    experiment = of("fedsparsify-global")
    federation = Federation.of(experiment)
    rounds = list(rehearsal(federation))
    assert [one.costs for one in rounds] == rehearse(federation)
    asked = [experiment.strategy.target_sparsity(federation.context(round)) for round in range(4)]
    assert [sparsity(one.server.masks) for one in rounds] == pytest.approx(asked, abs=1e-3)
