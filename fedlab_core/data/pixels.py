"""What every source of images hands over: raw pixels and labels, cut into training and test examples.

N examples, H height, W width, C channels.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class DataError(ValueError):
    """Data that cannot be used, in one sentence: what is wrong, where, and what would be right."""


class Pixels(NamedTuple):
    """Images as they are stored: whole numbers from 0 to `white`, channels last; labels are int64."""

    train_NHWC: Tensor
    y_train_N: Tensor
    test_NHWC: Tensor
    y_test_N: Tensor
    class_names: tuple[str, ...]
    white: int = 255


def stratified_split(y_N: Tensor, test_fraction: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Indices of training and test examples, both ascending; each label gives `test_fraction` of its own to the test.

    Counts are rounded, but a label with two examples or more has at least one on either side.
    """
    test = []
    for label in y_N.unique():
        index_N = (y_N == label).nonzero().squeeze(1)
        shuffled = index_N[torch.randperm(len(index_N), generator=generator)]
        count = min(max(round(test_fraction * len(index_N)), 1), len(index_N) - 1)
        test.append(shuffled[:count])
    in_test_N = torch.zeros(len(y_N), dtype=torch.bool)
    in_test_N[torch.cat(test)] = True
    return (~in_test_N).nonzero().squeeze(1), in_test_N.nonzero().squeeze(1)
