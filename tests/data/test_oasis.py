"""OASIS: read from small files that the test writes; nothing is fetched, and the terms are asked for."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from fedlab_core.data import oasis
from fedlab_core.data.datasets import DataError, load_dataset
from fedlab_core.models import build_model

nibabel = pytest.importorskip("nibabel")
SIDES = (9, 10, 8)
AGES = {number: 20 + 7 * (number % 5) for number in range(1, 21)}


def file_of(folder: Path, number: int) -> Path:
    person = f"OAS1_{number:04d}_MR1"
    return folder / oasis.FOLDER / person / f"mwrc1{person}_mpr_anon_fslswapdim_bet.nii.gz"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twenty people; the map of person n is n plus a ramp along each axis. The table has one person without a map."""
    ramp = np.add.outer(np.add.outer(np.arange(9.0), 2 * np.arange(10.0)), 4 * np.arange(8.0)).astype(np.float32)
    for number in AGES:
        path = file_of(tmp_path, number)
        path.parent.mkdir(parents=True)
        nibabel.save(nibabel.Nifti1Image(ramp + number, np.eye(4)), path)
    rows = [f"OAS1_{number:04d}_MR1,F,R,{age},2" for number, age in {**AGES, 99: 50}.items()]
    (tmp_path / oasis.FOLDER / oasis.AGES).write_text("\n".join(["ID,M/F,Hand,Age,Educ", *rows, ""]))
    return tmp_path


def test_people_are_split_by_age_and_volumes_are_averaged_and_normalised(folder: Path) -> None:
    data = load_dataset("oasis", data_dir=folder)
    assert data.is_regression
    assert data.input_shape == (1, 2, 2, 2)
    assert (len(data.y_train_N), len(data.y_test_N)) == (15, 5)  # one of the four people of each age is for testing
    assert sorted(data.y_test_N.tolist()) == [20, 27, 34, 41, 48]
    assert data.class_names[0] == "20 to 25"
    one = data.x_train_NI[0, 0].double()
    assert float(one.mean()) == pytest.approx(0, abs=1e-6)
    # Means over 4 x 4 x 4 voxels of a ramp lie 4, 8 and 16 apart along the axes, a constant does not matter.
    steps = [float(one.diff(dim=axis).mean()) for axis in range(3)]
    assert steps == pytest.approx([step / (4**2 / 4 + 8**2 / 4 + 16**2 / 4) ** 0.5 for step in (4, 8, 16)], rel=1e-5)


def test_all_voxels_are_there_under_another_name_and_in_the_same_order(folder: Path) -> None:
    small, full = (load_dataset(name, data_dir=folder) for name in ("oasis", "oasisfull"))
    assert full.input_shape == (1, *SIDES)
    assert torch.equal(small.y_train_N, full.y_train_N)
    assert load_dataset("OASIS", data_dir=folder).name == "oasis"


def test_sizes_fit_the_models() -> None:
    """91 x 109 x 91 voxels of OASIS, whole and in blocks."""
    assert build_model("brain_cnn", (1, 91, 109, 91), 1)
    assert build_model("brain_small", (1, 91 // 4, 109 // 4, 91 // 4), 1)


def test_missing_files_are_named_and_nothing_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(oasis.AGREED, raising=False)
    with pytest.raises(DataError, match=r"oasis_cross-sectional\.csv is not there; .* set FEDLAB_OASIS_TERMS=agreed"):
        load_dataset("oasis", data_dir=tmp_path)
    with pytest.raises(DataError, match=r"people who agree to its terms, https://sites\.wustl\.edu/oasisbrains/"):
        load_dataset("oasis", data_dir=tmp_path, download=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow  # nilearn takes seconds to import
def test_it_is_fetched_by_nilearn_for_who_agrees(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setenv(oasis.AGREED, "agreed")
    monkeypatch.setattr("nilearn.datasets.fetch_oasis_vbm", lambda data_dir: asked.append(data_dir))
    assert load_dataset("oasis", data_dir=folder, download=True).name == "oasis"
    assert asked == [str(folder)]

    def fail(data_dir: str) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("nilearn.datasets.fetch_oasis_vbm", fail)
    with pytest.raises(DataError, match="OASIS cannot be fetched: no route to host"):
        load_dataset("oasis", data_dir=folder, download=True)


@pytest.mark.parametrize("module", ["nibabel", "nilearn.datasets"])
def test_what_to_install_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setenv(oasis.AGREED, "agreed")
    with pytest.raises(DataError, match="need nilearn: pip install nilearn"):
        load_dataset("oasis", data_dir=folder, download=module != "nibabel")


def test_damaged_files_are_named(folder: Path) -> None:
    path = file_of(folder, 7)
    path.write_bytes(b"not a volume")
    with pytest.raises(DataError, match=r"OAS1_0007_MR1.* cannot be read"):
        load_dataset("oasis", data_dir=folder)
    nibabel.save(nibabel.Nifti1Image(np.zeros(SIDES, np.float32), np.eye(4)), path)
    with pytest.raises(DataError, match=r"OAS1_0007_MR1.* allowed are volumes of finite numbers, not all equal"):
        load_dataset("oasis", data_dir=folder)
    (folder / oasis.FOLDER / oasis.AGES).write_text("ID,Height\nOAS1_0001_MR1,180\n")
    with pytest.raises(DataError, match="has no columns ID and Age"):
        load_dataset("oasis", data_dir=folder)
