"""Right and wrong answers to every exercise, as students give them. Each wrong one names the law that must see it."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch

Function = Callable[..., Any]


class Wrong(NamedTuple):
    """A plausible fault, the answer that has it, part of the law that must fail, and what its hints must mention."""

    fault: str
    answer: Function
    law: str
    hint: str


RIGHT: dict[str, list[Function]] = {}
WRONG: dict[str, list[Wrong]] = {}


def right(number: str) -> Callable[[Function], Function]:
    def add(answer: Function) -> Function:
        RIGHT.setdefault(number, []).append(answer)
        return answer

    return add


def wrong(number: str, fault: str, law: str, hint: str) -> Callable[[Function], Function]:
    def add(answer: Function) -> Function:
        WRONG.setdefault(number, []).append(Wrong(fault, answer, law, hint))
        return answer

    return add


# 00.1 first_accuracy ----------------------------------------------------------------------------------------------

right("00.1")(lambda num_classes: 1 / num_classes)
right("00.1")(lambda num_classes: float(np.mean(np.arange(num_classes) == 0)))
right("00.1")(lambda num_classes: torch.tensor(1.0) / num_classes)

wrong("00.1", "knows nothing, so 0", "with more classes", "coin")(lambda num_classes: 0.0)
wrong("00.1", "always one half", "with more classes", "die")(lambda num_classes: 0.5)
wrong("00.1", "always one tenth", "with more classes", "coin")(lambda num_classes: 0.1)
wrong("00.1", "in percent", "fraction between", "quarter")(lambda num_classes: 100 / num_classes)
wrong("00.1", "chance of being wrong", "with more classes", "coin")(lambda num_classes: 1 - 1 / num_classes)
wrong("00.1", "one class too many", "blind guess", "1 / num_classes")(lambda num_classes: 1 / (num_classes + 1))
wrong("00.1", "text", "fraction between", "quarter")(lambda num_classes: f"1/{num_classes}")


# 01.1 aggregate ---------------------------------------------------------------------------------------------------


@right("01.1")
def aggregate_by_shares(updates):
    total = sum(update.num_examples for update in updates)
    return {
        name: sum(update.num_examples / total * update.params[name] for update in updates) for name in updates[0].params
    }


@right("01.1")
def aggregate_stacked(updates):
    n_K = torch.tensor([float(update.num_examples) for update in updates])
    merged = {}
    for name in updates[0].params:
        stacked = torch.stack([update.params[name] for update in updates])
        merged[name] = torch.tensordot(n_K / n_K.sum(), stacked, dims=1)
    return merged


@right("01.1")
def aggregate_running(updates):
    seen, merged = 0, {name: torch.zeros_like(weight) for name, weight in updates[0].params.items()}
    for update in updates:
        seen += update.num_examples
        for name, weight in update.params.items():
            merged[name] = merged[name] + (weight - merged[name]) * update.num_examples / seen
    return merged


@wrong("01.1", "unweighted mean", "counts by its number of examples", "num_examples / total")
def aggregate_unweighted(updates):
    return {name: sum(u.params[name] for u in updates) / len(updates) for name in updates[0].params}


@wrong("01.1", "sum without dividing", "one client alone", "total")
def aggregate_sum(updates):
    return {name: sum(u.num_examples * u.params[name] for u in updates) for name in updates[0].params}


@wrong("01.1", "weighted, then divided by K as well", "equally many examples", "num_examples / total")
def aggregate_divided_twice(updates):
    total = sum(u.num_examples for u in updates)
    return {
        name: sum(u.num_examples / total * u.params[name] for u in updates) / len(updates) for name in updates[0].params
    }


@wrong("01.1", "whole-number division", "equally many examples", "num_examples / total")
def aggregate_floor_division(updates):
    total = sum(u.num_examples for u in updates)
    return {name: sum(u.num_examples // total * u.params[name] for u in updates) for name in updates[0].params}


@wrong("01.1", "changes the first client's tensors", "leaves its input", "zeros_like")
def aggregate_in_place(updates):
    total = sum(u.num_examples for u in updates)
    merged = updates[0].params
    for name in merged:
        merged[name] *= updates[0].num_examples / total
        for u in updates[1:]:
            merged[name] += u.num_examples / total * u.params[name]
    return merged


@wrong("01.1", "only the weights, no biases", "one client alone", "same names")
def aggregate_weights_only(updates):
    total = sum(u.num_examples for u in updates)
    return {
        name: sum(u.num_examples / total * u.params[name] for u in updates)
        for name in updates[0].params
        if updates[0].params[name].dim() > 1 or name == "w"
    }


@wrong("01.1", "mean of the mean so far and the next client", "equally many examples", "n_k / n")
def aggregate_pairwise(updates):
    merged = updates[0].params
    for u in updates[1:]:
        merged = {name: (merged[name] + u.params[name]) / 2 for name in merged}
    return merged


@wrong("01.1", "the first client's number of examples for all", "one client alone", "total")
def aggregate_returns_pair(updates):
    return updates[0].params, updates[0].num_examples


# 02.1 dirichlet_split ---------------------------------------------------------------------------------------------


def _split(y_N, num_clients, draw_p, shuffle, cut, last_gets_rest=False):
    parts = [[] for _ in range(num_clients)]
    for label in range(int(y_N.max()) + 1):
        index = shuffle(np.flatnonzero(y_N.numpy() == label))
        for k, piece in enumerate(cut(index, draw_p(label))):
            parts[k].append(piece)
    return [torch.from_numpy(np.concatenate(part)) for part in parts]


def _cumulative(index, p):
    return np.split(index, np.rint(p.cumsum()[:-1] * len(index)).astype(int))


@right("02.1")
def split_numpy(y_N, num_clients, alpha, seed):
    rng = np.random.default_rng(seed)
    return _split(y_N, num_clients, lambda _: rng.dirichlet(np.full(num_clients, alpha)), rng.permutation, _cumulative)


@right("02.1")
def split_torch(y_N, num_clients, alpha, seed):
    generator = torch.Generator().manual_seed(seed)
    clients = [[] for _ in range(num_clients)]
    for label in y_N.unique():
        index = (y_N == label).nonzero().squeeze(1)
        index = index[torch.randperm(len(index), generator=generator)]
        p = torch._sample_dirichlet(torch.full((num_clients,), alpha, dtype=torch.float64), generator=generator)
        cuts = (p.cumsum(0)[:-1] * len(index)).long()
        for client, piece in zip(clients, torch.tensor_split(index, cuts), strict=True):
            client += piece.tolist()
    return clients


@right("02.1")
def split_example_by_example(y_N, num_clients, alpha, seed):
    rng = np.random.default_rng(seed)
    p_CK = rng.dirichlet(np.full(num_clients, alpha), size=int(y_N.max()) + 1)
    owner_N = np.array([rng.choice(num_clients, p=p_CK[label]) for label in y_N.tolist()])
    return [np.flatnonzero(owner_N == k) for k in range(num_clients)]


@wrong("02.1", "each share rounded down on its own", "partition", "CUMULATIVE")
def split_loses_examples(y_N, num_clients, alpha, seed):
    rng = np.random.default_rng(seed)

    def cut(index, p):
        sizes = (p * len(index)).astype(int)
        starts = sizes.cumsum() - sizes
        return [index[a : a + size] for a, size in zip(starts, sizes, strict=True)]

    return _split(y_N, num_clients, lambda _: rng.dirichlet(np.full(num_clients, alpha)), rng.permutation, cut)


@wrong("02.1", "every client draws its examples by itself", "partition", "np.split")
def split_with_overlap(y_N, num_clients, alpha, seed):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(num_clients, alpha))
    return [rng.choice(len(y_N), size=int(share * len(y_N)), replace=False) for share in p]


@wrong("02.1", "ignores the seed", "same seed", "default_rng(seed)")
def split_unseeded(y_N, num_clients, alpha, seed):
    return split_numpy(y_N, num_clients, alpha, None)


@wrong("02.1", "always the same seed", "same seed", "default_rng(seed)")
def split_fixed_seed(y_N, num_clients, alpha, seed):
    return split_numpy(y_N, num_clients, alpha, 42)


@wrong("02.1", "seeds the global generator", "same seed", "generator")
def split_global_seed(y_N, num_clients, alpha, seed):
    torch.manual_seed(seed)
    draw = torch.distributions.Dirichlet(torch.full((num_clients,), float(alpha), dtype=torch.float64))
    shuffle = lambda index: index[torch.randperm(len(index)).numpy()]  # noqa: E731
    return _split(y_N, num_clients, lambda _: draw.sample().numpy(), shuffle, _cumulative)


@wrong("02.1", "seeds Python's global generator", "same seed", "A global one")
def split_python_seed(y_N, num_clients, alpha, seed):
    random.seed(seed)
    rng = np.random.default_rng(seed)
    shuffle = lambda index: np.array(random.sample(index.tolist(), len(index)), dtype=np.int64)  # noqa: E731
    return _split(y_N, num_clients, lambda _: rng.dirichlet(np.full(num_clients, alpha)), shuffle, _cumulative)


@wrong("02.1", "Gamma draws that all become 0", "small alpha", "dirichlet")
def split_gamma(y_N, num_clients, alpha, seed):
    rng = np.random.default_rng(seed)

    def p(_):
        draws = rng.standard_gamma(np.full(num_clients, alpha)).astype(np.float32)
        with np.errstate(invalid="ignore"):
            shares = draws / draws.sum()
        return np.nan_to_num(shares, nan=1 / num_clients)

    return _split(y_N, num_clients, p, rng.permutation, _cumulative)


@wrong("02.1", "alpha the wrong way round", "large alpha", "right way round")
def split_inverse_alpha(y_N, num_clients, alpha, seed):
    return split_numpy(y_N, num_clients, 1 / alpha, seed)


@wrong("02.1", "uniform numbers, alpha unused", "large alpha", "alpha")
def split_uniform(y_N, num_clients, alpha, seed):
    rng = np.random.default_rng(seed)

    def p(_):
        draws = rng.random(num_clients)
        return draws / draws.sum()

    return _split(y_N, num_clients, p, rng.permutation, _cumulative)


@wrong("02.1", "one draw for all labels", "dealt out anew", "for label")
def split_one_draw(y_N, num_clients, alpha, seed):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(num_clients, alpha))
    return _split(y_N, num_clients, lambda _: p, rng.permutation, _cumulative)


@wrong("02.1", "alpha / K", "mean and the spread", "variance")
def split_alpha_over_k(y_N, num_clients, alpha, seed):
    return split_numpy(y_N, num_clients, alpha / num_clients, seed)


@wrong("02.1", "the last client gets what rounding leaves", "mean and the spread", "leftovers")
def split_biased(y_N, num_clients, alpha, seed):
    rng = np.random.default_rng(seed)

    def cut(index, p):
        return np.split(index, (p * len(index)).astype(int).cumsum()[:-1])

    return _split(y_N, num_clients, lambda _: rng.dirichlet(np.full(num_clients, alpha)), rng.permutation, cut)


@wrong("02.1", "no shuffling", "random", "Shuffle")
def split_in_order(y_N, num_clients, alpha, seed):
    rng = np.random.default_rng(seed)
    return _split(
        y_N, num_clients, lambda _: rng.dirichlet(np.full(num_clients, alpha)), lambda index: index, _cumulative
    )


# 02.2 jensen_shannon ----------------------------------------------------------------------------------------------


@right("02.2")
def js_xlogy(p_C, q_C):
    m_C = (p_C + q_C) / 2
    return (_kl(p_C, m_C) + _kl(q_C, m_C)) / 2


def _kl(p_C, m_C):
    held = p_C > 0
    return (p_C[held] * (p_C[held] / m_C[held]).log2()).sum()


@right("02.2")
def js_entropies(p_C, q_C):
    def entropy(r_C):
        return -torch.xlogy(r_C, r_C).sum() / math.log(2)

    return float(entropy((p_C + q_C) / 2) - (entropy(p_C) + entropy(q_C)) / 2)


@right("02.2")
def js_loop(p_C, q_C):
    total = 0.0
    for p, q in zip(p_C.tolist(), q_C.tolist(), strict=True):
        for share in (p, q):
            if share:
                total += share * math.log2(2 * share / (p + q)) / 2
    return total


@wrong("02.2", "KL instead of JS", "symmetric", "BOTH")
def js_is_kl(p_C, q_C):
    return float(torch.xlogy(p_C, p_C / q_C).sum() / math.log(2))


@wrong("02.2", "m without the half", "divergence 0", "(p + q) / 2")
def js_sum_as_mean(p_C, q_C):
    return (_kl(p_C, p_C + q_C) + _kl(q_C, p_C + q_C)) / 2


@wrong("02.2", "only the first half", "symmetric", "kl(q_C, m_C)")
def js_half(p_C, q_C):
    return _kl(p_C, (p_C + q_C) / 2)


@wrong("02.2", "nan at empty labels", "does not have", "xlogy")
def js_nan(p_C, q_C):
    m_C = (p_C + q_C) / 2
    return ((p_C * (p_C / m_C).log2()).sum() + (q_C * (q_C / m_C).log2()).sum()) / 2


@wrong("02.2", "nan where only one of the two has a label", "does not have", "xlogy")
def js_nan_one_sided(p_C, q_C):
    somebody = p_C + q_C > 0
    return js_nan(p_C[somebody], q_C[somebody])


@wrong("02.2", "only the common labels", "without a common label", "only one of the two has")
def js_common_labels(p_C, q_C):
    both, m_C = (p_C > 0) & (q_C > 0), (p_C + q_C) / 2
    return (_kl(p_C[both], m_C[both]) + _kl(q_C[both], m_C[both])) / 2


@wrong("02.2", "only the common labels, but 1 where there are none", "only one of the two has", "(p > 0) & (q > 0)")
def js_common_labels_or_one(p_C, q_C):
    both = (p_C > 0) & (q_C > 0)
    return float(js_common_labels(p_C, q_C)) if both.any() else 1.0


@wrong("02.2", "natural logarithm", "without a common label", "base 2")
def js_nats(p_C, q_C):
    return js_loop(p_C, q_C) * math.log(2)


@wrong("02.2", "the distance, a square root", "mean of KL", "log2")
def js_distance(p_C, q_C):
    return math.sqrt(max(js_loop(p_C, q_C), 0.0))


@wrong("02.2", "sum instead of mean", "without a common label", "mean of the two")
def js_sum(p_C, q_C):
    return 2 * js_loop(p_C, q_C)


@wrong("02.2", "total variation", "mean of KL", "log2")
def js_total_variation(p_C, q_C):
    return float((p_C - q_C).abs().sum() / 2)


@wrong("02.2", "sign error", "without a common label", "bits")
def js_negative(p_C, q_C):
    return -js_loop(p_C, q_C)


# 06.1 sparsity_at -------------------------------------------------------------------------------------------------


@right("06.1")
def schedule_paper(t, T, S_T, n=3, F=1, t0=1):
    held = F * (t // F)
    if held <= t0:
        return 0.0
    return S_T - S_T * (1 - (held - t0) / (T - t0)) ** n


@right("06.1")
def schedule_clamped(t, T, S_T, n=3, F=1, t0=1):
    done = min(max((t - t % F - t0) / (T - t0), 0), 1)
    return S_T * (1 - (1 - done) ** n)


@right("06.1")
def schedule_torch(t, T, S_T, n=3, F=1, t0=1):
    left = torch.tensor((T - math.floor(t / F) * F) / (T - t0), dtype=torch.float64).clamp(max=1)
    return torch.tensor(S_T) * (1 - left**n)


@wrong("06.1", "off by one: t / T", "starts at 0", "t - t0")
def schedule_off_by_one(t, T, S_T, n=3, F=1, t0=1):
    return S_T * (1 - (1 - F * (t // F) / T) ** n)


@wrong("06.1", "T instead of T - t0", "starts at 0", "T - t0")
def schedule_wrong_length(t, T, S_T, n=3, F=1, t0=1):
    held = max(F * (t // F), t0)
    return S_T * (1 - (1 - (held - t0) / T) ** n)


@wrong("06.1", "slow first: the power on what is done", "check values", "LEFT")
def schedule_slow_first(t, T, S_T, n=3, F=1, t0=1):
    held = max(F * (t // F), t0)
    return S_T * ((held - t0) / (T - t0)) ** n


@wrong("06.1", "always the cube", "exponent n", "n")
def schedule_fixed_exponent(t, T, S_T, n=3, F=1, t0=1):
    return schedule_paper(t, T, S_T, 3, F, t0)


@wrong("06.1", "F is forgotten", "held for F", "t // F")
def schedule_without_f(t, T, S_T, n=3, F=1, t0=1):
    return schedule_paper(t, T, S_T, n, 1, t0)


@wrong("06.1", "rounded up instead of down", "held for F", "t // F")
def schedule_ceil(t, T, S_T, n=3, F=1, t0=1):
    return schedule_paper(math.ceil(t / F) * F, T, S_T, n, 1, t0)


@wrong("06.1", "negative before the first purge", "never negative", "t0")
def schedule_negative(t, T, S_T, n=3, F=1, t0=1):
    return S_T - S_T * (1 - (F * (t // F) - t0) / (T - t0)) ** n


@wrong("06.1", "starts at S_T and ends at 0: a sign error", "starts at 0", "0 to 1")
def schedule_density(t, T, S_T, n=3, F=1, t0=1):
    return S_T - schedule_clamped(t, T, S_T, n, F, t0)


# 06.2 vote --------------------------------------------------------------------------------------------------------


@right("06.2")
def vote_count(updates):
    return {
        name: torch.stack([update.masks[name] for update in updates]).sum(0) > len(updates) / 2
        for name in updates[0].masks
    }


@right("06.2")
def vote_mean(updates):
    masks = {}
    for name in updates[0].masks:
        masks[name] = torch.stack([update.masks[name].double() for update in updates]).mean(0) > 0.5
    return masks


@right("06.2")
def vote_balance(updates):
    masks = {}
    for name, first in updates[0].masks.items():
        balance = torch.zeros(first.shape, dtype=torch.int64)
        for update in updates:
            balance = balance + torch.where(update.masks[name], 1, -1)
        masks[name] = balance > 0
    return masks


def _vote(updates, keep):
    return {name: keep(torch.stack([u.masks[name] for u in updates])) for name in updates[0].masks}


@wrong("06.2", "ties kept", "a tie prunes", ">=")
def vote_ties(updates):
    return _vote(updates, lambda mask_K: mask_K.sum(0) >= len(updates) / 2)


@wrong("06.2", "floor(K / 2), as in the paper's code", "what everybody keeps", "len(updates) / 2")
def vote_floor(updates):
    return _vote(updates, lambda mask_K: mask_K.sum(0) >= len(updates) // 2)


@wrong("06.2", "kept by anybody", "odd number", "V_i > K / 2")
def vote_union(updates):
    return _vote(updates, lambda mask_K: mask_K.any(0))


@wrong("06.2", "kept by everybody", "odd number", "V_i > K / 2")
def vote_intersection(updates):
    return _vote(updates, lambda mask_K: mask_K.all(0))


@wrong("06.2", "weighted by examples", "one client, one vote", "num_examples")
def vote_weighted(updates):
    total = sum(u.num_examples for u in updates)
    return {
        name: sum(u.num_examples * u.masks[name].double() for u in updates) > total / 2 for name in updates[0].masks
    }


@wrong("06.2", "masks inferred from zeros", "one client, one vote", "masks")
def vote_from_zeros(updates):
    return {
        name: torch.stack([u.params[name] != 0 for u in updates]).sum(0) > len(updates) / 2 for name in updates[0].masks
    }


@wrong("06.2", "counts instead of true and false", "what everybody keeps", "true and false")
def vote_counts(updates):
    return _vote(updates, lambda mask_K: mask_K.sum(0))


@wrong("06.2", "rounded mean, ties to even", "what everybody keeps", "true and false")
def vote_rounded(updates):
    return _vote(updates, lambda mask_K: mask_K.double().mean(0).round())


# 06.3 merge -------------------------------------------------------------------------------------------------------


@right("06.3")
def merge_where(updates):
    merged = {}
    for name in updates[0].params:
        held = [u.num_examples * u.masks.get(name, torch.ones_like(u.params[name])) for u in updates]
        total = sum(h * u.params[name] for h, u in zip(held, updates, strict=True))
        merged[name] = torch.where(sum(held) > 0, total / sum(held), 0.0)
    return merged


@right("06.3")
def merge_clamped(updates):
    merged = {}
    for name, first in updates[0].params.items():
        total, share = torch.zeros_like(first), torch.zeros_like(first)
        for u in updates:
            kept = u.masks[name] if name in u.masks else torch.ones_like(first, dtype=torch.bool)
            total = total + torch.where(kept, u.num_examples * u.params[name], 0.0)
            share = share + u.num_examples * kept
        merged[name] = total / share.clamp(min=1)
    return merged


@right("06.3")
def merge_stacked(updates):
    n_K = torch.tensor([float(u.num_examples) for u in updates])
    merged = {}
    for name in updates[0].params:
        w_K = torch.stack([u.params[name] for u in updates])
        m_K = torch.stack([u.masks.get(name, torch.ones(w_K.shape[1:])).float() for u in updates])
        n_m_K = n_K.reshape(-1, *[1] * (w_K.dim() - 1)) * m_K
        merged[name] = ((n_m_K * w_K).sum(0) / n_m_K.sum(0)).nan_to_num(0.0)
    return merged


@wrong("06.3", "the bug itself: zeros in the mean", "pull it towards zero", "KEPT")
def merge_buggy(updates):
    return aggregate_by_shares(updates)


@wrong("06.3", "holders, but unweighted", "where all clients kept", "weighted by n_k")
def merge_unweighted(updates):
    merged = {}
    for name in updates[0].params:
        kept = [u.masks.get(name, torch.ones_like(u.params[name])).float() for u in updates]
        merged[name] = sum(k * u.params[name] for k, u in zip(kept, updates, strict=True)) / sum(kept).clamp(min=1)
    return merged


@wrong("06.3", "0 / 0", "nobody kept", "torch.where")
def merge_nan(updates):
    merged = {}
    for name in updates[0].params:
        held = [u.num_examples * u.masks.get(name, torch.ones_like(u.params[name])) for u in updates]
        merged[name] = sum(h * u.params[name] for h, u in zip(held, updates, strict=True)) / sum(held)
    return merged


@wrong("06.3", "mask inferred from zeros", "happens to be 0", "masks[name]")
def merge_from_zeros(updates):
    merged = {}
    for name in updates[0].params:
        held = [u.num_examples * (u.params[name] != 0) for u in updates]
        total = sum(h * u.params[name] for h, u in zip(held, updates, strict=True))
        merged[name] = torch.where(sum(held) > 0, total / sum(held), 0.0)
    return merged


@wrong("06.3", "biases forgotten", "without a mask", "everybody holds it")
def merge_without_biases(updates):
    merged = merge_where(updates)
    return {name: weight for name, weight in merged.items() if name in updates[0].masks}


@wrong("06.3", "biases from the first client only", "without a mask", "everybody holds it")
def merge_first_bias(updates):
    merged = merge_where(updates)
    return {name: w if name in updates[0].masks else updates[0].params[name] for name, w in merged.items()}


@wrong("06.3", "only where all agree", "pull it towards zero", "KEPT")
def merge_intersection(updates):
    merged = merge_where(updates)
    for name in updates[0].masks:
        merged[name] = merged[name] * torch.stack([u.masks[name] for u in updates]).all(0)
    return merged
