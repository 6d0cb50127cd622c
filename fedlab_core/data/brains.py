"""`brains`: 3-D volumes that are drawn, not scanned; the age in years is to be read from them.

A volume is a head: grey cortex around white matter, two dark ventricles in the middle, dark outside. With age
ventricles grow, the cortex gets thinner and its contrast to the white matter falls, each a little differently in
everybody. Size of the head, place, angle, uneven brightness and noise are random and say nothing: a single voxel is
now inside of a ventricle and now outside, at any age, so that a linear model of the voxels has a hard time. How hard
it is was measured by `benchmarks/brain_age.py`. Ages are spread like those of the scans from UK Biobank in
FedSparsify's experiments (arXiv 2208.11669: mean 62.65, standard deviation 7.42 years; here, 45 to 80). These are no
brains of people.

N volumes, P points of the grid (depth x height x width), I = (1, depth, height, width).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fedlab_core.types import seeded_generator

SHAPE = (16, 20, 16)
NUM_TRAIN, NUM_TEST = 800, 200
YOUNGEST, OLDEST = 45.0, 80.0
MEAN_AGE, SPREAD = 62.65, 8.2
"""Of a normal distribution that is cut off at both ends, which leaves a standard deviation of 7.42 years."""

# From the youngest to the oldest, and the standard deviation among people of one age; lengths in radii of the head.
VENTRICLE = (0.14, 0.38, 0.02)
CORTEX = (0.36, 0.16, 0.02)
CONTRAST = (0.55, 0.2, 0.04)

MAX_SHIFT, MAX_TURN, MAX_GROWTH = 0.28, 0.7, 0.15
"""Of a head: in half volume sides, in radians about each axis, and as a share of its size."""

BRIGHTNESS, NOISE_STD = 0.5, 0.10
"""How much brightness changes from one side to the other at most, and what is added to every voxel."""


def make_brains(
    seed: int = 0, num_train: int = NUM_TRAIN, num_test: int = NUM_TEST
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The whole data set: training volumes [N, 1, 16, 20, 16] and ages [N], then those for testing.

    Equal seeds give equal bytes. Training and test volumes come from separate streams.
    """
    return (
        *_people(num_train, seeded_generator(seed, "brains", "train")),
        *_people(num_test, seeded_generator(seed, "brains", "test")),
    )


def _people(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    age_N = draw_ages(count, generator)
    return draw(age_N, generator), age_N


def draw_ages(count: int, generator: torch.Generator) -> Tensor:
    """float32 [N]: a normal distribution between `YOUNGEST` and `OLDEST`, by the inverse of its distribution."""
    ends = (torch.tensor([YOUNGEST, OLDEST], dtype=torch.float64) - MEAN_AGE) / SPREAD
    low, high = torch.special.ndtr(ends)
    share_N = low + (high - low) * torch.rand(count, generator=generator, dtype=torch.float64)
    return (MEAN_AGE + SPREAD * torch.special.ndtri(share_N)).float()


def draw(age_N: Tensor, generator: torch.Generator) -> Tensor:
    """Volumes [N, 1, 16, 20, 16] of people of these ages, float32, each with mean 0 and standard deviation 1."""
    count = len(age_N)
    z_NP, y_NP, x_NP = _places(count, generator)
    ventricle_N1, cortex_N1, contrast_N1 = (
        _aging(age_N, *change, generator) for change in (VENTRICLE, CORTEX, CONTRAST)
    )
    radius_NP = torch.sqrt((z_NP / 0.82).square() + (y_NP / 0.88).square() + (x_NP / 0.78).square())
    brain_NP = _inside(1 - radius_NP)
    white_NP = _inside(1 - cortex_N1 - radius_NP)
    # One ventricle on either side of the middle, long from front to back.
    beside_NP = (x_NP.abs() - 0.7 * ventricle_N1) / 0.62
    hollow_NP = torch.sqrt(beside_NP.square() + (y_NP / 1.7).square() + z_NP.square())
    fluid_NP = _inside(ventricle_N1 - hollow_NP)
    volume_NP = brain_NP * (1 - contrast_N1 + contrast_N1 * white_NP) * (1 - 0.9 * fluid_NP)
    volume_NP *= _uneven(count, generator)
    volume_NP += NOISE_STD * torch.randn(volume_NP.shape, generator=generator)
    return normalised(volume_NP).reshape(count, 1, *SHAPE)


def normalised(volume_NP: Tensor) -> Tensor:
    """(volume - mean) / std, each volume by itself, as in FedSparsify."""
    std_N1, mean_N1 = torch.std_mean(volume_NP, 1, correction=0, keepdim=True)
    return (volume_NP - mean_N1) / std_N1


def _aging(age_N: Tensor, young: float, old: float, spread: float, generator: torch.Generator) -> Tensor:
    """[N, 1]: what changes evenly from the youngest to the oldest, and is a little different in everybody."""
    share_N1 = ((age_N - YOUNGEST) / (OLDEST - YOUNGEST)).unsqueeze(1)
    return young + (old - young) * share_N1 + spread * torch.randn(len(age_N), 1, generator=generator)


def _grid() -> Tensor:
    """[3, P]: depth, height and width of every voxel; the shortest half side is 1."""
    axes = [((torch.arange(side) + 0.5) * 2 - side) / min(SHAPE) for side in SHAPE]
    return torch.stack([axis.flatten() for axis in torch.meshgrid(*axes, indexing="ij")])


def _places(count: int, generator: torch.Generator) -> Tensor:
    """[3, N, P]: where each voxel is in the head's own coordinates: moved, turned about each axis, and scaled."""
    shift_3N1 = _uniform((3, count, 1), MAX_SHIFT, generator)
    scale_N1 = 1 + _uniform((count, 1), MAX_GROWTH, generator)
    place_3NP = (_grid().unsqueeze(1) - shift_3N1) / scale_N1
    for first, second in ((0, 1), (0, 2), (1, 2)):
        angle_N1 = _uniform((count, 1), MAX_TURN, generator)
        a_NP, b_NP = place_3NP[first], place_3NP[second]
        turned = angle_N1.cos() * a_NP - angle_N1.sin() * b_NP, angle_N1.sin() * a_NP + angle_N1.cos() * b_NP
        place_3NP[first], place_3NP[second] = turned
    return place_3NP


def _inside(depth_NP: Tensor) -> Tensor:
    """0 outside to 1 inside; the edge is one voxel soft, as a voxel holds a bit of either."""
    return (0.5 + depth_NP * min(SHAPE) / 2).clamp_(0, 1)


def _uneven(count: int, generator: torch.Generator) -> Tensor:
    """[N, P]: brightness that rises in a random direction, and towards the middle or the edge."""
    slope_3N1 = _uniform((3, count, 1), BRIGHTNESS / math.sqrt(3), generator)
    bend_N1 = _uniform((count, 1), BRIGHTNESS / 3, generator)
    grid_3P = _grid()
    return 1 + (slope_3N1 * grid_3P.unsqueeze(1)).sum(0) + bend_N1 * grid_3P.square().sum(0)


def _uniform(shape: tuple[int, ...], most: float, generator: torch.Generator) -> Tensor:
    """Numbers between minus `most` and `most`."""
    return most * (2 * torch.rand(shape, generator=generator) - 1)
