"""Answers to the exercises of notebook 09."""

import math

import numpy as np
import torch

from . import right, wrong

# 09.1 exchange_fraction ---------------------------------------------------------------------------------------------


@right("09.1")
def fraction_paper(t, T_end, alpha):
    if t >= T_end:
        return 0.0
    return alpha / 2 * (1 + math.cos(math.pi * t / T_end))


@right("09.1")
def fraction_clamped(t, T_end, alpha):
    return alpha * math.cos(math.pi / 2 * min(t / T_end, 1)) ** 2


@right("09.1")
def fraction_numpy(t, T_end, alpha):
    done = np.minimum(np.float64(t) / T_end, 1.0)
    return alpha * (0.5 + 0.5 * np.cos(np.pi * done))


@wrong("09.1", "alpha instead of alpha / 2", "starts at alpha", "half of alpha")
def fraction_double(t, T_end, alpha):
    return 2 * fraction_paper(t, T_end, alpha)


@wrong("09.1", "a sine", "starts at alpha", "cos(0)")
def fraction_sine(t, T_end, alpha):
    return 0.0 if t >= T_end else alpha / 2 * (1 + math.sin(math.pi * t / T_end))


@wrong("09.1", "minus: from 0 to alpha", "starts at alpha", "1 + cos")
def fraction_rising(t, T_end, alpha):
    return 0.0 if t >= T_end else alpha / 2 * (1 - math.cos(math.pi * t / T_end))


@wrong("09.1", "a whole turn", "halfway", "pi / 2 halfway")
def fraction_two_pi(t, T_end, alpha):
    return 0.0 if t >= T_end else alpha / 2 * (1 + math.cos(2 * math.pi * t / T_end))


@wrong("09.1", "degrees", "halfway", "radians")
def fraction_degrees(t, T_end, alpha):
    return 0.0 if t >= T_end else alpha / 2 * (1 + math.cos(180 * t / T_end))


@wrong("09.1", "a straight line", "flat at first", "line")
def fraction_line(t, T_end, alpha):
    return alpha * max(1 - t / T_end, 0.0)


@wrong("09.1", "rises again after T_end", "from T_end on", "rises again")
def fraction_endless(t, T_end, alpha):
    return alpha / 2 * (1 + math.cos(math.pi * t / T_end))


@wrong("09.1", "alpha forgotten", "starts at alpha", "alpha")
def fraction_without_alpha(t, T_end, alpha):
    return fraction_paper(t, T_end, 1.0)


# 09.2 prune_and_regrow ----------------------------------------------------------------------------------------------


def _count(mask, fraction):
    return min(int(fraction * int(mask.sum())), int((~mask).sum()))


def _set(mask, places, value):
    after = mask.flatten().clone()
    after[places] = value
    return after.view_as(mask)


def _smallest(weight, among, k):
    return weight.abs().masked_fill(~among, torch.inf).flatten().topk(k, largest=False).indices


def _largest(grad, among, k):
    return grad.abs().masked_fill(~among, -1.0).flatten().topk(k).indices


@right("09.2")
def regrow_topk(weight, grad, mask, fraction):
    k = _count(mask, fraction)
    after = _set(mask, _smallest(weight, mask, k), False)
    return _set(after, _largest(grad, ~after, k), True)


@right("09.2")
def regrow_sorted(weight, grad, mask, fraction):
    after, k = mask.flatten().tolist(), _count(mask, fraction)
    w, g = weight.flatten().tolist(), grad.flatten().tolist()
    for i in sorted((i for i, kept in enumerate(after) if kept), key=lambda i: abs(w[i]))[:k]:
        after[i] = False
    for i in sorted((i for i, kept in enumerate(after) if not kept), key=lambda i: -abs(g[i]))[:k]:
        after[i] = True
    return torch.tensor(after).view(mask.shape)


@right("09.2")
def regrow_one_by_one(weight, grad, mask, fraction):
    after = mask.clone().reshape(-1)
    w, g = weight.reshape(-1), grad.reshape(-1)
    budget = _count(mask, fraction)
    for _ in range(budget):
        alive = after.nonzero().flatten()
        after[alive[w[alive].abs().argmin()]] = False
    for _ in range(budget):
        dead = (~after).nonzero().flatten()
        after[dead[g[dead].abs().argmax()]] = True
    return after.reshape(mask.shape)


@wrong("09.2", "drops among all, so zeros that are pruned already", "as many weights are kept", "THEY")
def regrow_drops_dead(weight, grad, mask, fraction):
    k = _count(mask, fraction)
    after = _set(mask, weight.abs().flatten().topk(k, largest=False).indices, False)
    return _set(after, _largest(grad, ~after, k), True)


@wrong("09.2", "only drops", "as many weights are kept", "k pruned ones come")
def regrow_never(weight, grad, mask, fraction):
    return _set(mask, _smallest(weight, mask, _count(mask, fraction)), False)


@wrong("09.2", "grows a share of what is pruned", "as many weights are kept", "k pruned ones come")
def regrow_share_of_dead(weight, grad, mask, fraction):
    after = _set(mask, _smallest(weight, mask, _count(mask, fraction)), False)
    return _set(after, _largest(grad, ~after, max(1, int(fraction * int((~after).sum())))), True)


@wrong("09.2", "the most negative weights go", "smallest kept weights go", "magnitude")
def regrow_signed_weight(weight, grad, mask, fraction):
    k = _count(mask, fraction)
    places = weight.masked_fill(~mask, torch.inf).flatten().topk(k, largest=False).indices
    after = _set(mask, places, False)
    return _set(after, _largest(grad, ~after, k), True)


@wrong(
    "09.2", "grown first, dropped then: what has come is 0 and goes at once", "smallest kept weights go", "only what"
)
def regrow_grown_first(weight, grad, mask, fraction):
    k = _count(mask, fraction)
    after = _set(mask, _largest(grad, ~mask, k), True)
    return _set(after, _smallest(weight, after, k), False)


@wrong("09.2", "the largest weights go", "smallest kept weights go", "Small means")
def regrow_drops_largest(weight, grad, mask, fraction):
    k = _count(mask, fraction)
    after = _set(mask, weight.abs().masked_fill(~mask, -1.0).flatten().topk(k).indices, False)
    return _set(after, _largest(grad, ~after, k), True)


@wrong("09.2", "the largest gradients with their sign", "largest gradients come", "sign")
def regrow_signed_grad(weight, grad, mask, fraction):
    k = _count(mask, fraction)
    after = _set(mask, _smallest(weight, mask, k), False)
    places = grad.masked_fill(after, -torch.inf).flatten().topk(k).indices
    return _set(after, places, True)


@wrong("09.2", "the smallest gradients come", "largest gradients come", "grad.abs()")
def regrow_smallest_grad(weight, grad, mask, fraction):
    k = _count(mask, fraction)
    after = _set(mask, _smallest(weight, mask, k), False)
    places = grad.abs().masked_fill(mask, torch.inf).flatten().topk(k, largest=False).indices
    return _set(after, places, True)


@wrong("09.2", "rounded up", "fraction of the kept", "rounded down")
def regrow_ceil(weight, grad, mask, fraction):
    k = min(math.ceil(fraction * int(mask.sum())), int((~mask).sum()))
    after = _set(mask, _smallest(weight, mask, k), False)
    return _set(after, _largest(grad, ~after, k), True)


@wrong("09.2", "more dropped than can grow", "fraction of the kept", "no place to grow")
def regrow_no_limit(weight, grad, mask, fraction):
    k = int(fraction * int(mask.sum()))
    after = _set(mask, _smallest(weight, mask, k), False)
    return _set(after, _largest(grad, ~mask, min(k, int((~mask).sum()))), True)


@wrong("09.2", "what has gone may not come back", "may come back", "NEW mask")
def regrow_never_back(weight, grad, mask, fraction):
    k = _count(mask, fraction)
    after = _set(mask, _smallest(weight, mask, k), False)
    return _set(after, _largest(grad, ~mask, k), True)


@wrong("09.2", "in place", "leaves its input", "new")
def regrow_in_place(weight, grad, mask, fraction):
    k = _count(mask, fraction)
    flat = mask.view(-1)
    flat[_smallest(weight, mask, k)] = False
    flat[_largest(grad, ~mask, k)] = True
    return mask


@wrong("09.2", "kept ones get the score 0, not one below all", "the mask says what is kept", "masked_fill(after, -1.0)")
def regrow_score_zero(weight, grad, mask, fraction):
    k = _count(mask, fraction)
    after = _set(mask, _smallest(weight, mask, k), False)
    return _set(after, (grad.abs() * ~after).flatten().topk(k).indices, True)


@wrong("09.2", "kept means not zero", "the mask says what is kept", "weight != 0")
def regrow_from_zeros(weight, grad, mask, fraction):
    return regrow_topk(weight, grad, weight != 0, fraction)


@wrong("09.2", "a fraction of all weights", "smallest kept weights go", "fraction of the KEPT")
def regrow_fraction_of_all(weight, grad, mask, fraction):
    k = min(int(fraction * mask.numel()), int(mask.sum()), int((~mask).sum()))
    after = _set(mask, _smallest(weight, mask, k), False)
    return _set(after, _largest(grad, ~after, k), True)


@wrong("09.2", "rounded to the nearest", "fraction of the kept", "rounded down")
def regrow_rounded(weight, grad, mask, fraction):
    k = min(round(fraction * int(mask.sum())), int((~mask).sum()))
    after = _set(mask, _smallest(weight, mask, k), False)
    return _set(after, _largest(grad, ~after, k), True)


# 09.3 feedback_step -------------------------------------------------------------------------------------------------


@right("09.3")
def feedback_one_line(dense, mask, gradient, rate):
    return dense - rate * gradient(dense * mask)


@right("09.3")
def feedback_where(dense, mask, gradient, rate):
    sent = torch.where(mask, dense, 0.0)
    return torch.sub(dense, gradient(sent), alpha=rate)


@right("09.3")
def feedback_error(dense, mask, gradient, rate):
    """The pruned model takes the step, and what was withheld is added again."""
    sent = dense.masked_fill(~mask, 0)
    withheld = dense - sent
    return (sent - rate * gradient(sent)) + withheld


@wrong("09.3", "up the gradient", "step of gradient descent", "SUBTRACTED")
def feedback_up(dense, mask, gradient, rate):
    return dense + rate * gradient(dense * mask)


@wrong("09.3", "the rate forgotten", "step of gradient descent", "rate")
def feedback_without_rate(dense, mask, gradient, rate):
    return dense - gradient(dense * mask)


@wrong("09.3", "the gradient of the dense weights", "at the pruned weights", "w * m")
def feedback_dense_gradient(dense, mask, gradient, rate):
    return dense - rate * gradient(dense)


@wrong("09.3", "a masked gradient", "moves, too", "no mask on the gradient")
def feedback_masked(dense, mask, gradient, rate):
    return dense - rate * gradient(dense * mask) * mask


@wrong("09.3", "starts from the pruned weights", "moves, too", "keeps its value")
def feedback_forgets(dense, mask, gradient, rate):
    return dense * mask - rate * gradient(dense * mask)


@wrong("09.3", "pruned again afterwards", "moves, too", "not lost")
def feedback_pruned(dense, mask, gradient, rate):
    return (dense - rate * gradient(dense * mask)) * mask


@wrong("09.3", "in place", "leaves its input", "new")
def feedback_in_place(dense, mask, gradient, rate):
    dense -= rate * gradient(dense * mask)
    return dense
