"""The Pareto front: what cannot be bettered in one thing without losing in another."""

from __future__ import annotations

from collections.abc import Sequence


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Places of the points that no other point beats, the cheapest first.

    A point is beaten by one that costs no more and is worth no less, and is better in one of the two. Of points that
    agree in both, none beats the other.

    Args:
        points: (cost, gain) each: cost is to be low, gain high; finite numbers.
    """
    front: list[int] = []
    best = float("-inf")
    for place in sorted(range(len(points)), key=lambda place: (points[place][0], -points[place][1])):
        if points[place][1] > best or (front and points[place] == points[front[-1]]):
            front.append(place)
            best = points[place][1]
    return front
