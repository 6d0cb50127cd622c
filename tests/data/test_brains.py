"""Generated brains: equal for equal seeds, ages as in UK Biobank, and what age does to a volume."""

import pytest
import torch
from torch import Tensor

from fedlab_core.data import brains
from fedlab_core.data.datasets import canonical_name, dataset_metric, dataset_names, load_dataset
from fedlab_core.data.federated import federate
from fedlab_core.metrics import MAE
from fedlab_core.types import seeded_generator


def test_equal_seeds_give_equal_bytes_and_others_other_people() -> None:
    first, again, other = (brains.make_brains(seed, 12, 5) for seed in (3, 3, 4))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[1], other[1])
    assert [tuple(part.shape) for part in first] == [(12, 1, *brains.SHAPE), (12,), (5, 1, *brains.SHAPE), (5,)]
    assert all(part.dtype == torch.float32 for part in first)


def test_more_training_volumes_leave_the_test_volumes_as_they_are() -> None:
    assert torch.equal(brains.make_brains(0, 3, 4)[2], brains.make_brains(0, 8, 4)[2])


def test_ages_are_those_of_the_paper() -> None:
    age_N = brains.draw_ages(50_000, seeded_generator("ages"))
    assert float(age_N.mean()) == pytest.approx(62.65, abs=0.15)
    assert float(age_N.std()) == pytest.approx(7.42, abs=0.1)
    assert 45 <= float(age_N.min()) <= 46 < 79 < float(age_N.max()) <= 80


def test_every_volume_is_normalised_by_itself() -> None:
    x_NI = brains.make_brains(0, 6, 1)[0].double()
    assert x_NI.flatten(1).mean(1).abs().max() < 1e-6
    assert (x_NI.flatten(1).std(1, correction=0) - 1).abs().max() < 1e-6


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Heads that do not move, nor differ in size or brightness."""
    for name in ("MAX_SHIFT", "MAX_TURN", "MAX_GROWTH", "BRIGHTNESS"):
        monkeypatch.setattr(brains, name, 0.0)


def mean_slice(age: float) -> Tensor:
    """The middle slice of many people of one age, [height, width]; 0 is the outside, 1 the brightest white matter."""
    people = brains.draw(torch.full((60,), age), seeded_generator("people"))
    middle = people.mean((0, 1))[brains.SHAPE[0] // 2]
    return (middle - middle[0, 0]) / (middle.max() - middle[0, 0])


def test_ventricles_grow_with_age(still: None) -> None:
    """Between the middle and the left edge of the brain there is white matter, later a ventricle."""
    young, old = mean_slice(45), mean_slice(80)
    assert young[10, 5] > 0.9
    assert old[10, 5] < 0.3


def test_the_cortex_thins_and_its_contrast_falls_with_age(still: None) -> None:
    young, old = mean_slice(45), mean_slice(80)
    assert young[5, 8] < 0.8 < 0.9 < old[5, 8]  # below the surface: grey, later white
    assert young[3, 8] < 0.55 < 0.7 < old[3, 8]  # at the surface: grey, later nearly as bright as white matter


def test_nuisance_moves_heads() -> None:
    """With everything random, people of one age are less alike than they are without."""
    people = brains.draw(torch.full((40,), 60.0), seeded_generator("people"))
    assert people.std(0).mean() > 0.6


def test_the_data_set_is_a_regression_with_groups_of_five_years() -> None:
    data = load_dataset("brains")
    assert data.is_regression
    assert (data.metric, data.num_outputs, data.num_classes) == (MAE, 1, 7)
    assert data.class_names[0] == "45 to 50"
    ages = torch.tensor([45.0, 49.99, 50.0, 62.0, 79.9])
    assert data.labels(ages).tolist() == [0, 0, 1, 3, 6]
    assert data.input_shape == (1, *brains.SHAPE)
    assert data.to_images(data.x_test_NI[:3]).shape == (3, 20, 16, 1)
    assert data.to(torch.float64).y_train_N.dtype == torch.float64


def test_metrics_are_known_without_reading_the_data() -> None:
    assert [name for name in dataset_names() if dataset_metric(name) is MAE] == ["brains", "oasis", "oasisfull"]
    assert all(dataset_metric(canonical_name(name)) is load_dataset(name).metric for name in ("digits", "brains"))


@pytest.mark.parametrize("partition", ["iid", "dirichlet", "shards", "quantity", "ranges", "feature"])
def test_age_groups_stand_for_labels(partition: str) -> None:
    if partition == "feature":
        with pytest.raises(ValueError, match="images"):
            federate(load_dataset("brains"), partition=partition, num_clients=4, seed=0)
        return
    data = federate(load_dataset("brains"), partition=partition, num_clients=4, seed=0, alpha=0.3)
    assert sorted(torch.cat(data.train_indices).tolist()) == list(range(brains.NUM_TRAIN))
    if partition == "shards":
        assert ((data.label_counts_KC > 0).sum(1) == 2).all()


@pytest.mark.slow
def test_a_linear_model_does_not_solve_it() -> None:
    """Ridge regression on the voxels, best of three penalties; a network reaches about 2 years."""
    data = load_dataset("brains")
    x_NI, test_NI = (x.double().flatten(1) for x in (data.x_train_NI, data.x_test_NI))
    mean = data.y_train_N.double().mean()
    target_N, kernel_NN = data.y_train_N.double() - mean, x_NI @ x_NI.T
    errors = []
    for penalty in (100.0, 1e3, 1e4):
        dual_N = torch.linalg.solve(kernel_NN + penalty * torch.eye(len(kernel_NN)), target_N)
        errors.append(float((test_NI @ (x_NI.T @ dual_N) + mean - data.y_test_N).abs().mean()))
    assert 3 < min(errors) < float((data.y_test_N - mean).abs().mean()) - 1
