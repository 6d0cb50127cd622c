import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedlab_core.plots.grids import CELLS, block_mean, block_sample, flat, grid_of

SIZES = st.integers(1, 3 * CELLS + 7)


def test_kernels_lie_flat_with_outputs_down() -> None:
    kernel = torch.arange(2 * 3 * 2 * 2).reshape(2, 3, 2, 2)
    assert flat(kernel).shape == (2, 12)
    assert flat(kernel)[1, 5] == kernel[1, 1, 0, 1]
    assert flat(torch.ones(5)).shape == (1, 5)


@given(rows=SIZES, columns=SIZES)
def test_a_picture_is_small_and_no_coarser_than_needed(rows: int, columns: int) -> None:
    grid = grid_of(np.zeros((rows, columns), np.float32))
    assert max(grid.shape) <= 128
    assert grid.blocked == (max(rows, columns) > CELLS)
    assert (grid.height - 1) * CELLS < rows
    assert (grid.width - 1) * CELLS < columns


@given(rows=SIZES, columns=SIZES)
def test_block_means_keep_the_total(rows: int, columns: int) -> None:
    values_RQ = np.arange(rows * columns, dtype=np.float32).reshape(rows, columns) % 5
    grid = grid_of(values_RQ)
    means_HW = block_mean(values_RQ, grid)
    assert means_HW.shape == grid.shape
    ones_HW = block_mean(np.ones_like(values_RQ), grid)
    assert ones_HW == pytest.approx(1)
    heights_H = [min(grid.height, rows - top) for top in range(0, rows, grid.height)]
    widths_W = [min(grid.width, columns - left) for left in range(0, columns, grid.width)]
    assert (means_HW * np.outer(heights_H, widths_W)).sum() == pytest.approx(values_RQ.sum(), rel=1e-4)


@given(rows=SIZES, columns=SIZES)
def test_a_sample_comes_from_its_own_block(rows: int, columns: int) -> None:
    index_RQ = np.arange(rows * columns).reshape(rows, columns)
    grid = grid_of(index_RQ)
    sample_HW = block_sample(index_RQ, grid)
    row_HW, column_HW = np.divmod(sample_HW, columns)
    assert (row_HW // grid.height == np.arange(grid.shape[0])[:, None]).all()
    assert (column_HW // grid.width == np.arange(grid.shape[1])[None, :]).all()


@pytest.mark.parametrize("axis", [0, 1])
def test_samples_do_not_stay_at_one_place_of_a_kernel(axis: int) -> None:
    position_RQ = np.tile(np.arange(9), (9 * 128, 128))  # blocks of 9 x 9: one cell, one kernel
    position_RQ = position_RQ.T if axis == 0 else position_RQ
    grid = grid_of(position_RQ)
    assert (grid.height, grid.width) == (9, 9)
    shares = np.bincount(block_sample(position_RQ, grid).ravel(), minlength=9)
    assert shares.min() > 0.5 * shares.mean()
