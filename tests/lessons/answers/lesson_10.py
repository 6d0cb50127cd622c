"""Answers to the exercises of notebook 10."""

import statistics
from itertools import pairwise
from math import sqrt

import numpy as np
import torch

from . import right, wrong

# 10.1 best_setting --------------------------------------------------------------------------------------------------


def _cost(one):
    return one["upload_bytes"] + one["download_bytes"]


def _mean(one):
    return sum(one["accuracies"]) / len(one["accuracies"])


def _choose(settings, fits, key):
    fitting = [one for one in settings if fits(one)]
    return max(fitting, key=key)["name"] if fitting else None


@right("10.1")
def best_by_key(settings, max_bytes, max_flops):
    return _choose(
        settings,
        lambda one: _cost(one) <= max_bytes and one["flops"] <= max_flops,
        lambda one: (_mean(one), -_cost(one)),
    )


@right("10.1")
def best_by_loop(settings, max_bytes, max_flops):
    best = None
    for one in settings:
        if _cost(one) > max_bytes or one["flops"] > max_flops:
            continue
        if best is None or _mean(one) > _mean(best) or (_mean(one) == _mean(best) and _cost(one) < _cost(best)):
            best = one
    return None if best is None else best["name"]


@right("10.1")
def best_by_sorting(settings, max_bytes, max_flops):
    thrifty_first = sorted(settings, key=_cost)
    means = np.array([np.mean(one["accuracies"]) for one in thrifty_first])
    fits = np.array([_cost(one) <= max_bytes and one["flops"] <= max_flops for one in thrifty_first], dtype=bool)
    if not fits.any():
        return None
    return thrifty_first[int(np.where(fits, means, -1.0).argmax())]["name"]


@wrong("10.1", "only the upload is counted", "both ways", "upload plus download")
def best_upload_only(settings, max_bytes, max_flops):
    return _choose(
        settings,
        lambda one: one["upload_bytes"] <= max_bytes and one["flops"] <= max_flops,
        lambda one: (_mean(one), -_cost(one)),
    )


@wrong("10.1", "the best of all, and then a look at its price", "both ways", "First leave out")
def best_then_check(settings, max_bytes, max_flops):
    best = max(settings, key=_mean)
    return best["name"] if _cost(best) <= max_bytes and best["flops"] <= max_flops else None


@wrong("10.1", "bytes alone", "FLOP budget", "bytes AND FLOPs")
def best_bytes_only(settings, max_bytes, max_flops):
    return _choose(settings, lambda one: _cost(one) <= max_bytes, lambda one: (_mean(one), -_cost(one)))


def _within(key):
    return lambda settings, max_bytes, max_flops: _choose(
        settings, lambda one: _cost(one) <= max_bytes and one["flops"] <= max_flops, key
    )


@wrong("10.1", "the luckiest seed", "mean over the seeds", "luck")
def best_lucky(*args):
    return _within(lambda one: (max(one["accuracies"]), -_cost(one)))(*args)


@wrong("10.1", "the sum over seeds, whatever their number", "mean over the seeds", "means over all seeds")
def best_sum(*args):
    return _within(lambda one: (sum(one["accuracies"]), -_cost(one)))(*args)


@wrong("10.1", "the cheapest that fits", "both ways", "the best of the rest")
def best_cheapest(*args):
    return _within(lambda one: -_cost(one))(*args)


@wrong("10.1", "less than the budget, not at most", "last byte", "<=")
def best_strict(settings, max_bytes, max_flops):
    return _choose(
        settings,
        lambda one: _cost(one) < max_bytes and one["flops"] < max_flops,
        lambda one: (_mean(one), -_cost(one)),
    )


@wrong("10.1", "the first of equals", "equally good", "first one")
def best_first_of_equals(*args):
    return _within(_mean)(*args)


@wrong("10.1", "of equals the one with more bytes", "equally good", "MINUS the bytes")
def best_lavish(*args):
    return _within(lambda one: (_mean(one), _cost(one)))(*args)


@wrong("10.1", "the cheapest where nothing fits", "nothing fits", "breaks the budget")
def best_anyway(settings, max_bytes, max_flops):
    return best_by_key(settings, max_bytes, max_flops) or min(settings, key=_cost)["name"]


@wrong("10.1", "an error where nothing fits", "without an error", "error")
def best_of_nothing(settings, max_bytes, max_flops):
    fitting = [one for one in settings if _cost(one) <= max_bytes and one["flops"] <= max_flops]
    return max(fitting, key=lambda one: (_mean(one), -_cost(one)))["name"]


# 10.2 non_dominated -------------------------------------------------------------------------------------------------


def _front(points, dominates):
    return [i for i, p in enumerate(points) if not any(dominates(q, p) for q in points)]


@right("10.2")
def front_by_definition(points):
    return _front(points, lambda q, p: q[0] <= p[0] and q[1] >= p[1] and (q[0] < p[0] or q[1] > p[1]))


@right("10.2")
def front_by_best_so_far(points):
    best, kept = float("-inf"), set()
    for cost, accuracy in sorted(points, key=lambda point: (point[0], -point[1])):
        if accuracy > best:
            best = accuracy
            kept.add((cost, accuracy))
    return [i for i, point in enumerate(points) if tuple(point) in kept]


@right("10.2")
def front_by_tensors(points):
    cost_P, gain_P = torch.tensor(points, dtype=torch.float64).T
    no_worse_PP = (cost_P[:, None] <= cost_P) & (gain_P[:, None] >= gain_P)
    better_PP = (cost_P[:, None] < cost_P) | (gain_P[:, None] > gain_P)
    return (~(no_worse_PP & better_PP).any(0)).nonzero().flatten().tolist()


@wrong("10.2", "dearer alone is thought to be dominated", "dearer and worse", "no fault")
def front_cheapest(points):
    return _front(points, lambda q, p: q[0] < p[0])


@wrong("10.2", "low accuracy is taken for good", "dearer and worse", "accuracies when HIGH")
def front_both_low(points):
    return _front(points, lambda q, p: q[0] <= p[0] and q[1] <= p[1] and q != p)


@wrong("10.2", "or instead of and", "dearer and worse", "nor is being worse alone")
def front_or(points):
    return _front(points, lambda q, p: q[0] < p[0] or q[1] > p[1])


@wrong("10.2", "points instead of their places", "dearer and worse", "Return the places")
def front_of_points(points):
    return [points[i] for i in front_by_definition(points)]


@wrong("10.2", "in the order of cost, not of the list", "dearer and worse", "rising order")
def front_by_cost(points):
    return sorted(front_by_definition(points), key=lambda i: points[i])


@wrong("10.2", "compared with the left neighbour only", "neighbours", "BEST so far")
def front_neighbours(points):
    order = sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1]))
    later = [i for before, i in pairwise(order) if points[i][1] > points[before][1] or points[i] == points[before]]
    return sorted([order[0], *later])


@wrong("10.2", "dominated only if worse in both", "a tie in one", "AT LEAST one")
def front_strict(points):
    return _front(points, lambda q, p: q[0] < p[0] and q[1] > p[1])


@wrong("10.2", "twins throw each other out", "equal points", "twins")
def front_twins(points):
    return [
        i
        for i, p in enumerate(points)
        if not any(q[0] <= p[0] and q[1] >= p[1] for j, q in enumerate(points) if j != i)
    ]


@wrong("10.2", "one of the twins is dropped", "equal points", "not worse in either")
def front_without_twins(points):
    return [i for i in front_by_definition(points) if points[i] not in points[:i]]


# 10.3 paired_difference ---------------------------------------------------------------------------------------------


@right("10.3")
def paired_statistics(a, b):
    differences = [a[seed] - b[seed] for seed in a if seed in b]
    return statistics.mean(differences), statistics.stdev(differences) / sqrt(len(differences))


@right("10.3")
def paired_by_hand(a, b):
    total = square = count = 0
    for seed, score in a.items():
        if seed in b:
            total += score - b[seed]
            count += 1
    mean = total / count
    for seed in set(a) & set(b):
        square += (a[seed] - b[seed] - mean) ** 2
    return mean, sqrt(square / (count * (count - 1)))


@right("10.3")
def paired_tensors(a, b):
    seeds = sorted(a.keys() & b.keys())
    d_N = torch.tensor([a[s] for s in seeds], dtype=torch.float64) - torch.tensor([b[s] for s in seeds]).double()
    centred_N = d_N - d_N.mean()
    return [d_N.mean(), (centred_N.square().mean() / (len(seeds) - 1)).sqrt()]


@wrong("10.3", "B minus A", "A minus B", "positive number says that A is better")
def paired_sign(a, b):
    return paired_statistics(b, a)


@wrong("10.3", "the sum of the differences", "A minus B", "not a sum")
def paired_sum(a, b):
    mean, error = paired_statistics(a, b)
    return mean * len(a.keys() & b.keys()), error


@wrong("10.3", "only the mean is returned", "A minus B", "A mean")
def paired_mean_only(a, b):
    return paired_statistics(a, b)[0]


@wrong("10.3", "unpaired: the spreads of A and of B added up", "paired by seed", "spread of the DIFFERENCES")
def paired_not(a, b):
    mean = statistics.mean(a.values()) - statistics.mean(b.values())
    return mean, sqrt(statistics.variance(a.values()) / len(a) + statistics.variance(b.values()) / len(b))


@wrong("10.3", "paired by position", "paired by seed", "pair by key")
def paired_by_position(a, b):
    differences = [x - y for x, y in zip(a.values(), b.values(), strict=True)]
    return statistics.mean(differences), statistics.stdev(differences) / sqrt(len(differences))


@wrong("10.3", "n instead of n - 1", "standard error", "n - 1")
def paired_population(a, b):
    differences = [a[seed] - b[seed] for seed in a if seed in b]
    return statistics.mean(differences), statistics.pstdev(differences) / sqrt(len(differences))


@wrong("10.3", "the spread of one run, not of the mean", "standard error", "s over the root of 2")
def paired_spread(a, b):
    mean, error = paired_statistics(a, b)
    return mean, error * sqrt(len(a.keys() & b.keys()))


@wrong("10.3", "divided by n, not by its root", "standard error", "sqrt(n)")
def paired_over_n(a, b):
    mean, error = paired_statistics(a, b)
    return mean, error / sqrt(len(a.keys() & b.keys()))


@wrong("10.3", "the variance, not its root", "standard error", "s / sqrt")
def paired_variance(a, b):
    mean, error = paired_statistics(a, b)
    return mean, error**2


@wrong("10.3", "a seed that B lacks counts as 0", "left out", "without its partner")
def paired_zero(a, b):
    return paired_statistics(a, {seed: b.get(seed, 0.0) for seed in a})


@wrong("10.3", "n of all runs of A", "left out", "in n as well")
def paired_wrong_n(a, b):
    differences = [a[seed] - b[seed] for seed in a if seed in b]
    return sum(differences) / len(a), statistics.stdev(differences) / sqrt(len(a))
