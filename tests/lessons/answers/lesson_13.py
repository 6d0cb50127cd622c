"""Answers to the exercises of notebook 13."""

import numpy as np
import torch

from . import right, wrong

# 13.1 admit ---------------------------------------------------------------------------------------------------------


def same_shapes(update, pattern):
    return {n: w.shape for n, w in update.params.items()} == {n: w.shape for n, w in pattern.items()}


def all_finite(update):
    return all(bool(torch.isfinite(w).all()) for w in update.params.values())


@right("13.1")
def admit_in_steps(update, pattern, num_examples):
    if update.params.keys() != pattern.keys():
        return False
    if any(update.params[name].shape != pattern[name].shape for name in pattern):
        return False
    if not all(torch.isfinite(w).all() for w in update.params.values()):
        return False
    return update.num_examples == num_examples


@right("13.1")
def admit_by_dictionaries(update, pattern, num_examples):
    return same_shapes(update, pattern) and all_finite(update) and update.num_examples == num_examples


@right("13.1")
def admit_with_errors(update, pattern, num_examples):
    try:
        assert len(update.params) == len(pattern)
        assert update.num_examples == num_examples
        for name, wanted in pattern.items():
            assert update.params[name].shape == wanted.shape
            assert (update.params[name] - update.params[name] == 0).all()
    except (AssertionError, KeyError):
        return False
    return True


@wrong("13.1", "large weights are refused", "sound update", "robust rules")
def admit_small(update, pattern, num_examples):
    near = all(bool((w.abs() < 100).all()) for w in update.params.values())
    return near and admit_by_dictionaries(update, pattern, num_examples)


@wrong("13.1", "zeros are taken for missing values", "sound update", "zeros")
def admit_nonzero(update, pattern, num_examples):
    return all(bool(w.all()) for w in update.params.values()) and admit_by_dictionaries(update, pattern, num_examples)


@wrong("13.1", "only nan is looked for", "not finite", "inf is no better")
def admit_infinite(update, pattern, num_examples):
    sound = not any(bool(w.isnan().any()) for w in update.params.values())
    return sound and same_shapes(update, pattern) and update.num_examples == num_examples


@wrong("13.1", "compares with nan", "not finite", "nothing equals nan")
def admit_equals_nan(update, pattern, num_examples):
    bad = any(bool((w == float("nan")).any()) for w in update.params.values())
    return not bad and same_shapes(update, pattern) and update.num_examples == num_examples


@wrong("13.1", "any finite value is enough", "not finite", "all()")
def admit_any_finite(update, pattern, num_examples):
    finite = all(bool(torch.isfinite(w).any()) for w in update.params.values())
    return finite and same_shapes(update, pattern) and update.num_examples == num_examples


@wrong("13.1", "only the first tensor is looked at", "not finite", "last tensor")
def admit_first_tensor(update, pattern, num_examples):
    first = next(iter(update.params.values()), torch.zeros(1))
    finite = bool(torch.isfinite(first).all())
    return finite and same_shapes(update, pattern) and update.num_examples == num_examples


@wrong("13.1", "believes the number of examples", "number of examples", "say")
def admit_any_count(update, pattern, num_examples):
    return same_shapes(update, pattern) and all_finite(update)


@wrong("13.1", "only too many examples are a lie", "number of examples", "unequal")
def admit_fewer(update, pattern, num_examples):
    return same_shapes(update, pattern) and all_finite(update) and update.num_examples <= num_examples


@wrong("13.1", "as many values are the same shape", "shape of the model", "not the same shape")
def admit_numel(update, pattern, num_examples):
    if update.params.keys() != pattern.keys() or update.num_examples != num_examples or not all_finite(update):
        return False
    return all(update.params[name].numel() == pattern[name].numel() for name in pattern)


@wrong("13.1", "shapes that can be broadcast", "shape of the model", "broadcasts")
def admit_broadcast(update, pattern, num_examples):
    if update.params.keys() != pattern.keys() or update.num_examples != num_examples or not all_finite(update):
        return False
    try:
        return all(len((update.params[name] + pattern[name]).shape) > 0 for name in pattern)
    except RuntimeError:
        return False


@wrong("13.1", "additional tensors are not seen", "those of the model", "one side")
def admit_more(update, pattern, num_examples):
    known = all(name in update.params and update.params[name].shape == pattern[name].shape for name in pattern)
    return known and all_finite(update) and update.num_examples == num_examples


@wrong("13.1", "missing tensors are not seen", "those of the model", "one side")
def admit_fewer_tensors(update, pattern, num_examples):
    known = all(name in pattern and w.shape == pattern[name].shape for name, w in update.params.items())
    return known and all_finite(update) and update.num_examples == num_examples


@wrong("13.1", "tensors by their places", "those of the model", "names")
def admit_by_place(update, pattern, num_examples):
    shapes = [[w.shape for w in tensors.values()] for tensors in (update.params, pattern)]
    return shapes[0] == shapes[1] and all_finite(update) and update.num_examples == num_examples


@wrong("13.1", "names in the order of the model", "order of the tensors", "not by places")
def admit_ordered(update, pattern, num_examples):
    return list(update.params) == list(pattern) and admit_by_dictionaries(update, pattern, num_examples)


@right("13.1")
def admit_in_numpy(update, pattern, num_examples):
    if set(update.params) ^ set(pattern):
        return np.False_
    sound = [update.params[n].numpy().shape == w.numpy().shape for n, w in pattern.items()]
    sound += [np.isfinite(w.numpy()).all() for w in update.params.values()]
    return np.all([*sound, update.num_examples == num_examples])


# 13.2 trimmed_mean --------------------------------------------------------------------------------------------------


@right("13.2")
def trimmed_by_sorting(values, faulty):
    return values.sort(0).values[faulty : len(values) - faulty].mean(0)


@right("13.2")
def trimmed_in_numpy(values, faulty):
    ordered = np.sort(values.numpy(), axis=0)
    return torch.from_numpy(ordered[faulty : len(ordered) - faulty].mean(axis=0))


@right("13.2")
def trimmed_by_sums(values, faulty):
    if faulty == 0:
        return values.mean(0)
    ends = values.topk(faulty, 0).values.sum(0) + values.topk(faulty, 0, largest=False).values.sum(0)
    return (values.sum(0) - ends) / (len(values) - 2 * faulty)


@wrong("13.2", "mean over the weights of a client", "plain mean", "dimension 0")
def trimmed_other_axis(values, faulty):
    return values.sort(1).values[:, faulty : values.shape[1] - faulty].mean(1)


@wrong("13.2", "one number for all weights", "plain mean", "one number for each weight")
def trimmed_all(values, faulty):
    return trimmed_by_sorting(values, faulty).mean()


@wrong("13.2", "the sum of what is left", "plain mean", "mean(0)")
def trimmed_sum(values, faulty):
    return values.sort(0).values[faulty : len(values) - faulty].sum(0)


@wrong("13.2", "only the largest go", "each end", "smallest")
def trimmed_largest(values, faulty):
    return values.sort(0).values[: len(values) - faulty].mean(0)


@wrong("13.2", "the first and last clients go, unsorted", "each end", "sort first")
def trimmed_unsorted(values, faulty):
    return values[faulty : len(values) - faulty].mean(0)


@wrong("13.2", "divided by all clients", "each end", "n - 2f")
def trimmed_divided_by_all(values, faulty):
    return values.sort(0).values[faulty : len(values) - faulty].sum(0) / len(values)


@wrong("13.2", "extreme values are replaced, not dropped", "each end", "go")
def trimmed_clamped(values, faulty):
    ordered = values.sort(0).values
    return values.clamp(ordered[faulty], ordered[len(values) - faulty - 1]).mean(0)


@wrong("13.2", "one value goes at each end, whatever f is", "each end", "f of the largest AND")
def trimmed_one(values, faulty):
    return trimmed_by_sorting(values, min(faulty, 1))


@wrong("13.2", "whole clients go, by the sum of their weights", "by itself", "Whole clients")
def trimmed_clients(values, faulty):
    order = values.sum(1).argsort()
    return values[order[faulty : len(values) - faulty]].mean(0)


@wrong("13.2", "everything that equals an extreme value goes", "any n and f", "exactly f places")
def trimmed_by_value(values, faulty):
    columns = []
    for column in values.T.tolist():
        ordered = sorted(column)
        ends = set(ordered[:faulty]) | set(ordered[len(ordered) - faulty :])
        kept = [value for value in column if value not in ends] or [0.0]
        columns.append(sum(kept) / len(kept))
    return torch.tensor(columns)


@right("13.2")
def trimmed_column_by_column(values, faulty):
    columns = [sorted(column)[faulty : len(column) - faulty] for column in values.T.tolist()]
    return torch.tensor([sum(column) / len(column) for column in columns])


# 13.3 krum ----------------------------------------------------------------------------------------------------------


def scores_of(values, nearest, distance=lambda a, b: ((a - b) ** 2).sum()):
    rows = range(len(values))
    return [sum(sorted(float(distance(values[i], values[k])) for k in rows if k != i)[: max(nearest, 0)]) for i in rows]


def best(scores):
    return scores.index(min(scores))


@right("13.3")
def krum_by_lists(values, faulty):
    n = len(values)
    if n < 2 * faulty + 3:
        return None
    return best(scores_of(values, n - faulty - 2))


@right("13.3")
def krum_by_matrix(values, faulty):
    nearest = len(values) - faulty - 2
    if nearest < faulty + 1:
        return None
    squares = (values[:, None, :] - values[None, :, :]).square().sum(2)
    return squares.sort(1).values[:, 1 : nearest + 1].sum(1).argmin()


@right("13.3")
def krum_in_numpy(values, faulty):
    x = values.double().numpy()
    n = x.shape[0]
    if n - 2 * faulty < 3:
        return None
    squares = ((x[:, None] - x[None]) ** 2).sum(-1) + np.diag([np.inf] * n)
    return np.argmin(np.partition(squares, n - faulty - 3, axis=1)[:, : n - faulty - 2].sum(1))


@wrong("13.3", "the highest score wins", "closest to the others", "lowest")
def krum_highest(values, faulty):
    scores = scores_of(values, len(values) - faulty - 2)
    return None if len(values) < 2 * faulty + 3 else scores.index(max(scores))


@wrong("13.3", "its own distance counts as a neighbour", "closest to the others", "without itself")
def krum_with_itself(values, faulty):
    return None if len(values) < 2 * faulty + 3 else best(scores_of(values, len(values) - faulty - 3))


@wrong("13.3", "the client closest to the mean", "closest to the others", "follows the liar")
def krum_of_the_mean(values, faulty):
    return None if len(values) < 2 * faulty + 3 else ((values - values.mean(0)) ** 2).sum(1).argmin()


@wrong("13.3", "never refuses", "None", "condition")
def krum_always(values, faulty):
    return best(scores_of(values, len(values) - faulty - 2))


@wrong("13.3", "the condition of the median, 2f + 1", "None", "2f + 3")
def krum_of_the_median(values, faulty):
    return None if len(values) < 2 * faulty + 1 else best(scores_of(values, len(values) - faulty - 2))


@wrong("13.3", "2f + 3 is refused, too", "closest to the others", "score")
def krum_strict(values, faulty):
    return None if len(values) <= 2 * faulty + 3 else best(scores_of(values, len(values) - faulty - 2))


@wrong("13.3", "all distances count", "closest to the others", "n - f - 2")
def krum_of_all(values, faulty):
    return None if len(values) < 2 * faulty + 3 else best(scores_of(values, len(values) - 1))


@wrong("13.3", "one neighbour too many", "closest to the others", "n - f - 2")
def krum_one_more(values, faulty):
    return None if len(values) < 2 * faulty + 3 else best(scores_of(values, len(values) - faulty - 1))


@wrong("13.3", "f taken for 1", "any n", "may be faulty")
def krum_one_faulty(values, faulty):
    return None if len(values) < 2 * faulty + 3 else best(scores_of(values, len(values) - 3))


@wrong("13.3", "distances without a square", "squared", "SQUARED")
def krum_root(values, faulty):
    if len(values) < 2 * faulty + 3:
        return None
    return best(scores_of(values, len(values) - faulty - 2, lambda a, b: (a - b).norm()))


@right("13.3")
def krum_by_products(values, faulty):
    n = len(values)
    if n - faulty - 2 <= faulty:
        return None
    x = values.double()
    squares = (x * x).sum(1)[:, None] + (x * x).sum(1)[None] - 2 * x @ x.T
    squares.fill_diagonal_(float("inf"))
    return int(squares.topk(n - faulty - 2, largest=False).values.sum(1).argmin())
