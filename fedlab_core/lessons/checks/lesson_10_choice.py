"""10 Budgets and Pareto fronts, first two exercises: the best setting within two budgets, and the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean
from typing import Any

import torch

from fedlab_core.costs.front import pareto_front
from fedlab_core.lessons.checks.exercise import Answer, Exercise, law
from fedlab_core.lessons.checks.inputs import integer

Setting = dict[str, Any]
Point = tuple[float, float]
PLENTY = 1_000_000.0


def best_setting(settings: Sequence[Setting], max_bytes: float, max_flops: float) -> str | None:
    """Name of the best mean accuracy within both budgets; of equals the one with fewer bytes, or None."""
    fitting = [one for one in settings if _bytes(one) <= max_bytes and one["flops"] <= max_flops]
    best = max(fitting, key=lambda one: (mean(one["accuracies"]), -_bytes(one)), default=None)
    return best["name"] if best else None


def non_dominated(points: Sequence[Point]) -> list[int]:
    """The lab's own front, in the order of the list."""
    return sorted(pareto_front(points))


def _bytes(one: Setting) -> int:
    return int(one["upload_bytes"] + one["download_bytes"])


def _setting(name: str, up: int, down: int, accuracies: Sequence[float], flops: float = 10.0) -> Setting:
    return {
        "name": name,
        "upload_bytes": up,
        "download_bytes": down,
        "flops": flops,
        "accuracies": list(accuracies),
    }


def _settings(count: int, draw: torch.Generator) -> list[Setting]:
    """Accuracies in sixteenths: equal means are equal to the last bit, however they are added up."""
    return [
        _setting(
            f"setting {place}",
            integer(1, 9, draw) * 100,
            integer(1, 9, draw) * 100,
            [integer(8, 15, draw) / 16 for _ in range(3)],
            float(integer(1, 20, draw)),
        )
        for place in range(count)
    ]


@law(
    "what is chosen keeps the byte budget, both ways together",
    where="Add up what goes up and what comes down. Is the best setting looked for among those that are left?",
    idea="First leave out what is too dear, upload plus download, and only then look for the best of the rest.",
    code='`fitting = [one for one in settings if one["upload_bytes"] + one["download_bytes"] <= max_bytes ...]`',
)
def both_ways(answer: Answer, draw: torch.Generator) -> None:
    dear, cheap = _setting("dear", 600, 600, [0.9, 0.9]), _setting("cheap", 300, 400, [0.7, 0.7])
    for settings in ([dear, cheap], [cheap, dear]):
        answer.should_be("cheap", settings, 1000.0, PLENTY)
        answer.should_be("dear", settings, 2000.0, PLENTY)


@law(
    "it keeps the FLOP budget as well",
    where="A setting may be cheap to send and dear to train.",
    idea="Both budgets have to hold: bytes AND FLOPs.",
    code='`... and one["flops"] <= max_flops`',
)
def both_budgets(answer: Answer, draw: torch.Generator) -> None:
    dear, cheap = _setting("dear", 100, 100, [0.9, 0.9], 50.0), _setting("cheap", 300, 300, [0.7, 0.7], 5.0)
    for settings in ([dear, cheap], [cheap, dear]):
        answer.should_be("cheap", settings, 1000.0, 20.0)


@law(
    "the best mean over the seeds wins, not the luckiest seed",
    where="Seeds 0.6, 0.6, 0.9 or seeds 0.8, 0.8, 0.7: which setting would you rather use?",
    idea="A single high accuracy may be luck, a low one bad luck. Compare means over all seeds, unrounded.",
    code='`sum(one["accuracies"]) / len(one["accuracies"])` as the key of `max`',
)
def mean_wins(answer: Answer, draw: torch.Generator) -> None:
    lucky, steady = _setting("lucky", 100, 100, [0.6, 0.6, 0.9]), _setting("steady", 200, 200, [0.8, 0.8, 0.7])
    weak = _setting("weak", 150, 150, [0.65, 0.65, 0.66])
    for settings in ([lucky, steady, weak], [weak, steady, lucky]):
        answer.should_be("steady", settings, 1000.0, PLENTY)
    longer = _setting("longer", 100, 100, [0.5, 0.5, 0.5, 0.5, 0.5])
    answer.should_be("steady", [longer, steady], 1000.0, PLENTY)
    uneven, even = _setting("uneven", 100, 100, [0.6, 0.9, 0.6]), _setting("even", 100, 100, [0.65, 0.65, 0.65])
    answer.should_be("uneven", [even, uneven], 1000.0, PLENTY)
    better, cheaper = _setting("better", 300, 300, [0.7, 0.704]), _setting("cheaper", 100, 100, [0.7, 0.702])
    answer.should_be("better", [cheaper, better], 1000.0, PLENTY)


@law(
    "a budget may be spent to the last byte",
    where="A run of exactly 1000 bytes, and a budget of 1000 bytes.",
    idea="At most so much: equal is allowed, for bytes and for FLOPs.",
    code="`<=`, not `<`",
)
def to_the_last_byte(answer: Answer, draw: torch.Generator) -> None:
    exact, cheap = _setting("exact", 600, 400, [0.9, 0.9], 20.0), _setting("cheap", 100, 100, [0.5, 0.5], 5.0)
    answer.should_be("exact", [cheap, exact], 1000.0, PLENTY)
    answer.should_be("exact", [cheap, exact], PLENTY, 20.0)


@law(
    "of two equally good ones the one with fewer bytes is taken",
    where="Two settings of the same mean accuracy: which one does `max` take? Bytes are those of both ways.",
    idea="`max` takes the first one that it meets. Say what decides next: the fewer bytes, the larger MINUS the bytes.",
    code="key: `(mean accuracy, -bytes)`; a tuple is compared by its first entry, then by its second",
)
def ties(answer: Answer, draw: torch.Generator) -> None:
    thrifty, lavish = _setting("thrifty", 100, 200, [0.75, 0.75]), _setting("lavish", 400, 500, [0.75, 0.75])
    for settings in ([thrifty, lavish], [lavish, thrifty]):
        answer.should_be("thrifty", settings, 1000.0, PLENTY)
    for up, down in ((300, 100), (100, 300)):
        for cheaper, dearer in (("a", "b"), ("b", "a")):
            settings = [_setting(dearer, 250, 250, [0.75], 1.0), _setting(cheaper, up, down, [0.75], 2.0)]
            answer.should_be(cheaper, settings, 1000.0, PLENTY)


@law(
    "where nothing fits there is no answer: None",
    where="A budget of 1 byte.",
    idea="None says that nothing fits. Do not return the cheapest one: it breaks the budget all the same.",
    code="`if not fitting: return None`, before the best one is looked for",
)
def nothing_fits(answer: Answer, draw: torch.Generator) -> None:
    settings = [_setting("dear", 600, 600, [0.9, 0.9]), _setting("cheap", 300, 400, [0.7, 0.7])]
    answer.should_be(None, settings, 1.0, PLENTY)
    answer.should_be(None, settings, PLENTY, 1.0)


@law(
    "it is the best affordable setting of any list",
    where="Many settings, both budgets somewhere in the middle.",
    idea="Filter by both budgets, then take the best mean, then the fewest bytes.",
    code='`max(fitting, key=lambda one: (mean accuracy, -bytes))["name"]`, or None',
)
def any_settings(answer: Answer, draw: torch.Generator) -> None:
    for count in (1, 3, 8, 20):
        settings = _settings(count, draw)
        for max_bytes, max_flops in ((1000.0, 12.0), (600.0, 20.0), (2000.0, 6.0)):
            answer.should_be(best_setting(settings, max_bytes, max_flops), settings, max_bytes, max_flops)


def _front_should_be(answer: Answer, points: list[Point]) -> None:
    answer.should_be([float(place) for place in non_dominated(points)], points)


@law(
    "what is dearer and worse is not on the front; what is cheaper or better is",
    where="Points (1, 0.5), (2, 0.8), (3, 0.7): is there one that both costs more and is worth less than another?",
    idea=(
        "Return the places, counted from 0 and in rising order, of the points that no other one dominates. Costs are "
        "better when LOW, accuracies when HIGH. Being dearer alone is no fault, nor is being worse alone. No line "
        "between two other points counts, only the points themselves."
    ),
    code="q dominates p if `q[0] <= p[0] and q[1] >= p[1] and q != p`; keep p if `not any(...)` over all q",
)
def plain(answer: Answer, draw: torch.Generator) -> None:
    for points in ([(1.0, 0.5), (2.0, 0.8), (3.0, 0.7)], [(3.0, 0.7), (1.0, 0.5), (2.0, 0.8)]):
        _front_should_be(answer, points)
    _front_should_be(answer, [(4.0, 0.9), (2.0, 0.6), (1.0, 0.3)])
    _front_should_be(answer, [(1.0, 0.3), (2.0, 0.4), (3.0, 0.9)])


@law(
    "it is compared with all others, not with its neighbours alone",
    where="Points (1, 0.9), (2, 0.5), (3, 0.7), (4, 0.6): sorted by cost, 0.7 is better than its left neighbour.",
    idea="A point may be dominated by one far away. Going from cheap to dear, compare with the BEST so far.",
    code="two nested loops over all points, or keep `best = max(best, accuracy)` while going up in cost",
)
def far_away(answer: Answer, draw: torch.Generator) -> None:
    _front_should_be(answer, [(1.0, 0.9), (2.0, 0.5), (3.0, 0.7), (4.0, 0.6)])


@law(
    "a tie in one of the two is enough to be dominated, if the other one is worse",
    where="Points (1, 0.8) and (2, 0.8): who would pay 2 for the same accuracy?",
    idea="Dominated means: no better in either, and worse in AT LEAST one. Not: worse in both.",
    code="`q[0] <= p[0] and q[1] >= p[1] and (q[0] < p[0] or q[1] > p[1])`",
)
def ties_in_one(answer: Answer, draw: torch.Generator) -> None:
    _front_should_be(answer, [(1.0, 0.8), (2.0, 0.8)])
    _front_should_be(answer, [(2.0, 0.6), (2.0, 0.9), (1.0, 0.5)])


@law(
    "of equal points none dominates the other: all stay",
    where="The same point twice: does one of them beat the other?",
    idea="Equal in both is not worse in either. `<=` and `>=` alone let twins throw each other out.",
    code="ask for `q != p` (the values, not the places), or for a strict `<` or `>` in one of the two",
)
def twins(answer: Answer, draw: torch.Generator) -> None:
    _front_should_be(answer, [(1.0, 0.5), (1.0, 0.5)])
    _front_should_be(answer, [(2.0, 0.8), (1.0, 0.5), (2.0, 0.8), (3.0, 0.6)])


@law(
    "it is the front of any points",
    where="Many points, with ties, in any order.",
    idea="For each place: is there any point that is no dearer and no worse, and cheaper or better?",
    code="`[i for i, p in enumerate(points) if not any(q[0] <= p[0] and q[1] >= p[1] and q != p for q in points)]`",
)
def any_points(answer: Answer, draw: torch.Generator) -> None:
    for count in (1, 2, 6, 15, 40):
        for _ in range(3):
            _front_should_be(answer, [(float(integer(1, 12, draw)), integer(1, 19, draw) / 20) for _ in range(count)])


EXERCISES = (
    Exercise(
        "10.1",
        "best_setting",
        best_setting,
        (both_ways, both_budgets, mean_wins, to_the_last_byte, ties, nothing_fits, any_settings),
    ),
    Exercise("10.2", "non_dominated", non_dominated, (plain, far_away, ties_in_one, twins, any_points)),
)
