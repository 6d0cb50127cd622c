"""A data set split over clients: training and test alike, and clients whose images differ."""

import pytest
import torch

from fedlab_core.data.datasets import load_dataset
from fedlab_core.data.federated import PARTITIONS, FeatureSkew, federate
from fedlab_core.data.partition import PartitionError

DIGITS = load_dataset("digits")


@pytest.mark.parametrize("partition", PARTITIONS)
def test_training_and_test_sets_are_partitioned_alike(partition: str) -> None:
    data = federate(DIGITS, partition=partition, num_clients=10, seed=3)
    assert data.num_clients == 10
    assert torch.equal(torch.cat(data.train_indices).sort().values, torch.arange(len(DIGITS.y_train_N)))
    assert torch.equal(torch.cat(data.test_indices).sort().values, torch.arange(len(DIGITS.y_test_N)))
    assert data.sizes.tolist() == data.label_counts_KC.sum(1).tolist() == [len(i) for i in data.train_indices]
    for client in range(10):
        assert set(data.test(client)[1].tolist()) <= set(data.train(client)[1].tolist())
        share = len(data.test(client)[1]) / len(DIGITS.y_test_N)
        assert share == pytest.approx(len(data.train(client)[1]) / len(DIGITS.y_train_N), abs=10 / len(DIGITS.y_test_N))


def test_seed_decides_and_unneeded_settings_do_not() -> None:
    first = federate(DIGITS, partition="dirichlet", num_clients=5, seed=1, alpha=0.3)
    again = federate(DIGITS, partition="dirichlet", num_clients=5, seed=1, alpha=0.3, size_power=9, labels_per_client=7)
    other = federate(DIGITS, partition="dirichlet", num_clients=5, seed=2, alpha=0.3)
    assert all(torch.equal(a, b) for a, b in zip(first.train_indices, again.train_indices, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first.train_indices, other.train_indices, strict=True))


def test_unknown_partition_is_refused() -> None:
    with pytest.raises(PartitionError, match="'even'; allowed are iid, dirichlet"):
        federate(DIGITS, partition="even", num_clients=5, seed=1)


def test_feature_skew_is_fixed_for_a_client_and_differs_between_clients() -> None:
    data = federate(DIGITS, partition="feature", num_clients=4, seed=0, rotation_degrees=60, noise_std=0.5)
    assert torch.equal(data.train(1)[0], data.train(1)[0])
    plain = DIGITS.x_train_NI[data.train_indices[1]]
    assert not torch.allclose(data.train(1)[0], plain)
    skew = FeatureSkew(60, 0.5, 0)
    x_NI = DIGITS.x_train_NI[:5]
    assert not torch.allclose(skew.apply(1, x_NI), skew.apply(2, x_NI))
    assert not torch.allclose(skew.apply(1, x_NI), skew.apply(1, x_NI, "test"))


def test_no_skew_changes_nothing_and_a_half_turn_turns() -> None:
    x_NI = DIGITS.x_train_NI[:5]
    assert torch.allclose(FeatureSkew().apply(0, x_NI), x_NI, atol=1e-5)
    turned = FeatureSkew(rotation_degrees=180, seed=0)
    means = [float((turned.apply(k, x_NI) - x_NI).abs().mean()) for k in range(6)]
    assert max(means) > 0.3
    assert turned.apply(0, x_NI.double()).dtype == torch.float64


def test_a_hundred_thousand_clients() -> None:
    """Idle clients cost an index tensor each, and nothing runs once per client and class."""
    y_N = torch.arange(200_000) % 10
    big = DIGITS.__class__(
        "big", torch.zeros(200_000, 1, 1, 1), y_N, torch.zeros(1000, 1, 1, 1), y_N[:1000], DIGITS.class_names,
        torch.zeros(1), torch.ones(1),
    )  # fmt: skip
    data = federate(big, partition="quantity", num_clients=100_000, seed=0, size_power=0.5)
    assert int(data.sizes.sum()) == 200_000
    assert int(data.sizes.min()) == 1
