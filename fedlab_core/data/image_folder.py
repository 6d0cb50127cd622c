"""Your own images: a folder, tar or zip with one sub-folder for each class, checked before anything is trained on it.

    cats/1.png  cats/2.png  dogs/1.png ...                       80 % of each class becomes training data
    train/cats/1.png  train/dogs/1.png  test/cats/1.png ...      your own split

H height, W width, C channels (1 grey, 3 red-green-blue).
"""

from __future__ import annotations

import io
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fedlab_core.data.archives import entries
from fedlab_core.data.pixels import DataError, Pixels, stratified_split
from fedlab_core.types import seeded_generator

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".pgm", ".ppm")
MAX_SIDE = 1024
MAX_VALUES = 2**30
"""Numbers in all images together: 4 GiB as float32."""

_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "PPM")
_MODES = {"1": "L", "L": "L", "RGB": "RGB", "P": "RGB"}
_PARTS = ("train", "test")
_Names = dict[PurePosixPath, PurePosixPath]
"""From (part,) class and file to the path in the source, which is what a message must name."""


def read_image_folder(source: Path) -> Pixels:
    """Images of `source` (a folder, .zip, .tar, .tar.gz, .tar.bz2 or .tar.xz), classes in alphabetical order.

    Files without an image's suffix and hidden files are ignored.

    Raises:
        DataError: names the file: unreadable or too large, of another size or kind than the first, not in a class
            folder; a class without images; fewer than two classes; classes that differ between train and test; an
            unsafe archive.
    """
    images, folders = _decode_all(source)
    names = _strip_common(images)
    _check_no_empty_folder(images, folders)
    parts = {path.parts[0] for path in names}
    if parts == set(_PARTS):
        return _given_split(source, images, names)
    return _own_split(source, images, names)


def _decode_all(source: Path) -> tuple[dict[PurePosixPath, Tensor], list[PurePosixPath]]:
    images: dict[PurePosixPath, Tensor] = {}
    folders = []
    values = 0
    for path, data in entries(source, SUFFIXES):
        if data is None:
            folders.append(path)
        else:
            image_HWC = _decode(path, data)
            first, first_HWC = next(iter(images.items()), (path, image_HWC))
            if image_HWC.shape != first_HWC.shape:
                differ = f"{path} is {_kind(image_HWC)} but {first} is {_kind(first_HWC)}"
                raise DataError(f"{differ}: all images must have one size and kind")
            if path in images:
                raise DataError(f"{path} is in {source} twice")
            values += image_HWC.numel()
            if values > MAX_VALUES:
                raise DataError(f"{source} has more than {MAX_VALUES:,} pixel values, the most that is allowed")
            images[path] = image_HWC
    if not images:
        raise DataError(f"{source} has no images; expected class folders with files in {', '.join(SUFFIXES)}")
    return images, folders


def _decode(path: PurePosixPath, data: bytes) -> Tensor:
    """uint8 [H, W, C]; the size is checked before the pixels are unpacked."""
    try:
        image = Image.open(io.BytesIO(data), formats=_FORMATS)
    except Exception as error:  # Pillow's readers raise almost anything on hostile bytes
        raise DataError(f"{path} is not a readable image: {error}") from error
    if max(image.size) > MAX_SIDE:
        raise DataError(f"{path} has {image.width} x {image.height} pixels; at most {MAX_SIDE} a side are allowed")
    if image.mode not in _MODES:
        raise DataError(f"{path} has colour mode {image.mode}; allowed are 8-bit grey and RGB without transparency")
    try:
        array = np.array(image.convert(_MODES[image.mode]))
    except Exception as error:
        raise DataError(f"{path} is not a readable image: {error}") from error
    return torch.from_numpy(array).reshape(image.height, image.width, -1)


def _kind(image_HWC: Tensor) -> str:
    height, width, channels = image_HWC.shape
    return f"{width} x {height} {'grey' if channels == 1 else 'RGB'}"


def _strip_common(images: dict[PurePosixPath, Tensor]) -> _Names:
    """Drop folders that all images share above their class, as archives of one folder have."""
    names = {path: path for path in images}
    while len({path.parts[0] for path in names}) == 1 and all(len(path.parts) > 2 for path in names):
        names = {PurePosixPath(*path.parts[1:]): full for path, full in names.items()}
    return names


def _check_no_empty_folder(images: dict[PurePosixPath, Tensor], folders: list[PurePosixPath]) -> None:
    used = {folder for path in images for folder in path.parents}
    for folder in folders:
        if folder not in used:
            raise DataError(f"folder {folder} has no images (files in {', '.join(SUFFIXES)})")


def _given_split(source: Path, images: dict[PurePosixPath, Tensor], names: _Names) -> Pixels:
    by_part = {
        part: {PurePosixPath(*path.parts[1:]): full for path, full in names.items() if path.parts[0] == part}
        for part in _PARTS
    }
    labelled = {part: _by_class(source, by_part[part]) for part in _PARTS}
    for part, other in (_PARTS, _PARTS[::-1]):
        for missing in sorted(set(labelled[other]) - set(labelled[part])):
            raise DataError(f"class {missing} of {source} has images in {other} but none in {part}")
    train_NHWC, y_train_N = _stack(images, labelled["train"])
    test_NHWC, y_test_N = _stack(images, labelled["test"])
    return Pixels(train_NHWC, y_train_N, test_NHWC, y_test_N, tuple(labelled["train"]))


def _own_split(source: Path, images: dict[PurePosixPath, Tensor], names: _Names) -> Pixels:
    labelled = _by_class(source, names)
    for label, paths in labelled.items():
        if len(paths) < 2:
            raise DataError(f"class {label} of {source} has one image; needed are 2, to train and to test")
    all_NHWC, y_N = _stack(images, labelled)
    train_N, test_N = stratified_split(y_N, 0.2, seeded_generator("images", "test split"))
    return Pixels(all_NHWC[train_N], y_N[train_N], all_NHWC[test_N], y_N[test_N], tuple(labelled))


def _by_class(source: Path, names: _Names) -> dict[str, list[PurePosixPath]]:
    labelled: dict[str, list[PurePosixPath]] = {}
    for path, full in sorted(names.items()):
        if len(path.parts) != 2:
            raise DataError(f"{full} must be at CLASS/FILE, or at train/CLASS/FILE and test/CLASS/FILE")
        labelled.setdefault(path.parts[0], []).append(full)
    if len(labelled) < 2:
        raise DataError(f"{source} has one class, {next(iter(labelled))}; at least two class folders are needed")
    return labelled


def _stack(images: dict[PurePosixPath, Tensor], labelled: dict[str, list[PurePosixPath]]) -> tuple[Tensor, Tensor]:
    ordered_NHWC = torch.stack([images[path] for paths in labelled.values() for path in paths])
    return ordered_NHWC, torch.tensor([label for label, paths in enumerate(labelled.values()) for _ in paths])
