"""MNIST, Fashion-MNIST, CIFAR-10 and CIFAR-100 through torchvision: from files that are there, or fetched on request.

torchvision unpickles CIFAR's files, but only after their MD5 sums turned out to be those of the published ones.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from fedlab_core.data.pixels import DataError, Pixels


class _Published(NamedTuple):
    torchvision_name: str
    folder: str
    files: str
    image_shape: tuple[int, int, int]
    num_classes: int


_IDX = "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte"
PUBLISHED = {
    "mnist": _Published("MNIST", "MNIST/raw", _IDX, (28, 28, 1), 10),
    "fashionmnist": _Published("FashionMNIST", "FashionMNIST/raw", _IDX, (28, 28, 1), 10),
    "cifar10": _Published(
        "CIFAR10", "cifar-10-batches-py", "data_batch_1 to _5, test_batch and batches.meta", (32, 32, 3), 10
    ),
    "cifar100": _Published("CIFAR100", "cifar-100-python", "train, test and meta", (32, 32, 3), 100),
}


def read_vision(name: str, data_dir: Path, download: bool) -> Pixels:
    """The published training and test images of `name`, one of `PUBLISHED`.

    Args:
        name: canonical name.
        data_dir: what torchvision calls root.
        download: fetch the files when they are not there; without it, the network is never touched.

    Raises:
        DataError: says which files to put where.
    """
    from torchvision import datasets  # takes over a second, so only when asked for

    published = PUBLISHED[name]
    kind = getattr(datasets, published.torchvision_name)
    train = _open(published, kind, data_dir, True, download)
    test = _open(published, kind, data_dir, False, download)
    # "0 - zero" is what torchvision calls a class of MNIST; the digit is enough.
    class_names = tuple(str(label).split(" - ")[0] for label in train.classes)
    return Pixels(*_tensors(published, train), *_tensors(published, test), class_names)


def _open(published: _Published, kind: Callable[..., Any], data_dir: Path, train: bool, download: bool) -> Any:
    folder = data_dir / published.folder
    try:
        return kind(data_dir, train=train, download=download)
    except Exception as error:  # broken files make torchvision raise almost anything
        problem = f"broken ({error})" if folder.exists() else "missing"
        raise DataError(
            f"{published.torchvision_name} is {problem} in {folder}: put {published.files} there, point FEDLAB_DATA to"
            f" the folder that has {published.folder}, or ask for the download once while online"
        ) from error


def _tensors(published: _Published, opened: Any) -> tuple[Tensor, Tensor]:
    """Images as uint8 [N, H, W, C] and labels, checked against what was published."""
    images, y_N = torch.as_tensor(opened.data), torch.as_tensor(opened.targets, dtype=torch.int64)
    height, width, channels = published.image_shape
    right_shape = images.dtype == torch.uint8 and images[0].numel() == height * width * channels
    if not (right_shape and len(images) == len(y_N) and 0 <= int(y_N.min()) <= int(y_N.max()) < published.num_classes):
        raise DataError(
            f"{published.torchvision_name} in {opened.root} is not as published: expected images of {width} x {height}"
            f" and as many labels from 0 to {published.num_classes - 1}"
        )
    return images.reshape(-1, height, width, channels), y_N
