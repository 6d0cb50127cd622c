"""A data set by its name: normalised as promised, the same every time, and unknown ones named."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from fedlab_core.data import digits
from fedlab_core.data.datasets import DataError, canonical_name, dataset_names, load_dataset
from fedlab_core.data.pixels import stratified_split
from fedlab_core.types import seeded_generator


@pytest.mark.parametrize("name", ["digits", "shapes"])
def test_normalised_by_the_training_images(name: str) -> None:
    dataset = load_dataset(name)
    channels, height, width = dataset.input_shape
    assert dataset.x_train_NI.shape == (len(dataset.y_train_N), channels, height, width)
    assert dataset.x_train_NI.dtype == dataset.x_test_NI.dtype == torch.float32
    assert dataset.y_train_N.dtype == dataset.y_test_N.dtype == torch.int64
    std_C, mean_C = torch.std_mean(dataset.x_train_NI.double(), (0, 2, 3), correction=0)
    assert torch.allclose(mean_C, torch.zeros_like(mean_C), atol=1e-6)
    assert torch.allclose(std_C, torch.ones_like(std_C), atol=1e-6)
    for y_N in (dataset.y_train_N, dataset.y_test_N):
        assert y_N.unique().tolist() == list(range(dataset.num_classes))


def as_pairs(images: np.ndarray, labels: list[int]) -> list[tuple[bytes, int]]:
    return sorted((image.tobytes(), label) for image, label in zip(images, labels, strict=True))


def test_digits_are_those_of_scikit_learn() -> None:
    from sklearn.datasets import load_digits

    theirs = load_digits()
    dataset = load_dataset("digits")
    ours = torch.cat([dataset.x_train_NI, dataset.x_test_NI]) * dataset.std_C + dataset.mean_C
    pairs = [
        (image.tobytes(), label) for image, label in zip(theirs.images.astype(np.uint8), theirs.target, strict=True)
    ]
    images = (ours * 16).round().to(torch.uint8)[:, 0].numpy()
    labels = torch.cat([dataset.y_train_N, dataset.y_test_N]).tolist()
    assert sorted((image.tobytes(), label) for image, label in zip(images, labels, strict=True)) == sorted(pairs)
    assert len(dataset.y_test_N) == pytest.approx(0.2 * 1797, abs=5)


@pytest.mark.slow
def test_the_way_to_digits_imports_neither_sklearn_nor_torchvision() -> None:
    script = """if True:
        import sys
        from fedlab_core.data.datasets import load_dataset
        load_dataset("digits")
        print(sorted({"sklearn", "torchvision"} & set(sys.modules)))
    """
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_digits_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digits, "find_spec", lambda name: None)
    with pytest.raises(DataError, match="digits needs scikit-learn"):
        digits.read_digits()


def test_small_sets_are_kept() -> None:
    assert load_dataset("Digits") is load_dataset("digits")
    assert load_dataset("shapes") is load_dataset("SHAPES")


@pytest.mark.parametrize("name", ["fashionmnist", "FashionMNIST", "fashion-mnist", "Fashion_MNIST"])
def test_case_and_hyphens_do_not_matter(name: str) -> None:
    assert canonical_name(name) == "fashionmnist"


def test_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(DataError, match=r"no data set 'cifar11'; allowed are digits, .*; did you mean cifar10\?"):
        canonical_name("cifar11")
    with pytest.raises(DataError, match="no data set 'x'; allowed are"):
        load_dataset("x")
    assert all(canonical_name(name) == name for name in dataset_names())


def test_images_for_display_are_the_pixels_that_were_read() -> None:
    dataset = load_dataset("digits")
    images = dataset.to_images(dataset.x_test_NI)
    assert images.shape == (len(dataset.y_test_N), 8, 8, 1)
    assert images.dtype == torch.uint8
    assert torch.isin(images.float(), (torch.arange(17) * 255 / 16).round()).all()
    assert int(images.max()) == 255
    assert int(images.min()) == 0
    again = dataset.to_images(dataset.x_test_NI.double())
    assert int((again.int() - images.int()).abs().max()) <= 1  # 8 / 16 x 255 lies half-way between two numbers


def test_float64_copy() -> None:
    double = load_dataset("digits").to(torch.float64)
    assert double.x_train_NI.dtype == double.x_test_NI.dtype == torch.float64
    assert double.y_train_N.dtype == torch.int64
    assert torch.equal(double.x_test_NI.float(), load_dataset("digits").x_test_NI)


def test_split_keeps_the_mixture_and_leaves_every_label_on_both_sides() -> None:
    y_N = torch.tensor([0] * 50 + [1] * 10 + [2] * 2)
    train_N, test_N = stratified_split(y_N, 0.2, seeded_generator("split"))
    assert sorted([*train_N.tolist(), *test_N.tolist()]) == list(range(62))
    assert y_N[test_N].bincount().tolist() == [10, 2, 1]
    again = stratified_split(y_N, 0.2, seeded_generator("split"))
    other = stratified_split(y_N, 0.2, seeded_generator("another split"))
    assert torch.equal(test_N, again[1])
    assert not torch.equal(test_N, other[1])


def test_split_never_takes_all_examples_of_a_label() -> None:
    train_N, test_N = stratified_split(torch.tensor([0, 0, 1, 1, 1]), 0.9, seeded_generator("split"))
    assert (len(train_N), len(test_N)) == (2, 3)
