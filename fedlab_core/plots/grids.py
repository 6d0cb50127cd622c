"""Tensors as pictures small enough to send: flattened to two axes and reduced to at most 128 x 128 cells.

Shape suffixes: R rows and Q columns of a tensor laid out flat, H and W cells of the picture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

CELLS = 128
"""Most cells along an axis. More are slow to send and to draw, and a screen shows no more."""

Array = NDArray[np.float32]


class Grid(NamedTuple):
    """How a tensor of R x Q entries is cut into blocks of `height` x `width`, one for each cell."""

    rows: int
    columns: int
    height: int
    width: int

    @property
    def blocked(self) -> bool:
        return self.height * self.width > 1

    @property
    def shape(self) -> tuple[int, int]:
        """H, W."""
        return -(-self.rows // self.height), -(-self.columns // self.width)

    def starts(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """First row and first column of each block."""
        return np.arange(0, self.rows, self.height), np.arange(0, self.columns, self.width)


def flat(tensor: Tensor) -> Array:
    """A tensor of any shape as R x Q: first axis (outputs) against the others (inputs x kernel); vectors as one row."""
    rows = tensor.shape[0] if tensor.dim() > 1 else 1
    array: Array = tensor.detach().cpu().float().reshape(rows, -1).numpy()
    return array


def grid_of(values_RQ: Array) -> Grid:
    """The smallest blocks with which the picture has at most `CELLS` cells along each axis."""
    rows, columns = values_RQ.shape
    return Grid(rows, columns, -(-rows // CELLS), -(-columns // CELLS))


def block_mean(values_RQ: Array, grid: Grid) -> Array:
    """Mean of each block, H x W; blocks at the edge are smaller and divided by what they hold."""
    tops, lefts = grid.starts()
    sums_HW = np.add.reduceat(np.add.reduceat(values_RQ, tops, axis=0), lefts, axis=1)
    heights_H = np.diff(tops, append=grid.rows)
    widths_W = np.diff(lefts, append=grid.columns)
    return (sums_HW / np.outer(heights_H, widths_W)).astype(np.float32)


def block_sample(values_RQ: Array, grid: Grid) -> Array:
    """One entry of each block, H x W, for classes that have no mean; shares of the classes stay about right.

    The place within the block wanders from block to block: a fixed one would show, say, the centres of kernels only.
    """
    tops, lefts = grid.starts()
    walk_HW = np.add.outer(7 * np.arange(len(tops)), 5 * np.arange(len(lefts)))
    row_HW = np.minimum(tops[:, None] + walk_HW % grid.height, grid.rows - 1)
    column_HW = np.minimum(lefts[None, :] + (walk_HW // grid.height) % grid.width, grid.columns - 1)
    return values_RQ[row_HW, column_HW]
