"""Drawn pictures: the same from the same seed, and each figure where and what it should be."""

import pytest
import torch

from fedlab_core.data.generate import FIGURES, draw, make_shapes
from fedlab_core.types import seeded_generator

SMALL = {"num_train": 200, "num_test": 50}


def test_the_seed_decides() -> None:
    first, again, other = make_shapes(1, **SMALL), make_shapes(1, **SMALL), make_shapes(2, **SMALL)
    assert torch.equal(first.train_NHWC, again.train_NHWC)
    assert torch.equal(first.test_NHWC, again.test_NHWC)
    assert not torch.equal(first.train_NHWC, other.train_NHWC)
    alike = make_shapes(1, num_train=50, num_test=50)
    assert not torch.equal(alike.train_NHWC, alike.test_NHWC)


def test_sizes_and_balance() -> None:
    pixels = make_shapes(0, **SMALL)
    assert pixels.train_NHWC.shape == (200, 32, 32, 3)
    assert pixels.train_NHWC.dtype == torch.uint8
    assert pixels.y_train_N.bincount().tolist() == [20] * 10
    assert pixels.y_test_N.bincount().tolist() == [5] * 10
    assert pixels.class_names == tuple(FIGURES)


def outline(name: str, side: int = 200) -> torch.Tensor:
    """[side, side]: True inside the figure, on the square from -1.2 to 1.2, first row at the top."""
    axis = torch.linspace(-1.2, 1.2, side)
    y, x = torch.meshgrid(-axis, axis, indexing="ij")
    return FIGURES[name](x, y) <= 0


@pytest.mark.parametrize(
    ("name", "area"),
    [
        ("disc", 2.270),  # pi 0.85^2
        ("ring", 2.111),  # pi (0.94^2 - 0.46^2)
        ("square", 2.25),
        ("triangle", 1.572),  # equilateral, inscribed circle 0.55: 3 sqrt(3) 0.55^2
        ("star", 1.455),  # ten triangles: 5 x 1.1 x 0.45 x sin(36 degrees)
        ("cross", 2.04),  # two bars of 2 x 0.6 less their common square
        ("bar", 1.2),
    ],
)
def test_areas_by_hand(name: str, area: float) -> None:
    assert float(outline(name).float().mean()) * 2.4**2 == pytest.approx(area, rel=0.02)


@pytest.mark.parametrize("name", FIGURES)
def test_outlines_are_whole_and_their_own(name: str) -> None:
    inside = outline(name)
    assert not inside[[0, -1]].any()
    assert not inside[:, [0, -1]].any()
    for other in FIGURES:
        common = (inside & outline(other)).sum() / (inside | outline(other)).sum()
        assert (common == 1) == (name == other)
        assert name == other or common < 0.85


def test_figures_are_lighter_than_their_ground() -> None:
    pictures = draw(torch.zeros(300, dtype=torch.int64), seeded_generator("light")).float().mean(-1)
    middle, corners = pictures[:, 14:18, 14:18].mean(), pictures[:, ::31, ::31].mean()
    assert middle > corners + 60
