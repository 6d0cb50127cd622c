"""scikit-learn's handwritten digits (Alpaydin and Kaynak, UCI 1998): 1,797 grey images of 8 x 8, values 0 to 16.

Read straight from the package's file: importing `sklearn.datasets` for it would take most of a second.
"""

from __future__ import annotations

import gzip
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from fedlab_core.data.pixels import DataError, Pixels, stratified_split
from fedlab_core.types import seeded_generator


def read_digits() -> Pixels:
    """80 % of every digit for training, 20 % for testing, always the same ones.

    Raises:
        DataError: scikit-learn or its file is not installed.
    """
    with gzip.open(_digits_file()) as file:
        table_NV = torch.from_numpy(np.loadtxt(file, delimiter=",", dtype=np.uint8))
    images_NHWC, y_N = table_NV[:, :64].reshape(-1, 8, 8, 1), table_NV[:, 64].long()
    train_N, test_N = stratified_split(y_N, 0.2, seeded_generator("digits", "test split"))
    names = tuple(str(digit) for digit in range(10))
    return Pixels(images_NHWC[train_N], y_N[train_N], images_NHWC[test_N], y_N[test_N], names, white=16)


def _digits_file() -> Path:
    spec = find_spec("sklearn")
    folders = spec.submodule_search_locations if spec else None
    for folder in folders or []:
        file = Path(folder) / "datasets" / "data" / "digits.csv.gz"
        if file.exists():
            return file
    raise DataError("digits needs scikit-learn, which is not installed or lacks datasets/data/digits.csv.gz")
