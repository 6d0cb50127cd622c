"""Answers to the exercises of notebook 03."""

from itertools import combinations, pairwise

import numpy as np
import torch
from torch.nn.functional import cosine_similarity

from . import right, wrong

# 03.1 mean_cosine ---------------------------------------------------------------------------------------------------


def _vectors(sent, updates):
    return [torch.cat([(u.params[name] - sent[name]).flatten() for name in sent]) for u in updates]


def _cosine(a, b):
    return float(a @ b / (a.norm() * b.norm()))


def _mean(values):
    values = list(values)
    return sum(values) / len(values)


@right("03.1")
def cosine_pairs(sent, updates):
    return _mean(_cosine(a, b) for a, b in combinations(_vectors(sent, updates), 2))


@right("03.1")
def cosine_matrix(sent, updates):
    stacked = torch.stack(_vectors(sent, updates))
    all_pairs = cosine_similarity(stacked[:, None], stacked[None], dim=2)
    return all_pairs[torch.triu_indices(len(stacked), len(stacked), offset=1).unbind()].mean()


@right("03.1")
def cosine_of_the_sum(sent, updates):
    """|sum of K unit vectors|^2 = K + 2 sum over pairs."""
    units = [v / np.linalg.norm(v) for v in (vector.double().numpy() for vector in _vectors(sent, updates))]
    count = len(units)
    return float((np.sum(units, axis=0) ** 2).sum() - count) / (count * (count - 1))


@wrong("03.1", "weights instead of updates", "same way", "w_k - w")
def cosine_of_weights(sent, updates):
    zero = {name: torch.zeros_like(weight) for name, weight in sent.items()}
    return cosine_pairs(zero, updates)


@wrong("03.1", "not divided by the lengths", "same way", "both lengths")
def cosine_dot(sent, updates):
    return _mean(float(a @ b) for a, b in combinations(_vectors(sent, updates), 2))


@wrong("03.1", "divided by one length squared", "same way", "both lengths")
def cosine_one_length(sent, updates):
    return _mean(float(a @ b / (a @ a)) for a, b in combinations(_vectors(sent, updates), 2))


@wrong("03.1", "the absolute value", "opposite ways", "Keep the sign")
def cosine_absolute(sent, updates):
    return _mean(abs(_cosine(a, b)) for a, b in combinations(_vectors(sent, updates), 2))


@wrong("03.1", "each client also with itself", "opposite ways", "with itself")
def cosine_with_itself(sent, updates):
    vectors = _vectors(sent, updates)
    return _mean(_cosine(a, b) for a in vectors for b in vectors)


@wrong("03.1", "with the server's step", "opposite ways", "pairs of two different clients")
def cosine_with_the_mean(sent, updates):
    vectors = _vectors(sent, updates)
    step = torch.stack(vectors).mean(0)
    return _mean(float(cosine_similarity(a, step, dim=0)) for a in vectors)


@wrong("03.1", "only neighbours", "every pair", "K (K - 1) / 2")
def cosine_neighbours(sent, updates):
    return _mean(_cosine(a, b) for a, b in pairwise(_vectors(sent, updates)))


@wrong("03.1", "all with the first client", "every pair", "K (K - 1) / 2")
def cosine_with_the_first(sent, updates):
    first, *others = _vectors(sent, updates)
    return _mean(_cosine(first, other) for other in others)


@wrong("03.1", "a sum over pairs, not a mean", "every pair", "divide by")
def cosine_sum(sent, updates):
    return sum(_cosine(a, b) for a, b in combinations(_vectors(sent, updates), 2))


@wrong("03.1", "the mean over tensors of their own cosines", "one vector", "of the tensors' own cosines")
def cosine_by_tensor(sent, updates):
    return _mean(
        cosine_pairs({name: weight}, updates) if float(sum((u.params[name] - weight).norm() for u in updates)) else 1.0
        for name, weight in sent.items()
    )


@wrong("03.1", "without the biases", "one vector", "leaving the biases out")
def cosine_without_biases(sent, updates):
    matrices = {name: weight for name, weight in sent.items() if weight.dim() > 1}
    return cosine_pairs(matrices or sent, updates)


# 03.2 local_step ----------------------------------------------------------------------------------------------------


@right("03.2")
def step_formula(w, gradient, w_global, rate, mu):
    return {name: w[name] - rate * (gradient[name] + mu * (w[name] - w_global[name])) for name in w}


@right("03.2")
def step_as_a_mean(w, gradient, w_global, rate, mu):
    """A plain step, and a share rate x mu of the way back."""
    back = rate * mu
    return {name: (1 - back) * w[name] + back * w_global[name] - rate * gradient[name] for name in w}


@right("03.2")
def step_autograd(w, gradient, w_global, rate, mu):
    after = {}
    for name, weight in w.items():
        leaf = weight.clone().requires_grad_()
        loss = (gradient[name] * leaf).sum() + mu / 2 * (leaf - w_global[name]).square().sum()
        loss.backward()
        with torch.no_grad():
            after[name] = leaf - rate * leaf.grad
    return after


def _step(pull):
    return lambda w, g, w_global, rate, mu: {
        name: w[name] - rate * g[name] - pull(w[name], w_global[name], rate, mu) for name in w
    }


@wrong("03.2", "along the gradient", "plain gradient step", "against the gradient")
def step_uphill(w, gradient, w_global, rate, mu):
    return {name: w[name] + rate * (gradient[name] + mu * (w[name] - w_global[name])) for name in w}


@wrong("03.2", "no learning rate", "plain gradient step", "rate * gradient")
def step_without_rate(w, gradient, w_global, rate, mu):
    return {name: w[name] - gradient[name] - mu * (w[name] - w_global[name]) for name in w}


wrong("03.2", "pulled towards 0: weight decay", "nothing pulls", "weight decay")(
    _step(lambda w, w_global, rate, mu: rate * mu * w)
)
wrong("03.2", "pushed away: the sign of the pull", "leads back", "w_global")(
    _step(lambda w, w_global, rate, mu: rate * mu * (w_global - w))
)
wrong("03.2", "half the pull: the 2 does not cancel", "leads back", "the 2 cancels")(
    _step(lambda w, w_global, rate, mu: rate * mu / 2 * (w - w_global))
)
wrong("03.2", "twice the pull", "leads back", "the 2 cancels")(
    _step(lambda w, w_global, rate, mu: rate * mu * 2 * (w - w_global))
)
wrong("03.2", "the pull without the learning rate", "leads back", "learning rate multiplies it as well")(
    _step(lambda w, w_global, rate, mu: mu * (w - w_global))
)
wrong("03.2", "the term itself instead of its derivative", "leads back", "derivative")(
    _step(lambda w, w_global, rate, mu: rate * mu / 2 * (w - w_global).square().sum())
)
wrong("03.2", "only its sign", "leads back", "mu (w - w_global)")(
    _step(lambda w, w_global, rate, mu: rate * mu * (w - w_global).sign())
)
wrong("03.2", "no pull at all", "leads back", "part of the gradient")(_step(lambda w, w_global, rate, mu: 0 * w))


@wrong("03.2", "changes w in place", "leaves its input", "zeros_like")
def step_in_place(w, gradient, w_global, rate, mu):
    for name in w:
        w[name] -= rate * (gradient[name] + mu * (w[name] - w_global[name]))
    return w


@wrong("03.2", "biases are not pulled", "gradient and pull", "biases are pulled, too")
def step_no_bias(w, gradient, w_global, rate, mu):
    return {
        name: w[name] - rate * (gradient[name] + (0 if "bias" in name else mu) * (w[name] - w_global[name]))
        for name in w
    }


# 03.3 new_control ---------------------------------------------------------------------------------------------------


@right("03.3")
def control_formula(c_k, c, w, w_k, steps, rate):
    return {name: c_k[name] - c[name] + (w[name] - w_k[name]) / (steps * rate) for name in w}


@right("03.3")
def control_undone(c_k, c, w, w_k, steps, rate):
    """The mean step, with the correction taken out of the whole way first."""
    new = {}
    for name in w:
        way = w_k[name] - w[name]
        uncorrected = way + steps * rate * (c[name] - c_k[name])
        new[name] = -uncorrected / rate / steps
    return new


@right("03.3")
def control_added(c_k, c, w, w_k, steps, rate):
    scale = torch.tensor(1 / (steps * rate))
    change = {name: torch.add(-c[name], w[name] - w_k[name], alpha=float(scale)) for name in c}
    return {name: torch.stack([c_k[name], change[name]]).sum(dim=0) for name in c_k}


def _control(formula):
    return lambda c_k, c, w, w_k, steps, rate: {
        name: formula(c_k[name], c[name], w[name], w_k[name], steps, rate) for name in w
    }


wrong("03.3", "the sign of the way", "mean gradient of the local steps", "positive gradient")(
    _control(lambda c_k, c, w, w_k, steps, rate: c_k - c + (w_k - w) / (steps * rate))
)
wrong("03.3", "not divided by the steps", "mean gradient of the local steps", "number of steps")(
    _control(lambda c_k, c, w, w_k, steps, rate: c_k - c + (w - w_k) / rate)
)
wrong("03.3", "not divided by the learning rate", "mean gradient of the local steps", "Divide by the rate")(
    _control(lambda c_k, c, w, w_k, steps, rate: c_k - c + (w - w_k) / steps)
)
wrong("03.3", "times the rate", "mean gradient of the local steps", "Divide by the rate")(
    _control(lambda c_k, c, w, w_k, steps, rate: c_k - c + (w - w_k) / steps * rate)
)
wrong("03.3", "without the old control variates", "taken out again", "+ c_k - c")(
    _control(lambda c_k, c, w, w_k, steps, rate: (w - w_k) / (steps * rate))
)
wrong("03.3", "c and c_k exchanged", "taken out again", "c_k - c")(
    _control(lambda c_k, c, w, w_k, steps, rate: c - c_k + (w - w_k) / (steps * rate))
)
wrong("03.3", "the change, not the new value", "taken out again", "c_k[name]")(
    _control(lambda c_k, c, w, w_k, steps, rate: -c + (w - w_k) / (steps * rate))
)
wrong("03.3", "c is forgotten", "taken out again", "- c[name]")(
    _control(lambda c_k, c, w, w_k, steps, rate: c_k + (w - w_k) / (steps * rate))
)
