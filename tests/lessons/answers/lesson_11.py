"""Answers to the exercises of notebook 11."""

import numpy as np
import torch

from . import right, wrong

# 11.1 roc -----------------------------------------------------------------------------------------------------------


@right("11.1")
def roc_by_threshold(scores, members):
    points = [(0.0, 0.0)]
    for threshold in scores.unique().flip(0):
        accused = scores >= threshold
        points.append((accused[~members].double().mean().item(), accused[members].double().mean().item()))
    return points


@right("11.1")
def roc_by_sorting(scores, members):
    order = scores.argsort(descending=True)
    ranked, hits = scores[order], members[order].double()
    last = torch.cat([ranked[1:] != ranked[:-1], torch.tensor([True])])
    tpr, fpr = hits.cumsum(0) / hits.sum(), (1 - hits).cumsum(0) / (1 - hits).sum()
    return [(0.0, 0.0), *zip(fpr[last].tolist(), tpr[last].tolist(), strict=True)]


@right("11.1")
def roc_by_counting(scores, members):
    scores, members = scores.tolist(), members.tolist()
    inside = [score for score, member in zip(scores, members, strict=True) if member]
    outside = [score for score, member in zip(scores, members, strict=True) if not member]
    cuts = [float("inf"), *sorted(set(scores), reverse=True)]
    return [[sum(score >= cut for score in group) / len(group) for group in (outside, inside)] for cut in cuts]


@wrong("11.1", "the axes exchanged", "begins with nobody", "in this order")
def roc_exchanged(scores, members):
    return [(tpr, fpr) for fpr, tpr in roc_by_threshold(scores, members)]


@wrong("11.1", "nobody accused is missing", "begins with nobody", "above all scores")
def roc_without_start(scores, members):
    return roc_by_threshold(scores, members)[1:]


@wrong("11.1", "strictly above the threshold", "begins with nobody", ">=")
def roc_strict(scores, members):
    points = [(0.0, 0.0)]
    for threshold in scores.unique().flip(0):
        accused = scores > threshold
        points.append((accused[~members].double().mean().item(), accused[members].double().mean().item()))
    return points


@wrong("11.1", "low scores are accused", "begins with nobody", "reaches it")
def roc_upside_down(scores, members):
    return roc_by_threshold(-scores, members)


@wrong("11.1", "divided by all examples", "begins with nobody", "rate")
def roc_of_all(scores, members):
    n = len(scores)
    return [
        (fpr * int((~members).sum()) / n, tpr * int(members.sum()) / n) for fpr, tpr in roc_by_counting(scores, members)
    ]


@wrong("11.1", "as if half were members", "own group", "different sizes")
def roc_of_halves(scores, members):
    n = len(scores) / 2
    return [
        (fpr * int((~members).sum()) / n, tpr * int(members.sum()) / n) for fpr, tpr in roc_by_counting(scores, members)
    ]


@wrong("11.1", "precision for the true positive rate", "begins with nobody", "true positive rate")
def roc_precision(scores, members):
    points = [(0.0, 0.0)]
    for threshold in scores.unique().flip(0):
        accused = scores >= threshold
        points.append((accused[~members].double().mean().item(), members[accused].double().mean().item()))
    return points


@wrong("11.1", "one point an example, ties or not", "equal scores", "unique")
def roc_with_split_ties(scores, members):
    hits = members[scores.argsort(descending=True, stable=True)].double()
    tpr, fpr = hits.cumsum(0) / hits.sum(), (1 - hits).cumsum(0) / (1 - hits).sum()
    return [(0.0, 0.0), *zip(fpr.tolist(), tpr.tolist(), strict=True)]


@wrong("11.1", "a point for each example, those of ties repeated", "equal scores", "once")
def roc_repeated(scores, members):
    points = [(0.0, 0.0)]
    for threshold in scores.sort(descending=True).values:
        accused = scores >= threshold
        points.append((accused[~members].double().mean().item(), accused[members].double().mean().item()))
    return points


@wrong("11.1", "takes the examples as they come", "any order", "sort")
def roc_unsorted(scores, members):
    last = torch.cat([scores[1:] != scores[:-1], torch.tensor([True])])
    hits = members.double()
    tpr, fpr = hits.cumsum(0) / hits.sum(), (1 - hits).cumsum(0) / (1 - hits).sum()
    return [(0.0, 0.0), *zip(fpr[last].tolist(), tpr[last].tolist(), strict=True)]


@wrong("11.1", "fixed thresholds", "any size", "unique")
def roc_fixed_thresholds(scores, members):
    points = [(0.0, 0.0)]
    for threshold in range(400, -401, -1):
        accused = scores >= threshold / 8
        point = (accused[~members].double().mean().item(), accused[members].double().mean().item())
        if point != points[-1]:
            points.append(point)
    return points


# 11.2 tpr_at --------------------------------------------------------------------------------------------------------


@right("11.2")
def tpr_from_points(scores, members, most):
    return max(tpr for fpr, tpr in roc_by_threshold(scores, members) if fpr <= most)


@right("11.2")
def tpr_by_ranks(scores, members, most):
    others = scores[~members].sort(descending=True).values
    allowed = int(most * len(others))
    if allowed == len(others):
        return 1.0
    return (scores[members] > others[allowed]).double().mean()


@right("11.2")
def tpr_in_numpy(scores, members, most):
    scores, members = scores.numpy(), members.numpy()
    best = np.float64(0)
    for threshold in scores:
        if np.mean(scores[~members] >= threshold) <= most:
            best = max(best, np.mean(scores[members] >= threshold))
    return best


@wrong("11.2", "the first point, not the best one", "without a false alarm", "max")
def tpr_first(scores, members, most):
    return next(tpr for fpr, tpr in roc_by_threshold(scores, members) if fpr <= most)


@wrong("11.2", "counts members, no share", "without a false alarm", "share of the members")
def tpr_count(scores, members, most):
    return tpr_by_ranks(scores, members, most) * members.sum()


@wrong("11.2", "strictly below the limit", "may reach the limit", "not `<`")
def tpr_strict(scores, members, most):
    found = [tpr for fpr, tpr in roc_by_threshold(scores, members) if fpr < most or not fpr]
    return max(found)


@wrong("11.2", "the nearest rate, be it higher", "nothing is interpolated", "there are")
def tpr_nearest(scores, members, most):
    fprs = [fpr for fpr, _ in roc_by_threshold(scores, members)]
    nearest = min(fprs, key=lambda fpr: (abs(fpr - most), fpr))
    return max(tpr for fpr, tpr in roc_by_threshold(scores, members) if fpr == nearest)


@wrong("11.2", "interpolated", "nothing is interpolated", "interp")
def tpr_interpolated(scores, members, most):
    fpr, tpr = np.array(roc_by_threshold(scores, members)).T
    if most in fpr:
        return tpr[fpr == most].max()
    return np.interp(most, fpr, tpr)


@wrong("11.2", "a quantile of the non-members", "may reach the limit", "quantile")
def tpr_quantile(scores, members, most):
    return (scores[members] > scores[~members].quantile(1 - most)).double().mean()


@wrong("11.2", "ties broken by the order of the list", "equal scores", "neither")
def tpr_split_ties(scores, members, most):
    return max(tpr for fpr, tpr in roc_with_split_ties(scores, members) if fpr <= most)


@wrong("11.2", "takes the examples as they come", "any scores", "every threshold")
def tpr_unsorted(scores, members, most):
    return max(tpr for fpr, tpr in roc_unsorted(scores, members) if fpr <= most)


# 11.3 advantage -----------------------------------------------------------------------------------------------------


@right("11.3")
def advantage_of_means(losses, members):
    accused = (losses <= losses[members].mean()).double()
    return accused[members].mean() - accused[~members].mean()


@right("11.3")
def advantage_of_counts(losses, members):
    threshold = (losses * members).sum() / members.sum()
    accused = losses <= threshold
    tpr = (accused & members).sum() / members.sum()
    fpr = (accused & ~members).sum() / (~members).sum()
    return (tpr - fpr).item()


@right("11.3")
def advantage_in_python(losses, members):
    pairs = list(zip(losses.tolist(), members.tolist(), strict=True))
    inside, outside = ([loss for loss, member in pairs if member is kind] for kind in (True, False))
    threshold = sum(inside) / len(inside)
    return sum(loss <= threshold for loss in inside) / len(inside) - sum(x <= threshold for x in outside) / len(outside)


@wrong("11.3", "strictly below the threshold", "losses tell the two apart", "AT MOST")
def advantage_strict(losses, members):
    accused = (losses < losses[members].mean()).double()
    return accused[members].mean() - accused[~members].mean()


@wrong("11.3", "large losses are accused", "losses tell the two apart", "<= threshold")
def advantage_upside_down(losses, members):
    accused = (losses >= losses[members].mean()).double()
    return accused[members].mean() - accused[~members].mean()


@wrong("11.3", "the accuracy of the attack", "losses tell the two apart", "minus the false positive rate")
def advantage_accuracy(losses, members):
    accused = losses <= losses[members].mean()
    return (accused == members).double().mean()


@wrong("11.3", "the gap of the losses", "losses tell the two apart", "tpr - fpr")
def advantage_gap(losses, members):
    return losses[~members].mean() - losses[members].mean()


@wrong("11.3", "the mean over everybody", "mean loss of the members", "over everybody")
def advantage_mean_of_all(losses, members):
    accused = (losses <= losses.mean()).double()
    return accused[members].mean() - accused[~members].mean()


@wrong("11.3", "the median", "mean loss of the members", "median")
def advantage_median(losses, members):
    accused = (losses <= losses[members].median()).double()
    return accused[members].mean() - accused[~members].mean()


@wrong("11.3", "twice the accuracy minus one, as if half were members", "own group", "two groups")
def advantage_from_accuracy(losses, members):
    accused = losses <= losses[members].mean()
    return 2 * (accused == members).double().mean() - 1


@wrong("11.3", "without a sign", "may be negative", "abs")
def advantage_absolute(losses, members):
    return advantage_of_means(losses, members).abs()


@wrong("11.3", "never below zero", "may be negative", "max(0")
def advantage_clamped(losses, members):
    return max(0.0, float(advantage_of_means(losses, members)))


@wrong("11.3", "takes the first half for members", "any order", "need not come first")
def advantage_first_half(losses, members):
    count = int(members.sum())
    accused = (losses <= losses[:count].mean()).double()
    return accused[:count].mean() - accused[count:].mean()


@wrong("11.1", "only the corners of the curve", "begins with nobody", "goes straight on")
def roc_corners(scores, members):
    points = [(0.0, 0.0)]
    for threshold in scores.unique().flip(0):
        accused = scores >= threshold
        points.append((float(accused[~members].double().mean()), float(accused[members].double().mean())))
    inner = [
        here
        for before, here, after in zip(points, points[1:], points[2:], strict=False)
        if (here[0] - before[0]) * (after[1] - here[1]) != (after[0] - here[0]) * (here[1] - before[1])
    ]
    return [points[0], *inner, points[-1]]
