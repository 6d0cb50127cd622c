"""`shapes`: pictures that are drawn, not downloaded. Ten figures on busy ground, hard enough that pruning costs.

Each picture has one large light figure of its class on darker ground, and small scraps of any colour partly in front
of it. Place, size, angle, colours, gradients, stripes and noise are random: single pixels say little, the outline all.
How hard it is was measured by `benchmarks/shapes_difficulty.py`.

N pictures, P points of the pixel grid (side x side), C = 3 colours.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from fedlab_core.data.pixels import Pixels
from fedlab_core.types import seeded_generator

SIDE = 32
NUM_TRAIN, NUM_TEST = 4000, 1000
COLOUR_RANGE = 0.55
"""Ground colours are below this in red, green and blue, figure colours above 1 - this."""

MAX_SHIFT, MAX_TURN = 0.28, 0.5
"""Of the figure from the upright middle: in half picture sides, and in radians."""

MIN_SIZE, MAX_SIZE = 0.38, 0.62
NUM_SCRAPS = 5
NOISE_STD = 0.09

Outline = Callable[[Tensor, Tensor], Tensor]
"""Signed distance to a figure's edge, negative inside; the figure fills about [-1, 1] x [-1, 1], y points up."""


def _disc(x: Tensor, y: Tensor) -> Tensor:
    return torch.hypot(x, y) - 0.85


def _ring(x: Tensor, y: Tensor) -> Tensor:
    return (torch.hypot(x, y) - 0.7).abs() - 0.24


def _box(x: Tensor, y: Tensor, half_width: float, half_height: float) -> Tensor:
    return torch.maximum(x.abs() - half_width, y.abs() - half_height)


def _square(x: Tensor, y: Tensor) -> Tensor:
    return _box(x, y, 0.75, 0.75)


def _bar(x: Tensor, y: Tensor) -> Tensor:
    return _box(x, y, 1.0, 0.3)


def _cross(x: Tensor, y: Tensor) -> Tensor:
    return torch.minimum(_box(x, y, 1.0, 0.3), _box(x, y, 0.3, 1.0))


def _triangle(x: Tensor, y: Tensor) -> Tensor:
    sides = (math.sqrt(3) / 2 * x.abs() + y / 2, -y)
    return torch.maximum(*sides) - 0.55


def _star(x: Tensor, y: Tensor) -> Tensor:
    """Five points: fold the angle into half a point, then take the distance to its straight edge."""
    tip, notch = 1.1, 0.45
    tenth = math.pi / 5
    angle = (torch.atan2(y, x).remainder(2 * tenth) - tenth).abs()
    radius = torch.hypot(x, y)
    along, across = radius * torch.cos(tenth - angle), radius * torch.sin(tenth - angle)
    edge = (notch * math.cos(tenth) - tip, notch * math.sin(tenth))
    return ((along - tip) * edge[1] - across * edge[0]) / math.hypot(*edge)


def _crescent(x: Tensor, y: Tensor) -> Tensor:
    return torch.maximum(torch.hypot(x, y) - 0.95, 0.8 - torch.hypot(x - 0.5, y))


def _heart(x: Tensor, y: Tensor) -> Tensor:
    """A square on its corner with a disc on each of its two upper edges."""
    half = 0.58
    corner = (x.abs() + y.abs()) / math.sqrt(2) - half
    lobe = torch.hypot(x.abs() - half / math.sqrt(2), y - half / math.sqrt(2)) - half
    return torch.minimum(corner, lobe)


def _arrow(x: Tensor, y: Tensor) -> Tensor:
    head = torch.maximum((x + y.abs()) / math.sqrt(2) - 0.7, 0.0 - x)
    shaft = _box(x + 0.5, y, 0.55, 0.24)
    return torch.minimum(head, shaft)


FIGURES: dict[str, Outline] = {
    "disc": _disc,
    "ring": _ring,
    "square": _square,
    "triangle": _triangle,
    "star": _star,
    "cross": _cross,
    "crescent": _crescent,
    "heart": _heart,
    "bar": _bar,
    "arrow": _arrow,
}


def make_shapes(seed: int = 0, num_train: int = NUM_TRAIN, num_test: int = NUM_TEST) -> Pixels:
    """The whole data set; equal seeds give equal bytes. Training and test pictures come from separate streams."""
    y_train_N, y_test_N = (torch.arange(count) % len(FIGURES) for count in (num_train, num_test))
    train_NHWC = draw(y_train_N, seeded_generator(seed, "shapes", "train"))
    test_NHWC = draw(y_test_N, seeded_generator(seed, "shapes", "test"))
    return Pixels(train_NHWC, y_train_N, test_NHWC, y_test_N, tuple(FIGURES))


def draw(y_N: Tensor, generator: torch.Generator) -> Tensor:
    """Pictures [N, 32, 32, 3] in uint8 of the figures `y_N`."""
    axis = (torch.arange(SIDE) + 0.5) / SIDE * 2 - 1
    y_P, x_P = (grid.flatten() for grid in torch.meshgrid(-axis, axis, indexing="ij"))
    dark_NC, light_NC, *scrap_colours = torch.rand(2 + NUM_SCRAPS, len(y_N), 3, generator=generator)
    ground_NPC = _surface(dark_NC * COLOUR_RANGE, x_P, y_P, generator)
    figure_NPC = _surface(1 - light_NC * COLOUR_RANGE, x_P, y_P, generator)
    picture_NPC = torch.lerp(ground_NPC, figure_NPC, _cover(_figures(y_N, x_P, y_P, generator)))
    for colour_NC in scrap_colours:
        picture_NPC = torch.lerp(picture_NPC, colour_NC[:, None], _cover(_scraps(len(y_N), x_P, y_P, generator)))
    picture_NPC += NOISE_STD * torch.randn(picture_NPC.shape, generator=generator)
    return (picture_NPC * 255).round_().clamp_(0, 255).to(torch.uint8).reshape(-1, SIDE, SIDE, 3)


def _uniform(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    """[N, 1] numbers between `low` and `high`."""
    return low + (high - low) * torch.rand(count, 1, generator=generator)


def _cover(distance_NP: Tensor) -> Tensor:
    """[N, P, 1]: how much of each pixel lies inside, 0 to 1; the edge is one pixel (2 / SIDE) soft."""
    return (0.5 - distance_NP * SIDE / 2).clamp_(0, 1)[..., None]


def _surface(colour_NC: Tensor, x_P: Tensor, y_P: Tensor, generator: torch.Generator) -> Tensor:
    """A colour [N, C] with a gradient and stripes in random directions: [N, P, C]."""
    count = len(colour_NC)
    brightness_NP = torch.zeros(count, len(x_P))
    for low, high, strength in ((0.3, 1.0, 0.18), (4.0, 14.0, 0.12)):
        angle, phase = (_uniform(count, 0, 2 * math.pi, generator) for _ in range(2))
        frequency, amplitude = _uniform(count, low, high, generator), _uniform(count, 0, strength, generator)
        wave = frequency * (torch.cos(angle) * x_P + torch.sin(angle) * y_P) + phase
        brightness_NP += amplitude * torch.sin(wave)
    return colour_NC[:, None] + brightness_NP[..., None]


def _figures(y_N: Tensor, x_P: Tensor, y_P: Tensor, generator: torch.Generator) -> Tensor:
    """Signed distances [N, P] to the figures, each at its own place, size and angle."""
    count = len(y_N)
    x0, y0 = (_uniform(count, -MAX_SHIFT, MAX_SHIFT, generator) for _ in range(2))
    size, angle = _uniform(count, MIN_SIZE, MAX_SIZE, generator), _uniform(count, -MAX_TURN, MAX_TURN, generator)
    cos, sin = torch.cos(angle) / size, torch.sin(angle) / size
    u_NP, v_NP = cos * (x_P - x0) + sin * (y_P - y0), cos * (y_P - y0) - sin * (x_P - x0)
    distance_NP = torch.empty_like(u_NP)
    for label, outline in enumerate(FIGURES.values()):
        chosen = y_N == label
        distance_NP[chosen] = outline(u_NP[chosen], v_NP[chosen])
    return distance_NP * size


def _scraps(count: int, x_P: Tensor, y_P: Tensor, generator: torch.Generator) -> Tensor:
    """Signed distances [N, P] to one distractor a picture: a small box of random place, sides and angle."""
    x0, y0 = (_uniform(count, -1, 1, generator) for _ in range(2))
    width, height = _uniform(count, 0.03, 0.3, generator), _uniform(count, 0.03, 0.12, generator)
    angle = _uniform(count, 0, math.pi, generator)
    u_NP = torch.cos(angle) * (x_P - x0) + torch.sin(angle) * (y_P - y0)
    v_NP = torch.cos(angle) * (y_P - y0) - torch.sin(angle) * (x_P - x0)
    return torch.maximum(u_NP.abs() - width, v_NP.abs() - height)
