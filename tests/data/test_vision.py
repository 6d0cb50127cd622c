"""Published image sets through torchvision, on tiny files in the published formats that the tests write."""

import hashlib
import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision import datasets as published

from fedlab_core.data.datasets import DataError, load_dataset
from fedlab_core.data.vision import PUBLISHED

RANDOM = np.random.default_rng(0)
TRAIN_NHW, TEST_NHW = (RANDOM.integers(0, 256, (n, 28, 28), dtype=np.uint8) for n in (20, 10))
CIFAR_N3072 = RANDOM.integers(0, 256, (12, 3072), dtype=np.uint8)
IDX_FOLDERS = {"mnist": "MNIST", "fashionmnist": "FashionMNIST"}
CIFAR_KINDS = {"cifar10": published.CIFAR10, "cifar100": published.CIFAR100}
LABELS = {"cifar10": "labels", "cifar100": "fine_labels"}


def write_idx(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sizes = b"".join(struct.pack(">I", size) for size in array.shape)
    path.write_bytes(bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes())


def write_mnist(folder: Path, labels: np.ndarray) -> None:
    write_idx(folder / "train-images-idx3-ubyte", TRAIN_NHW)
    write_idx(folder / "train-labels-idx1-ubyte", labels)
    write_idx(folder / "t10k-images-idx3-ubyte", TEST_NHW)
    write_idx(folder / "t10k-labels-idx1-ubyte", labels[:10])


def write_cifar(root: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rows in each file; torchvision is told the MD5 sums of these files in place of the published ones."""
    kind, classes = CIFAR_KINDS[name], PUBLISHED[name].num_classes
    (root / kind.base_folder).mkdir(parents=True)
    rows = iter(range(0, 12, 2))

    def write(file: str, content: dict[str, object]) -> str:
        data = pickle.dumps(content)
        (root / kind.base_folder / file).write_bytes(data)
        return hashlib.md5(data).hexdigest()

    for part in ("train_list", "test_list"):
        sums = []
        for file, _ in getattr(kind, part):
            row = next(rows)
            labels = {LABELS[name]: [row % classes, (row + 1) % classes]}
            sums.append([file, write(file, {"data": CIFAR_N3072[row : row + 2], **labels})])
        monkeypatch.setattr(kind, part, sums)
    meta = {kind.meta["key"]: [f"class {c}" for c in range(classes)]}
    monkeypatch.setattr(kind, "meta", kind.meta | {"md5": write(kind.meta["filename"], meta)})


@pytest.mark.parametrize("name", IDX_FOLDERS)
def test_idx_files_are_read(name: str, tmp_path: Path) -> None:
    labels = np.arange(20, dtype=np.uint8) % 10
    write_mnist(tmp_path / IDX_FOLDERS[name] / "raw", labels)
    dataset = load_dataset(name, data_dir=tmp_path)
    assert dataset.input_shape == (1, 28, 28)
    assert dataset.y_train_N.tolist() == labels.tolist()
    assert len(dataset.class_names) == 10
    assert torch.equal(dataset.to_images(dataset.x_train_NI)[..., 0], torch.from_numpy(TRAIN_NHW))
    assert torch.equal(dataset.to_images(dataset.x_test_NI)[..., 0], torch.from_numpy(TEST_NHW))
    assert float(dataset.mean_C) == pytest.approx(TRAIN_NHW.mean() / 255)
    assert float(dataset.std_C) == pytest.approx(TRAIN_NHW.std() / 255)


def test_the_last_one_is_kept_until_a_file_changes_or_another_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = np.arange(20, dtype=np.uint8) % 10
    for folder in IDX_FOLDERS.values():
        write_mnist(tmp_path / folder / "raw", labels)
        write_mnist(tmp_path / "elsewhere" / folder / "raw", labels)
    monkeypatch.setenv("FEDLAB_DATA", str(tmp_path))
    first = load_dataset("mnist")
    assert load_dataset("MNIST") is first
    monkeypatch.chdir(tmp_path)
    assert load_dataset("mnist", data_dir=Path(".")) is first
    assert load_dataset("mnist", data_dir=tmp_path / "elsewhere") is not first
    fashion = load_dataset("fashionmnist")
    assert fashion.name == "fashionmnist"
    assert load_dataset("fashionmnist") is fashion
    write_mnist(tmp_path / "FashionMNIST" / "raw", labels[::-1].copy())
    os.utime(tmp_path / "FashionMNIST" / "raw" / "train-labels-idx1-ubyte", (0, 0))  # however coarse the clock is
    assert load_dataset("fashionmnist").y_train_N.tolist() == labels[::-1].tolist()
    (tmp_path / "FashionMNIST" / "raw" / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match="FashionMNIST is broken"):
        load_dataset("fashionmnist")


def test_mnist_classes_are_digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mnist(tmp_path / "MNIST" / "raw", np.zeros(20, dtype=np.uint8))
    monkeypatch.setenv("FEDLAB_DATA", str(tmp_path))
    assert load_dataset("mnist").class_names == tuple("0123456789")


@pytest.mark.parametrize("name", CIFAR_KINDS)
def test_cifar_files_are_read(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar(tmp_path, name, monkeypatch)
    dataset = load_dataset(name, data_dir=tmp_path)
    images = torch.from_numpy(CIFAR_N3072.reshape(12, 3, 32, 32)).permute(0, 2, 3, 1)
    num_train = len(dataset.y_train_N)
    assert torch.equal(dataset.to_images(dataset.x_train_NI), images[:num_train])
    assert torch.equal(dataset.to_images(dataset.x_test_NI), images[num_train : num_train + 2])
    assert dataset.num_classes == PUBLISHED[name].num_classes
    assert dataset.y_train_N.tolist() == [row % dataset.num_classes for row in range(num_train)]


def test_cifar_files_that_are_not_the_published_ones_are_never_unpickled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_cifar(tmp_path, "cifar10", monkeypatch)
    trap = tmp_path / published.CIFAR10.base_folder / "data_batch_3"
    trap.write_bytes(trap.read_bytes() + b"more")
    monkeypatch.setattr(pickle, "load", lambda *args, **kwargs: pytest.fail("unpickled a foreign file"))
    with pytest.raises(DataError, match=r"CIFAR10 is broken .*corrupted.* in .*cifar-10-batches-py: put data_batch_1"):
        load_dataset("cifar10", data_dir=tmp_path)


@pytest.mark.parametrize(("name", "file"), [(name, p.files.split(",")[0]) for name, p in PUBLISHED.items()])
def test_missing_files_end_in_what_to_put_where(name: str, file: str, tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=rf"is missing in {tmp_path}/\S+: put {file}.* there, point FEDLAB_DATA"
    ) as caught:
        load_dataset(name, data_dir=tmp_path)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_broken_idx_files(tmp_path: Path) -> None:
    labels = np.arange(20, dtype=np.uint8) % 10
    raw = tmp_path / "MNIST" / "raw"
    write_mnist(raw, labels)
    (raw / "train-images-idx3-ubyte").write_bytes(b"nonsense")
    with pytest.raises(DataError, match=r"MNIST is broken \("):
        load_dataset("mnist", data_dir=tmp_path)
    write_mnist(raw, labels[:19])
    with pytest.raises(DataError, match=r"MNIST in .* is not as published: expected images of 28 x 28"):
        load_dataset("mnist", data_dir=tmp_path)
    write_mnist(raw, labels + 1)
    with pytest.raises(DataError, match="as many labels from 0 to 9"):
        load_dataset("mnist", data_dir=tmp_path)


def test_download_that_fails_ends_in_the_same_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(self: object) -> None:
        raise RuntimeError("Error downloading: no network")

    monkeypatch.setattr(published.MNIST, "download", offline)
    with pytest.raises(DataError, match=r"MNIST is missing in .* put train-images-idx3-ubyte"):
        load_dataset("mnist", data_dir=tmp_path, download=True)
