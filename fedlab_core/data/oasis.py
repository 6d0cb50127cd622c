"""Real brains: grey matter of 403 people of 18 to 96 years from OASIS-1 (Marcus et al. 2007), through nilearn.

The maps are those that nilearn serves, 91 x 109 x 91 voxels of 2 mm: the size of the scans in FedSparsify's brain age
experiments (arXiv 2208.11669). `oasis` averages blocks of 4 x 4 x 4 voxels, so that a laptop can train on them;
`oasisfull` has all voxels (1.5 GB in memory), for `brain_cnn`. Nothing is fetched unless asked for, and only for
somebody who agrees to the terms of use.

N volumes, I = (1, depth, height, width).
"""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from fedlab_core.data.brains import normalised
from fedlab_core.data.pixels import DataError, stratified_split
from fedlab_core.types import seeded_generator

BLOCKS = {"oasis": 4, "oasisfull": 1}
"""Voxels on each side that are averaged, by name of the data set."""

FOLDER, AGES = "oasis1", "oasis_cross-sectional.csv"
MAPS = "OAS1_*_MR1/mwrc1OAS1_*_MR1_mpr_anon_fslswapdim_bet.nii.gz"
TERMS = "https://sites.wustl.edu/oasisbrains/"
AGREED = "FEDLAB_OASIS_TERMS"
TEST_FRACTION = 0.2


def read_oasis(name: str, data_dir: Path) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Training volumes [N, *I] and ages [N], then those for testing: a fifth of each age group, always the same people.

    Args:
        name: one of `BLOCKS`.
        data_dir: in it, the folder `oasis1` as nilearn makes it.

    Raises:
        DataError: nilearn is missing, or files are missing or unusable.
    """
    folder = data_dir / FOLDER
    age_of = _ages(folder / AGES)
    paths = sorted(path for path in folder.glob(MAPS) if path.parent.name in age_of)
    if len(paths) < 2:
        raise DataError(f"{folder} has {len(paths)} grey matter maps {MAPS}; {_HOW_TO_GET}")
    x_NI = torch.stack([_volume(path, BLOCKS[name]) for path in paths])
    y_N = torch.tensor([age_of[path.parent.name] for path in paths])
    train_N, test_N = stratified_split(y_N // 5, TEST_FRACTION, seeded_generator("oasis", "split"))
    return x_NI[train_N], y_N[train_N], x_NI[test_N], y_N[test_N]


_HOW_TO_GET = (
    f"whoever agrees to the terms of use ({TERMS}) can set {AGREED}=agreed and add --download, or put the files there "
    "that nilearn.datasets.fetch_oasis_vbm makes"
)


def fetch_oasis(data_dir: Path) -> None:
    """Let nilearn fetch what is not there yet.

    Raises:
        DataError: the terms are not agreed to, nilearn is missing, or the network fails.
    """
    if os.environ.get(AGREED) != "agreed":
        raise DataError(
            f"OASIS may only be used by people who agree to its terms, {TERMS}: set {AGREED}=agreed if you do"
        )
    try:
        from nilearn.datasets import fetch_oasis_vbm  # takes seconds, so only when asked for
    except ImportError as error:
        raise DataError(_NO_NILEARN) from error
    try:
        fetch_oasis_vbm(data_dir=str(data_dir))
    except (OSError, ValueError, RuntimeError) as error:
        raise DataError(f"OASIS cannot be fetched: {error}") from error


_NO_NILEARN = "the data sets oasis and oasisfull need nilearn: pip install nilearn"


def _ages(path: Path) -> dict[str, float]:
    """Age in years by person, from the table that comes with the maps."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return {row["ID"]: float(row["Age"]) for row in csv.DictReader(file)}
    except OSError as error:
        raise DataError(f"{path} is not there; {_HOW_TO_GET}") from error
    except (KeyError, ValueError) as error:
        raise DataError(f"{path} has no columns ID and Age, with a number in each Age: {error}") from error


def _volume(path: Path, block: int) -> Tensor:
    """One map, float32 [1, depth, height, width]: averaged over blocks, then normalised by itself."""
    try:
        import nibabel
    except ImportError as error:
        raise DataError(_NO_NILEARN) from error
    try:
        voxels = np.asarray(nibabel.load(path).dataobj, np.float32)  # type: ignore[attr-defined]
    except (OSError, ValueError, EOFError, nibabel.filebasedimages.ImageFileError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    if voxels.ndim != 3 or min(voxels.shape) < block or not np.isfinite(voxels).all() or voxels.min() == voxels.max():
        raise DataError(f"{path} is {voxels.shape}; allowed are volumes of finite numbers, not all equal")
    volume_1I = F.avg_pool3d(torch.from_numpy(voxels).unsqueeze(0), block)
    return normalised(volume_1I.flatten(1)).view_as(volume_1I)
