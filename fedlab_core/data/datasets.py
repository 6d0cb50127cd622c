"""A data set by its name: normalised images and labels, ready to train on.

N examples, I = (channels, height, width), of volumes (channels, depth, height, width), H height, W width, C channels.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from fedlab_core.data.brains import make_brains
from fedlab_core.data.digits import read_digits
from fedlab_core.data.generate import make_shapes
from fedlab_core.data.image_folder import read_image_folder
from fedlab_core.data.oasis import BLOCKS, FOLDER, fetch_oasis, read_oasis
from fedlab_core.data.pixels import DataError, Pixels
from fedlab_core.data.vision import PUBLISHED, read_vision
from fedlab_core.metrics import ACCURACY, MAE, Metric

__all__ = ["DataError", "Dataset", "canonical_name", "dataset_metric", "dataset_names", "load_dataset", "of_ages"]


FIRST_GUESS = 62.68
"""Age in years that FedSparsify's brain age model guesses before training: about the mean of UK Biobank's scans."""


@dataclass(frozen=True)
class Dataset:
    """Training and test examples. Tensors are shared and cached: never change them in place.

    Attributes:
        name: one of `dataset_names()`.
        x_train_NI, x_test_NI: float32 [N, *input_shape]: images (pixels - mean) / std with pixels in [0, 1], or volumes
            normalised one by one.
        y_train_N, y_test_N: int64 labels, 0 to num_classes - 1; of a regression, float32 numbers (ages in years).
        class_names: what each label means; of a regression, the groups into which its numbers fall.
        mean_C, std_C: per channel, over the training images in [0, 1]; std is 1 where a channel is constant. Of
            volumes, what makes them pictures again.
        group_ends: of a regression, where one group of numbers ends and the next begins, ascending; groups stand for
            labels wherever clients are to differ.
        typical: of a regression, what is guessed before training: the bias of the last layer starts there.
    """

    name: str
    x_train_NI: Tensor
    y_train_N: Tensor
    x_test_NI: Tensor
    y_test_N: Tensor
    class_names: tuple[str, ...]
    mean_C: Tensor
    std_C: Tensor
    group_ends: tuple[float, ...] = ()
    typical: float = 0.0

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(channels, height, width) of images, (channels, depth, height, width) of volumes."""
        return tuple(self.x_train_NI.shape[1:])

    @property
    def num_classes(self) -> int:
        """How many labels there are, or groups of numbers."""
        return len(self.class_names)

    @property
    def is_regression(self) -> bool:
        """Whether a number is to be predicted, and not a label."""
        return self.y_train_N.is_floating_point()

    @property
    def metric(self) -> Metric:
        """What models are measured by."""
        return MAE if self.is_regression else ACCURACY

    @property
    def num_outputs(self) -> int:
        """Outputs of a model: one for each class, or the predicted number."""
        return 1 if self.is_regression else self.num_classes

    def labels(self, y_N: Tensor) -> Tensor:
        """int64 [N]: labels as they are; of a regression, the groups of these numbers."""
        if not self.is_regression:
            return y_N
        return torch.bucketize(y_N, torch.tensor(self.group_ends, device=y_N.device), right=True)

    def to_images(self, x_NI: Tensor) -> Tensor:
        """Normalised examples back as pictures for display: uint8 [N, height, width, channels], 255 is white.

        Of a volume, the slice in the middle of its first axis.
        """
        x_NI = x_NI[:, :, x_NI.shape[2] // 2] if x_NI.dim() == 5 else x_NI
        x_NHWC = x_NI.permute(0, 2, 3, 1) * self.std_C.to(x_NI) + self.mean_C.to(x_NI)
        return (x_NHWC * 255).round().clamp(0, 255).to(torch.uint8)

    def to(self, dtype: torch.dtype) -> Dataset:
        """The same data with examples of another floating-point type."""
        names = ("x_train_NI", "y_train_N", "x_test_NI", "y_test_N")
        floating = {name: getattr(self, name) for name in names if getattr(self, name).is_floating_point()}
        return replace(self, **{name: tensor.to(dtype) for name, tensor in floating.items()})


class _Request(NamedTuple):
    path: str
    data_dir: Path
    download: bool


def dataset_names() -> tuple[str, ...]:
    """Every name that `load_dataset` knows."""
    return tuple(_SOURCES)


def dataset_metric(name: str) -> Metric:
    """What models of a data set are measured by, without reading it. Raises `DataError` for an unknown name."""
    return MAE if canonical_name(name) in _REGRESSIONS else ACCURACY


def canonical_name(name: str) -> str:
    """The name as `dataset_names` has it: "Fashion-MNIST", "fashion_mnist" and "FASHIONMNIST" are "fashionmnist".

    Raises:
        DataError: unknown; the nearest known name is in the message.
    """
    plain = name.lower().replace("-", "").replace("_", "")
    if plain not in _SOURCES:
        near = get_close_matches(plain, _SOURCES, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise DataError(f"there is no data set {name!r}; allowed are {', '.join(_SOURCES)}{hint}")
    return plain


def load_dataset(name: str, *, path: str = "", data_dir: Path | None = None, download: bool = False) -> Dataset:
    """Read, check and normalise a data set. Digits and shapes are kept for the rest of the process.

    Of all others the one that was read last is kept, too, so that many runs on it in one process read it once; it is
    read again when one of its files has changed.

    Args:
        name: one of `dataset_names()`; upper case, "-" and "_" do not matter.
        path: for "images": the folder, tar or zip of class sub-folders.
        data_dir: where MNIST and the like are; default is the environment variable FEDLAB_DATA, or else `data/`.
        download: fetch MNIST and the like, or OASIS, when they are not there.

    Raises:
        DataError: unknown name, missing or unusable files.
    """
    name = canonical_name(name)
    return _SOURCES[name](_Request(path, data_dir or _default_data_dir(), download))


def _default_data_dir() -> Path:
    repository = Path(__file__).parents[2]
    fallback = repository / "data" if (repository / "pyproject.toml").exists() else Path("data")
    return Path(os.environ.get("FEDLAB_DATA") or fallback)


@lru_cache
def _digits() -> Dataset:
    return _normalised("digits", read_digits())


@lru_cache
def _shapes() -> Dataset:
    return _normalised("shapes", make_shapes())


@lru_cache
def _brains() -> Dataset:
    return of_ages("brains", *make_brains())


def of_ages(name: str, x_train_NI: Tensor, y_train_N: Tensor, x_test_NI: Tensor, y_test_N: Tensor) -> Dataset:
    """Volumes that are normalised already, and ages in years, in groups of five years as far as there are any."""
    low, high = (int(end) // 5 * 5 for end in (y_train_N.min(), y_train_N.max()))
    starts = range(low, high + 5, 5)
    names = tuple(f"{start} to {start + 5}" for start in starts)
    mean_C, std_C = torch.tensor([0.4]), torch.tensor([0.2])  # from 2 deviations below the mean to 3 above it
    ends = tuple(float(start) for start in starts[1:])
    return Dataset(name, x_train_NI, y_train_N, x_test_NI, y_test_N, names, mean_C, std_C, ends, FIRST_GUESS)


class _Kept:
    """The data set that was read last, and what was asked for: one, for they may be large."""

    def __init__(self) -> None:
        self._asked: object = None
        self._dataset: Dataset | None = None
        self._lock = threading.Lock()

    def get(self, asked: object, read: Callable[[], Dataset]) -> Dataset:
        """What is kept, if it is what is asked for; else it is read."""
        with self._lock:  # threads that ask at once read once
            if self._dataset is None or self._asked != asked:
                self._asked = self._dataset = None  # the old one leaves before the new one comes
                self._dataset = read()
                self._asked = asked
            return self._dataset


_kept = _Kept()


def _images(request: _Request) -> Dataset:
    if not request.path:
        raise DataError("data.path is ''; allowed is the path of a folder, tar or zip of class sub-folders")
    source = Path(request.path).expanduser()
    return _kept.get(("images", _state_of(source.absolute())), lambda: _normalised("images", read_image_folder(source)))


def _vision(name: str) -> Callable[[_Request], Dataset]:
    def read(request: _Request) -> Dataset:
        folder = (request.data_dir / PUBLISHED[name].folder).absolute()  # the working folder may change
        return _kept.get(
            (name, _state_of(folder)),
            lambda: _normalised(name, read_vision(name, request.data_dir, request.download)),
        )

    return read


def _oasis(name: str) -> Callable[[_Request], Dataset]:
    def read(request: _Request) -> Dataset:
        folder = (request.data_dir / FOLDER).absolute()
        if request.download:
            fetch_oasis(request.data_dir)
        return _kept.get((name, _state_of(folder)), lambda: of_ages(name, *read_oasis(name, request.data_dir)))

    return read


def _state_of(source: Path) -> list[tuple[str, int, int]]:
    """Names, sizes and times of a file or of all files in a folder: another state, other images."""
    try:
        stats = [(str(file), file.stat()) for file in (source, *source.rglob("*")) if file.is_file()]
    except (OSError, ValueError) as error:
        raise DataError(f"{source} cannot be read: {error}") from error
    return sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)


_SOURCES: dict[str, Callable[[_Request], Dataset]] = {
    "digits": lambda request: _digits(),
    "shapes": lambda request: _shapes(),
    "brains": lambda request: _brains(),
    **{name: _vision(name) for name in PUBLISHED},
    **{name: _oasis(name) for name in BLOCKS},
    "images": _images,
}


_REGRESSIONS = ("brains", *BLOCKS)


def _normalised(name: str, pixels: Pixels) -> Dataset:
    mean_C, std_C = _mean_std(pixels.train_NHWC, pixels.white)
    x_train_NI = _scaled(pixels.train_NHWC, pixels.white, mean_C, std_C)
    x_test_NI = _scaled(pixels.test_NHWC, pixels.white, mean_C, std_C)
    return Dataset(name, x_train_NI, pixels.y_train_N, x_test_NI, pixels.y_test_N, pixels.class_names, mean_C, std_C)


def normalised_as(pixels: Pixels, mean_C: Tensor, std_C: Tensor, class_names: tuple[str, ...]) -> Dataset:
    """Somebody's own images, normalised and labelled as another data set is; of its classes they may lack some."""
    label = torch.tensor([class_names.index(name) for name in pixels.class_names])
    x_train_NI = _scaled(pixels.train_NHWC, pixels.white, mean_C, std_C)
    x_test_NI = _scaled(pixels.test_NHWC, pixels.white, mean_C, std_C)
    y_train_N, y_test_N = label[pixels.y_train_N], label[pixels.y_test_N]
    return Dataset("images", x_train_NI, y_train_N, x_test_NI, y_test_N, class_names, mean_C, std_C)


def _mean_std(images_NHWC: Tensor, white: int) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel, exactly, by counting how often each of the few values occurs."""
    count_CV = torch.stack([channel.flatten().bincount(minlength=white + 1) for channel in images_NHWC.unbind(-1)])
    share_CV = count_CV.double() / count_CV.sum(1, keepdim=True)
    value_V = torch.arange(white + 1, dtype=torch.float64) / white
    mean_C = share_CV @ value_V
    std_C = (share_CV * (value_V - mean_C[:, None]).square()).sum(1).sqrt()
    return mean_C.float(), torch.where(std_C > 0, std_C, 1.0).float()


def _scaled(images_NHWC: Tensor, white: int, mean_C: Tensor, std_C: Tensor) -> Tensor:
    """float32 [N, C, H, W]; computed in place, so that nothing else of that size is ever in memory."""
    count, height, width, channels = images_NHWC.shape
    x_NI = torch.empty(count, channels, height, width)
    x_NI.copy_(images_NHWC.permute(0, 3, 1, 2))
    return x_NI.div_(white).sub_(mean_C[:, None, None]).div_(std_C[:, None, None])
