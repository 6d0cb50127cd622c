"""A data set split over clients: training and test alike, and clients whose images differ."""

import math
from dataclasses import replace
from time import process_time

import pytest
import torch

from fedlab_core.data.datasets import Dataset, load_dataset
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


def test_few_examples_are_drawn_from_all_that_a_client_has() -> None:
    """The first digits come from other writers than the last: a model trained on these knows other people."""
    data = federate(DIGITS, partition="quantity", num_clients=10, seed=0)
    few = data.at_most(30, seed=1)
    assert few.sizes.tolist() == data.sizes.clamp(max=30).tolist()
    assert all(set(a.tolist()) <= set(b.tolist()) for a, b in zip(few.train_indices, data.train_indices, strict=True))
    assert not torch.equal(few.train_indices[0], data.train_indices[0][:30])
    assert not torch.equal(few.train_indices[0], data.at_most(30).train_indices[0])
    assert torch.equal(few.train_indices[0], data.at_most(30, seed=1).train_indices[0])
    assert few.test_indices is data.test_indices


def test_random_labels_are_drawn_in_training_and_test_data_alike() -> None:
    data = federate(DIGITS, partition="iid", num_clients=5, seed=0)
    noisy = data.with_random_labels(0.5, seed=1)
    for kept, before in ((noisy.dataset.y_train_N, DIGITS.y_train_N), (noisy.dataset.y_test_N, DIGITS.y_test_N)):
        assert 0.35 < (kept != before).double().mean() < 0.55  # a tenth of those drawn anew is what it was
    assert noisy.train_indices is data.train_indices
    assert torch.equal(noisy.dataset.y_test_N, data.with_random_labels(0.5, seed=1).dataset.y_test_N)
    assert not torch.equal(noisy.dataset.y_test_N, data.with_random_labels(0.5, seed=2).dataset.y_test_N)


def test_ages_cannot_be_drawn_as_labels() -> None:
    data = federate(replace(DIGITS, y_train_N=DIGITS.y_train_N.float()), partition="iid", num_clients=5, seed=0)
    with pytest.raises(ValueError, match="has numbers to predict"):
        data.with_random_labels(0.3)


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


def test_every_client_has_its_own_angle_and_its_own_strength_of_noise() -> None:
    ramp = torch.arange(12.0).expand(1, 1, 12, 12)
    turned = torch.stack([FeatureSkew(rotation_degrees=40).apply(k, ramp) for k in range(50)])
    slope = turned[:, 0, 0, 6, 7] - turned[:, 0, 0, 6, 6]  # cosine of the angle
    assert slope.unique().numel() == 50
    assert float(slope.min()) == pytest.approx(math.cos(math.radians(40)), abs=0.03)
    flat = torch.zeros(1, 1, 60, 60)
    strength = torch.stack([FeatureSkew(noise_std=0.5).apply(k, flat).std() for k in range(50)])
    assert strength.sort().values == pytest.approx(torch.linspace(0, 0.5, 50), abs=0.12)


def test_no_skew_changes_nothing_and_a_half_turn_turns() -> None:
    x_NI = DIGITS.x_train_NI[:5]
    assert torch.allclose(FeatureSkew().apply(0, x_NI), x_NI, atol=1e-5)
    turned = FeatureSkew(rotation_degrees=180, seed=0)
    means = [float((turned.apply(k, x_NI) - x_NI).abs().mean()) for k in range(6)]
    assert max(means) > 0.3
    assert turned.apply(0, x_NI.double()).dtype == torch.float64


@pytest.mark.parametrize("shape", [(12, 12), (12, 20), (20, 12)])
def test_a_turn_keeps_the_distance_from_the_middle(shape: tuple[int, int]) -> None:
    y, x = torch.meshgrid(*(torch.arange(side) - (side - 1) / 2 for side in shape), indexing="ij")
    rings = torch.hypot(x, y)
    seen = FeatureSkew(rotation_degrees=90).apply(3, rings[None, None])[0, 0]
    assert (seen - rings)[rings < 5].abs().max() < 0.3


def test_skewed_clients_may_have_no_examples() -> None:
    data = federate(DIGITS, partition="feature", num_clients=1000, seed=0, rotation_degrees=60, noise_std=0.5)
    empty = next(k for k in range(1000) if len(data.test_indices[k]) == 0)
    assert data.test(empty)[0].shape == (0, 1, 8, 8)


def test_test_examples_go_to_clients_at_random_where_there_are_too_few() -> None:
    num_clients = len(DIGITS.y_train_N)  # one training example each
    data = federate(DIGITS, partition="iid", num_clients=num_clients, seed=0)
    tested = torch.tensor([k for k in range(num_clients) if len(data.test_indices[k])])
    assert len(tested) == len(DIGITS.y_test_N)
    assert float(tested.float().mean()) == pytest.approx(num_clients / 2, abs=80)


@pytest.mark.slow
@pytest.mark.parametrize("partition", PARTITIONS)
def test_a_hundred_thousand_clients(partition: str) -> None:
    """Idle clients cost an index tensor each, and nothing runs once per client and class."""
    y_N = torch.arange(200_000) % 10
    one_NI = torch.zeros(1, 1, 1, 1)
    names, mean_C = DIGITS.class_names, torch.zeros(1)
    big = Dataset("big", one_NI.expand(200_000, 1, 1, 1), y_N, one_NI, y_N[:1000], names, mean_C, mean_C + 1)
    start = process_time()
    data = federate(big, partition=partition, num_clients=100_000, seed=0, labels_per_client=1, size_power=0.5)
    assert process_time() - start < 10
    assert data.num_clients == 100_000
    assert int(data.sizes.sum()) == 200_000
    assert int(data.sizes.min()) >= 1


def test_the_same_image_looks_different_at_clients_with_a_feature_skew() -> None:
    dataset = load_dataset("digits")
    settings = {"partition": "feature", "num_clients": 3, "seed": 0, "rotation_degrees": 90.0}
    x_NI = dataset.x_train_NI[:2]
    first, second = federate(dataset, **settings).at_clients(x_NI, [0, 1])
    assert not torch.equal(first, second)
    plain = federate(dataset, partition="iid", num_clients=3, seed=0).at_clients(x_NI, [0, 1])
    assert all(torch.equal(seen_NI, x_NI) for seen_NI in plain)
