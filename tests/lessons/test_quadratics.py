"""Two clients with one weight: the formulas of notebook 03 are what running the methods gives."""

from __future__ import annotations

from fractions import Fraction

import pytest

from fedlab_core.lessons.quadratics import PAIR, Method, Quadratic, fixed_point, optimum, settle, walk

THREE = (Quadratic(1, -2), Quadratic(0.5, 1), Quadratic(2, 3))


def test_the_numbers_of_the_derivation() -> None:
    assert optimum(PAIR) == 3
    assert fixed_point(PAIR, 1, 0.25) == 3
    assert fixed_point(PAIR, 2, 0.25) == pytest.approx(
        float(Fraction(15, 16) * 4 / (Fraction(7, 16) + Fraction(15, 16)))
    )
    assert fixed_point(PAIR, 2, 0.25) == pytest.approx(30 / 11)
    assert fixed_point(PAIR, 1000, 0.25) == pytest.approx(2)
    assert fixed_point(PAIR, 1000, 0.25, mu=1) == pytest.approx(2.4)
    assert fixed_point(PAIR, 2, 0.25, mu=1) == pytest.approx(8 / 3)


@pytest.mark.parametrize("clients", [PAIR, THREE])
@pytest.mark.parametrize("steps", [1, 2, 7, 30])
def test_every_method_settles_where_its_formula_says(clients: tuple[Quadratic, ...], steps: int) -> None:
    expected: dict[Method, float] = {
        "fedavg": fixed_point(clients, steps, 0.1),
        "fedprox": fixed_point(clients, steps, 0.1, mu=0.5),
        "scaffold": optimum(clients),
    }
    for method, w in expected.items():
        settled = settle(clients, method, steps, 0.1, mu=0.5)
        assert settled.w == pytest.approx(w, abs=1e-6)
        assert sum(places[-1] - places[0] for places in settled.walks) == pytest.approx(0, abs=1e-6)
    assert optimum(clients) == pytest.approx(fixed_point(clients, 1, 0.1))


def test_equal_curvatures_do_no_harm_to_the_end_point() -> None:
    alike = (Quadratic(2, 0), Quadratic(2, 5))
    assert fixed_point(alike, 10, 0.1) == pytest.approx(optimum(alike))


def test_a_walk_by_hand() -> None:
    assert walk(Quadratic(2, 1), 3, 2, 0.25) == [3, 2, 1.5]
    assert walk(Quadratic(2, 1), 3, 2, 0.25, mu=2) == [3, 2, 2]
    assert walk(Quadratic(2, 1), 3, 1, 0.25, shift=-4) == [3, 3]
