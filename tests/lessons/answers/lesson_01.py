"""Answers to the exercises of notebook 01."""

import torch

from . import right, wrong

# 01.1 aggregate -----------------------------------------------------------------------------------------------------


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
