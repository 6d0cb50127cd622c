"""Answers to the exercises of notebook 10 that are wrong in a single place only."""

from statistics import median

from . import wrong
from .lesson_10 import _cost, _mean, _within


@wrong("10.1", "the median of the seeds", "mean over the seeds", "Compare means")
def best_median(*args):
    return _within(lambda one: (median(one["accuracies"]), -_cost(one)))(*args)


@wrong("10.1", "of equals the one that sends fewer bytes up", "equally good", "both ways")
def best_tie_by_upload(*args):
    return _within(lambda one: (_mean(one), -one["upload_bytes"]))(*args)


@wrong("10.1", "of equals the last one by name", "equally good", "the fewer bytes")
def best_tie_by_name(*args):
    return _within(lambda one: (_mean(one), one["name"]))(*args)


@wrong("10.2", "the corners of the convex hull", "dearer and worse", "No line")
def front_is_convex(points):
    corners = []
    for cost, accuracy in sorted(set(points), key=lambda point: (point[0], -point[1])):
        if corners and accuracy <= corners[-1][1]:
            continue
        while len(corners) > 1 and not _turns_right(corners[-2], corners[-1], (cost, accuracy)):
            corners.pop()
        corners.append((cost, accuracy))
    return [place for place, point in enumerate(points) if point in corners]


def _turns_right(first, second, third):
    return (second[1] - first[1]) * (third[0] - first[0]) > (third[1] - first[1]) * (second[0] - first[0])


@wrong("10.1", "means rounded to whole percent", "mean over the seeds", "unrounded")
def best_rounded(*args):
    return _within(lambda one: (round(_mean(one), 2), -_cost(one)))(*args)
