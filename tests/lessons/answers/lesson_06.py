"""Answers to the exercises of notebook 06."""

import math

import torch

from . import right, wrong

# 06.1 sparsity_at ---------------------------------------------------------------------------------------------------


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


@wrong("06.1", "always S_T in the last round", "held for F", "no exception")
def schedule_forced_end(t, T, S_T, n=3, F=1, t0=1):
    return S_T if t == T else schedule_paper(t, T, S_T, n, F, t0)


# 06.2 vote ----------------------------------------------------------------------------------------------------------


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


# 06.3 merge ---------------------------------------------------------------------------------------------------------


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
    total = sum(u.num_examples for u in updates)
    return {name: sum(u.num_examples * u.params[name] for u in updates) / total for name in updates[0].params}


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
