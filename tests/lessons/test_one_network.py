"""The network of notebook 04: scores, and how a budget is shared."""

from __future__ import annotations

import pytest
import torch

from fedlab_core.experiment import Experiment
from fedlab_core.lessons.one_network import Network, keep, trained, untrained
from fedlab_core.pruning.masks import layer_density, sparsity

BASE = Experiment().replace(
    {"model.name": "mlp", "data.num_clients": 1, "data.partition": "iid", "federation.rounds": 1}
)


@pytest.fixture(scope="module")
def network() -> Network:
    return trained(BASE)


def test_it_is_trained_and_masks_cost_accuracy(network: Network) -> None:
    assert untrained(BASE).accuracy() < 0.4 < 0.9 < network.accuracy()
    nothing = {name: torch.zeros_like(weight, dtype=torch.bool) for name, weight in network.weights.items()}
    assert network.accuracy(nothing) < 0.2
    assert network.size == 25_856


def test_scores_are_magnitude_gradient_times_weight_and_chance(network: Network) -> None:
    assert all(torch.equal(score, network.weights[name].abs()) for name, score in network.scores("magnitude").items())
    one, same, other = network.scores("random"), network.scores("random"), network.scores("random", seed=1)
    assert torch.equal(one["fc1.weight"], same["fc1.weight"])
    assert not torch.equal(one["fc1.weight"], other["fc1.weight"])
    assert network.scores("snip").keys() == network.weights.keys()
    assert all((score >= 0).all() for score in network.scores("snip").values())


def test_a_budget_is_shared_in_three_ways(network: Network) -> None:
    scores = network.scores("magnitude")
    for sharing in ("global", "layer", "erk"):
        assert sparsity(keep(scores, 0.9, sharing)) == pytest.approx(0.9, abs=1e-3)
    alike, by_units = (layer_density(keep(scores, 0.9, sharing)) for sharing in ("layer", "erk"))
    assert list(alike.values()) == pytest.approx([0.1] * 3, abs=1e-3)
    assert by_units["fc3.weight"] > by_units["fc1.weight"] > by_units["fc2.weight"]


def test_global_ranking_may_empty_a_layer_the_others_may_not(network: Network) -> None:
    scores = {name: score * (0 if name == "fc2.weight" else 1) for name, score in network.scores("magnitude").items()}
    assert not keep(scores, 0.95, "global")["fc2.weight"].any()
    assert keep(scores, 0.9999, "layer")["fc2.weight"].any()
