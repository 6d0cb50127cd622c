"""Answers to the exercises of notebook 12."""

import statistics
from collections import defaultdict
from itertools import accumulate

import numpy as np
import torch

from . import right, wrong

# 12.1 is_fair -------------------------------------------------------------------------------------------------------


def seeds_of(trials):
    seeds = defaultdict(list)
    for trial in trials:
        seeds[trial.method].append(trial.seed)
    return [sorted(own) for own in seeds.values()]


def same(values):
    return len(set(values)) == 1


def same_limit(trials):
    budgets = {t.budget for t in trials}
    return same(t.rounds for t in trials) or (len(budgets) == 1 and None not in budgets)


@right("12.1")
def fair_by_sets(trials):
    seeds = seeds_of(trials)
    once = all(len(own) == len(set(own)) for own in seeds)
    return same(t.setup for t in trials) and once and all(own == seeds[0] for own in seeds) and same_limit(trials)


@right("12.1")
def fair_by_pairs(trials):
    pairs = [(t.method, t.seed) for t in trials]
    if len(set(pairs)) < len(pairs):
        return False
    methods, seeds = {m for m, _ in pairs}, {s for _, s in pairs}
    if len(pairs) != len(methods) * len(seeds):
        return False
    first = trials[0]
    if any(t.setup != first.setup for t in trials):
        return False
    return all(t.rounds == first.rounds for t in trials) or (
        first.budget is not None and all(t.budget == first.budget for t in trials)
    )


@right("12.1")
def fair_in_one_loop(trials):
    table = {}
    for trial in trials:
        cell = table.setdefault(trial.seed, {})
        if trial.method in cell or trial.setup != trials[0].setup:
            return False
        cell[trial.method] = trial
    methods = {trial.method for trial in trials}
    whole = all(set(cell) == methods for cell in table.values())
    rounds, budgets = (sorted({getattr(t, name) or 0 for t in trials}) for name in ("rounds", "budget"))
    return whole and (len(rounds) == 1 or (len(budgets) == 1 and budgets != [0]))


@wrong("12.1", "does not look at the data", "same data", "setup")
def fair_any_setup(trials):
    return fair_by_sets([type(t)(t.method, "", t.seed, t.rounds, t.budget) for t in trials])


@wrong("12.1", "seeds only counted", "same seeds", "equally many")
def fair_counted(trials):
    counts = {len(own) for own in seeds_of(trials)}
    return same(t.setup for t in trials) and len(counts) == 1 and same_limit(trials)


@wrong("12.1", "seeds compared in the order of the list", "same seeds", "sorted")
def fair_ordered(trials):
    seeds = defaultdict(list)
    for trial in trials:
        seeds[trial.method].append(trial.seed)
    lists = list(seeds.values())
    return fair_by_sets(trials) and all(own == lists[0] for own in lists)


@wrong("12.1", "sets of seeds, which do not notice repetition", "counts once", "twice")
def fair_repeated(trials):
    seeds = [set(own) for own in seeds_of(trials)]
    return same(t.setup for t in trials) and all(own == seeds[0] for own in seeds) and same_limit(trials)


@wrong("12.1", "rounds and bytes both", "one of the two", "or same_budget")
def fair_both(trials):
    return fair_by_sets(trials) and same(t.rounds for t in trials) and same(t.budget for t in trials)


@wrong("12.1", "only the rounds", "one of the two", "or same_budget")
def fair_rounds_only(trials):
    return fair_by_sets(trials) and same(t.rounds for t in trials)


@wrong("12.1", "no budget taken for the same budget", "no budget", "None == None")
def fair_none(trials):
    seeds = seeds_of(trials)
    once = all(len(own) == len(set(own)) for own in seeds)
    limit = same(t.rounds for t in trials) or same(t.budget for t in trials)
    return same(t.setup for t in trials) and once and all(own == seeds[0] for own in seeds) and limit


@wrong("12.1", "only the first two methods", "all methods", "first two")
def fair_first_two(trials):
    names = sorted({t.method for t in trials})[:2]
    return fair_by_sets([t for t in trials if t.method in names])


@right("12.1")
def fair_in_numpy(trials):
    return np.all([fair_by_sets(trials)])


# 12.2 accuracy_at ---------------------------------------------------------------------------------------------------


@right("12.2")
def accuracy_in_a_loop(rows, budget):
    spent, accuracy = 0, None
    for row in rows:
        spent += row["upload_bytes"] + row["download_bytes"]
        if spent > budget:
            break
        accuracy = row["test_accuracy"]
    return accuracy


@right("12.2")
def accuracy_accumulated(rows, budget):
    spent = accumulate(row["upload_bytes"] + row["download_bytes"] for row in rows)
    return [row["test_accuracy"] for row, total in zip(rows, spent, strict=True) if total <= budget][-1]


@right("12.2")
def accuracy_searched(rows, budget):
    spent = np.cumsum([row["upload_bytes"] + row["download_bytes"] for row in rows])
    return torch.tensor(rows[np.searchsorted(spent, budget, side="right") - 1]["test_accuracy"])


@wrong("12.2", "uploads only", "both directions", "download")
def accuracy_uploads(rows, budget):
    return accuracy_in_a_loop([{**row, "download_bytes": 0} for row in rows], budget)


@wrong("12.2", "downloads only", "both directions", "both")
def accuracy_downloads(rows, budget):
    return accuracy_in_a_loop([{**row, "upload_bytes": 0} for row in rows], budget)


@wrong("12.2", "each round by itself", "add up", "so far")
def accuracy_by_round(rows, budget):
    return [r["test_accuracy"] for r in rows if r["upload_bytes"] + r["download_bytes"] <= budget][-1]


@wrong("12.2", "strictly below the budget", "spent exactly", "AT MOST")
def accuracy_strict(rows, budget):
    return accuracy_in_a_loop(rows, budget - 0.5)


@wrong("12.2", "the round that goes over the budget", "to its end", "present")
def accuracy_overdrawn(rows, budget):
    spent = 0
    for row in rows:
        spent += row["upload_bytes"] + row["download_bytes"]
        if spent >= budget:
            break
    return row["test_accuracy"]


@wrong("12.2", "interpolated between rounds", "to its end", "interpolated")
def accuracy_interpolated(rows, budget):
    spent = np.cumsum([row["upload_bytes"] + row["download_bytes"] for row in rows])
    if spent[0] > budget or budget in spent:
        return accuracy_in_a_loop(rows, budget)
    return np.interp(budget, spent, [row["test_accuracy"] for row in rows])


@wrong("12.2", "the best round so far", "not the best", "max")
def accuracy_best(rows, budget):
    spent = accumulate(row["upload_bytes"] + row["download_bytes"] for row in rows)
    return max(row["test_accuracy"] for row, total in zip(rows, spent, strict=True) if total <= budget)


@wrong("12.2", "begins with round 1", "any cost", "row 0")
def accuracy_without_round_0(rows, budget):
    return accuracy_in_a_loop([{**rows[0], "upload_bytes": 0, "download_bytes": 0}, *rows[1:]], budget)


# 12.3 summary -------------------------------------------------------------------------------------------------------


@right("12.3")
def summary_by_hand(values):
    n = len(values)
    mean = sum(values) / n
    if n == 1:
        return mean, None, n
    return mean, (sum((value - mean) ** 2 for value in values) / (n - 1)) ** 0.5, n


@right("12.3")
def summary_torch(values):
    values = torch.tensor(values, dtype=torch.float64)
    return values.mean(), values.std() if len(values) > 1 else None, len(values)


@right("12.3")
def summary_of_squares(values):
    n, total, squares = 0, 0.0, 0.0
    for value in values:
        n += 1
        step = value - total / max(n - 1, 1)
        squares += step**2 * (n - 1) / n
        total += value
    return [np.float64(total / n), None if n < 2 else np.sqrt(squares / (n - 1)), n]


@wrong("12.3", "divided by n", "divided by n - 1", "n - 1")
def summary_population(values):
    return sum(values) / len(values), statistics.pstdev(values) if len(values) > 1 else None, len(values)


@wrong("12.3", "the variance", "divided by n - 1", "** 0.5")
def summary_variance(values):
    return sum(values) / len(values), statistics.variance(values) if len(values) > 1 else None, len(values)


@wrong("12.3", "the standard error of the mean", "divided by n - 1", "root of n")
def summary_error(values):
    mean, spread, n = summary_by_hand(values)
    return mean, spread if spread is None else spread / n**0.5, n


@wrong("12.3", "0 for a single seed", "no deviation", "0 would claim")
def summary_zero(values):
    mean, spread, n = summary_by_hand(values)
    return mean, spread or 0.0, n


@wrong("12.3", "nan for a single seed", "no deviation", "nan")
def summary_nan(values):
    mean, spread, n = summary_by_hand(values)
    return mean, float("nan") if n == 1 else spread, n


@wrong("12.3", "the median", "the first number is the mean", "sum divided by n")
def summary_median(values):
    _, spread, n = summary_by_hand(values)
    return statistics.median(values), spread, n


@wrong("12.3", "in another order", "the first number is the mean", "in this order")
def summary_reordered(values):
    mean, spread, n = summary_by_hand(values)
    return n, mean, spread


@wrong("12.3", "the deviation of absolute values", "any values", "abs")
def summary_absolute(values):
    return summary_by_hand([abs(value) for value in values])


@right("12.3")
def summary_of_an_array(values):
    values = np.array(values)
    return values.mean(), values.std(ddof=1) if values.size > 1 else None, np.int64(values.size)
