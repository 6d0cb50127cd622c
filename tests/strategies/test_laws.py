"""Each strategy's own law: the contract does not notice a method that stopped working."""

from itertools import pairwise

import pytest
import torch

from fedlab_core.experiment import Experiment
from fedlab_core.federation.aggregation import votes_needed
from fedlab_core.federation.programs import LocalSettings
from fedlab_core.measures import last_vote
from fedlab_core.models import build_model
from fedlab_core.pruning.slim import slim
from fedlab_core.pruning.units import hidden_units
from fedlab_core.simulation import simulate
from fedlab_core.strategies import make_strategy
from fedlab_core.types import Assignment, Batch, Gradient, RoundContext, RoundRecord, ServerState, Update

BASE = Experiment().replace(
    {
        "data.num_clients": 5,
        "data.alpha": 0.3,
        "model.name": "mlp",
        "federation.rounds": 8,
        "federation.local_epochs": 1,
        "federation.batch_size": 32,
    }
)


def run(**settings: object) -> list[RoundRecord]:
    return list(simulate(BASE.replace({key.replace("__", "."): value for key, value in settings.items()})))


@pytest.mark.parametrize("name", ["fedsparsify-global", "random"])
def test_global_pruning_follows_the_schedule_exactly(name: str) -> None:
    records = run(strategy__name=name, strategy__final_sparsity=0.95)
    total = sum(mask.numel() for mask in records[0].state.masks.values())
    for record in records:
        assert record.target_sparsity is not None
        pruned = round(record.sparsity * total)
        assert pruned == int(record.target_sparsity * total)
    assert records[1].sparsity == 0  # the first purge comes one round after t0 = 1
    assert records[2].sparsity > 0
    assert records[-1].sparsity == pytest.approx(0.95, abs=1 / total)


@pytest.mark.parametrize("name", ["fedsparsify-global", "fedsparsify-local", "random", "channel-pruning"])
def test_masks_are_nested(name: str) -> None:
    for before, after in pairwise(run(strategy__name=name)):
        kept, now = before.state.masks, after.state.masks
        assert all(not (now[layer] & ~kept[layer]).any() for layer in kept)


def test_global_keeps_the_largest_and_random_does_not() -> None:
    """The small output layer starts with the largest weights: magnitude spares it, a random order does not."""
    layers = run(strategy__name="fedsparsify-global")[-1].layer_density
    assert layers["fc3.weight"] > 0.2 > 0.1 > layers["fc2.weight"]
    layers = run(strategy__name="random")[-1].layer_density
    assert all(density == pytest.approx(0.1, abs=0.03) for density in layers.values())


def test_local_votes_are_near_the_target_and_strict_prunes_more_than_floor() -> None:
    strict = run(strategy__name="fedsparsify-local", strategy__vote="strict")[-1].sparsity
    floor = run(strategy__name="fedsparsify-local", strategy__vote="floor")[-1].sparsity
    assert 0.8 < floor < strict < 0.99


@pytest.mark.parametrize("rule", ["strict", "floor"])
def test_the_vote_that_is_remembered_is_the_one_that_decided(rule: str) -> None:
    experiment = BASE.replace({"strategy.name": "fedsparsify-local", "strategy.vote": rule})
    records = list(simulate(experiment))
    assert last_vote(records[0].state) == {}
    for before, after in pairwise(records):
        voters = len(after.clients)
        for name, votes in last_vote(after.state).items():
            assert torch.equal(votes >= 0, before.state.masks[name])
            assert int(votes.max()) <= voters
            assert torch.equal(votes >= max(0, votes_needed(voters, rule)), after.state.masks[name])


def test_local_uploads_are_sparser_than_downloads() -> None:
    """In the first purging round the clients already send sparse models, while the server still sent a dense one."""
    record = run(strategy__name="fedsparsify-local")[2]
    assert record.upload_bytes < 0.9 * record.download_bytes
    record = run(strategy__name="fedsparsify-global")[2]
    assert record.upload_bytes == pytest.approx(record.download_bytes, rel=0.01)


@pytest.mark.parametrize(("merge", "merged"), [("all", [5.0, 2.0, 0.0]), ("holders", [5.0, 8.0, 0.0])])
def test_local_merges_zeros_too_or_holders_only(merge: str, merged: list[float]) -> None:
    """Of 1 and of 3 examples: (2 + 3 x 6) / 4 = 5; 8 where the second client pruned: 8 / 4 or 8 / 1; nobody's: 0."""

    def update(client: int, examples: int, values: list[float], kept: list[bool]) -> Update:
        return Update(client, {"w": torch.tensor([values])}, {}, {"w": torch.tensor([kept])}, examples, 0.0)

    updates = [update(0, 1, [2.0, 8.0, 0.0], [True, True, False]), update(1, 3, [6.0, 0.0, 0.0], [True, False, False])]
    server = ServerState({"w": torch.ones(1, 3)}, {}, {"w": torch.ones(1, 3, dtype=torch.bool)})
    strategy = make_strategy({"name": "fedsparsify-local", "merge": merge})
    assert strategy.aggregate(updates, server)["w"].tolist() == [merged]


def test_biases_are_pruned_only_as_paper_code() -> None:
    assert "fc1.bias" not in run(strategy__name="fedsparsify-global")[-1].state.masks
    masks = run(strategy__name="fedsparsify-global", strategy__prune_biases=True)[-1].state.masks
    assert not masks["fc1.bias"].all()


def test_fedprox_stays_nearer_to_where_it_started() -> None:
    def drift(mu: float) -> float:
        before, after = run(strategy__name="fedprox", strategy__mu=mu, federation__rounds=1)
        return sum(float((after.state.params[n] - w).square().sum()) for n, w in before.state.params.items())

    assert drift(5.0) < 0.7 * drift(0.0)


def test_fedprox_gradient_by_hand() -> None:
    """g + mu (w - w_received): with loss gradient 0 and w one away from the start, one step moves by lr mu."""
    program = make_strategy({"name": "fedprox", "mu": 0.5}).program(LocalSettings(1, 1, learning_rate=0.1))
    state = program.begin(Assignment(0, {"w": torch.zeros(1, 1)}, {}, {}), 1)
    state = state._replace(params={"w": torch.ones(1, 1)})
    zero = {"w": torch.zeros(1, 1)}
    batch = Batch(torch.zeros(1), torch.zeros(1), torch.ones(1), {})
    after = program.step(state, batch, lambda *_: Gradient(torch.tensor(0.0), zero, {}), RoundContext(1, 1, 0))
    assert after.params["w"].item() == pytest.approx(1 - 0.1 * 0.5)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["mlp", "cnn_small", "resnet20"])
def test_channel_pruning_takes_whole_units(model: str) -> None:
    """A unit is there with everything that belongs to it, or not at all; s_t is passed by less than a unit a layer."""
    records = run(strategy__name="channel-pruning", model__name=model, federation__rounds=4)
    for record in records:
        masks, gone = record.state.masks, {}
        for layer in hidden_units(build_model(model, (1, 8, 8), 10)):
            by_unit = masks[layer.weight].flatten(1).any(1)
            reads = masks[layer.reader].view(len(masks[layer.reader]), len(by_unit), -1)
            assert torch.equal(reads.any(2).any(0), by_unit)
            assert all(torch.equal(masks[name].view(len(by_unit), -1).all(1), by_unit) for name in layer.more)
            assert by_unit.any()
            gone[layer.weight] = 1 - float(by_unit.double().mean())
        assert masks[list(masks)[-1]].all()  # the output layer's bias
        assert max(gone.values()) - min(gone.values()) < 1 / 16  # the same share, as far as whole units allow
        assert record.target_sparsity is not None
        assert record.target_sparsity <= record.sparsity < record.target_sparsity + 0.08
    assert records[-1].sparsity > 0.9


def test_what_channel_pruning_leaves_is_a_smaller_network_without_masks() -> None:
    masks = run(strategy__name="channel-pruning", federation__rounds=4)[-1].state.masks
    slimmed = slim(build_model("mlp", (1, 8, 8), 10), [masks])
    assert slimmed is not None
    assert all(mask.all() for mask in slimmed.cut(masks).values())
    left = sum(parameter.numel() for parameter in slimmed.model.parameters())
    assert left == sum(int(mask.sum()) for mask in masks.values())
