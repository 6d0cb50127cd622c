"""Answers to the exercises of notebook 12 that are wrong in a single place only."""

from itertools import pairwise

from . import wrong
from .lesson_12 import fair_by_sets, same, same_limit, summary_by_hand


@wrong("12.1", "budgets have to be equal even for the same rounds", "one of the two", "budgets do not matter")
def fair_equal_budgets(trials):
    return same(t.budget for t in trials) and fair_by_sets(trials)


@wrong("12.1", "a budget, where there is one, decides alone", "one of the two", "budgets do not matter")
def fair_budget_decides(trials):
    if trials[0].budget is None:
        return fair_by_sets(trials) and same(t.rounds for t in trials)
    return fair_by_sets(trials) and same(t.budget for t in trials)


def _without_limits(trials):
    return fair_by_sets([t.__class__(t.method, t.setup, t.seed, 1) for t in trials])


@wrong("12.1", "each trial compared with the next one", "all methods", "not from one to the next")
def fair_one_to_the_next(trials):
    return _without_limits(trials) and all(same_limit(pair) for pair in pairwise(trials))


@wrong("12.1", "the same rounds for each seed by itself", "all methods", "not for each seed by itself")
def fair_by_seed(trials):
    return _without_limits(trials) and all(
        same_limit([t for t in trials if t.seed == seed]) for seed in {t.seed for t in trials}
    )


@wrong("12.3", "n as a number with a point", "the first number is the mean", "n is a whole number")
def summary_count_is_float(values):
    mean, spread, n = summary_by_hand(values)
    return mean, spread, float(n)


@wrong("12.3", "None for a deviation of 0", "divided by n - 1", "equal values have a deviation, 0")
def summary_none_for_zero(values):
    mean, spread, n = summary_by_hand(values)
    return mean, spread or None, n


@wrong("12.1", "as many trials as methods times seeds", "counts once", "len(set(own))")
def fair_by_number(trials):
    methods, seeds = {t.method for t in trials}, {t.seed for t in trials}
    return same(t.setup for t in trials) and len(trials) == len(methods) * len(seeds) and same_limit(trials)
