"""Answers to the exercises of notebook 04."""

import math

import numpy as np
import torch

from . import right, wrong

# 04.1 magnitude_masks -----------------------------------------------------------------------------------------------


def _flat(weights):
    return torch.cat([weight.abs().flatten() for weight in weights.values()])


def _apart(mask, weights):
    parts = mask.split([weight.numel() for weight in weights.values()])
    return {name: part.view(weights[name].shape) for name, part in zip(weights, parts, strict=True)}


def _at(places, weights):
    mask = torch.zeros(sum(weight.numel() for weight in weights.values()), dtype=torch.bool)
    mask[places] = True
    return _apart(mask, weights)


@right("04.1")
def masks_topk(weights, kept):
    return _at(_flat(weights).topk(kept).indices, weights)


@right("04.1")
def masks_rank(weights, kept):
    """The rank of each weight, 0 for the largest."""
    ranks = (-_flat(weights)).argsort(stable=True).argsort()
    return _apart(ranks < kept, weights)


@right("04.1")
def masks_threshold_and_room(weights, kept):
    """All that is above the threshold, and of those that equal it as many as there is room for; in numpy."""
    flat = _flat(weights).numpy()
    if kept == 0:
        return _apart(torch.zeros(len(flat), dtype=torch.bool), weights)
    threshold = np.sort(flat)[len(flat) - kept]
    mask = flat > threshold
    mask[np.flatnonzero(flat == threshold)[: kept - int(mask.sum())]] = True
    return _apart(torch.from_numpy(mask), weights)


@wrong("04.1", "no absolute value", "smallest magnitudes go", "abs()")
def masks_signed(weights, kept):
    return _at(torch.cat([w.flatten() for w in weights.values()]).topk(kept).indices, weights)


@wrong("04.1", "keeps the smallest", "smallest magnitudes go", "true (kept)")
def masks_smallest(weights, kept):
    return _at(_flat(weights).topk(kept, largest=False).indices, weights)


@wrong("04.1", "ones and zeros instead of true and false", "smallest magnitudes go", "torch.bool")
def masks_floats(weights, kept):
    return {name: mask.float() for name, mask in masks_topk(weights, kept).items()}


@wrong("04.1", "the pruned weights instead of masks", "smallest magnitudes go", "A mask is a tensor of true")
def masks_weights(weights, kept):
    return {name: weights[name] * mask for name, mask in masks_topk(weights, kept).items()}


@wrong("04.1", "layer by layer", "ranked together", "one ranking")
def masks_by_layer(weights, kept):
    total = sum(weight.numel() for weight in weights.values())
    masks = {}
    for name, weight in weights.items():
        masks |= masks_topk({name: weight}, round(kept * weight.numel() / total))
    return masks


@wrong("04.1", "every layer keeps one", "ranked together", "may lose all")
def masks_guarded(weights, kept):
    masks = masks_topk(weights, kept)
    for name, mask in masks.items():
        mask.view(-1)[weights[name].abs().argmax()] = True
    return masks


@wrong("04.1", "a threshold that keeps ties", "exactly `kept`", "`>=` keeps all")
def masks_ties_kept(weights, kept):
    flat = _flat(weights)
    threshold = flat.sort(descending=True).values[kept - 1] if kept else flat.max() + 1
    return {name: weight.abs() >= threshold for name, weight in weights.items()}


@wrong("04.1", "a threshold that drops ties", "exactly `kept`", "`>` none")
def masks_ties_dropped(weights, kept):
    flat = _flat(weights).sort().values
    threshold = flat[len(flat) - kept - 1] if kept < len(flat) else -1.0
    return {name: weight.abs() > threshold for name, weight in weights.items()}


@wrong("04.1", "a quantile", "exactly `kept`", "threshold cannot tell equals apart")
def masks_quantile(weights, kept):
    flat = _flat(weights).sort().values
    middle = (flat[len(flat) - kept - 1] + flat[len(flat) - kept]) / 2 if 0 < kept < len(flat) else -1.0
    return {name: weight.abs() >= middle for name, weight in weights.items()}


@wrong("04.1", "the mask is taken from what is not zero", "a weight that is zero", "no `!= 0`")
def masks_from_zeros(weights, kept):
    return {name: weights[name] * mask != 0 for name, mask in masks_topk(weights, kept).items()}


@wrong("04.1", "a slice from the end: order[-0:]", "both ends", "order[-0:]")
def masks_slice(weights, kept):
    return _at(_flat(weights).argsort()[-kept:], weights)


@wrong("04.1", "flat masks", "shape of its weight", "own shape")
def masks_flat(weights, kept):
    return {name: mask.flatten() for name, mask in masks_topk(weights, kept).items()}


@wrong("04.1", "changes the weights in place", "leaves its input", "zeros_like")
def masks_in_place(weights, kept):
    for weight in weights.values():
        weight.abs_()
    return masks_topk(weights, kept)


@wrong("04.1", "ties broken by noise that is too large", "however small", "noise")
def masks_noise(weights, kept):
    flat = _flat(weights)
    noise = torch.rand(flat.shape, generator=torch.Generator().manual_seed(0))
    return _at((flat + 0.5 * noise).topk(kept).indices, weights)


@wrong("04.1", "ranked as whole numbers", "however small", "Rounding")
def masks_whole_numbers(weights, kept):
    return _at(_flat(weights).int().topk(kept).indices, weights)


@wrong("04.1", "biases are not pruned", "for any network", "a bias in `weights` is ranked")
def masks_without_biases(weights, kept):
    everything = {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in weights.items()}
    ranked = {name: weight for name, weight in weights.items() if "bias" not in name}
    return everything | _at(_flat(ranked).topk(min(kept, len(_flat(ranked)))).indices, ranked)


# 04.2 erk_densities -------------------------------------------------------------------------------------------------


@right("04.2")
def erk_loop(shapes, density):
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    raw = {name: sum(shape) / sizes[name] for name, shape in shapes.items()}
    full = set()
    while True:
        rest = [name for name in shapes if name not in full]
        left = density * sum(sizes.values()) - sum(sizes[name] for name in full)
        scale = left / sum(raw[name] * sizes[name] for name in rest) if rest else 0.0
        over = {name for name in rest if scale * raw[name] > 1}
        if not over:
            return {name: 1.0 if name in full else scale * raw[name] for name in shapes}
        full |= over


@right("04.2")
def erk_largest_first(shapes, density):
    """Who has the highest raw density is full first: one pass in this order."""
    left = density * sum(math.prod(shape) for shape in shapes.values())
    order = sorted(shapes, key=lambda name: sum(shapes[name]) / math.prod(shapes[name]), reverse=True)
    found = {}
    for place, name in enumerate(order):
        sums = sum(sum(shapes[other]) for other in order[place:])
        found[name] = min(1.0, left * sum(shapes[name]) / sums / math.prod(shapes[name]))
        left -= found[name] * math.prod(shapes[name])
    return {name: found[name] for name in shapes}


@right("04.2")
def erk_bisection(shapes, density):
    """The epsilon at which min(1, epsilon raw) spends the budget, searched for."""
    size = np.array([math.prod(shape) for shape in shapes.values()], dtype=float)
    raw = np.array([sum(shape) for shape in shapes.values()]) / size
    low, high = 0.0, 1 / raw.min()
    for _ in range(200):
        middle = (low + high) / 2
        spent = (np.minimum(1, middle * raw) * size).sum()
        low, high = (middle, high) if spent < density * size.sum() else (low, middle)
    return dict(zip(shapes, np.minimum(1, high * raw).tolist(), strict=True))


def _scaled(shapes, density, raw_of):
    """Clipped and shared out as it should be, from other raw densities."""
    raw = {name: raw_of(shape) for name, shape in shapes.items()}
    sizes, full = {name: math.prod(shape) for name, shape in shapes.items()}, set()
    for _ in range(len(shapes) + 1):
        rest = [name for name in shapes if name not in full]
        left = density * sum(sizes.values()) - sum(sizes[name] for name in full)
        scale = left / sum(raw[name] * sizes[name] for name in rest) if rest else 0.0
        full |= {name for name in rest if scale * raw[name] > 1}
    return {name: 1.0 if name in full else scale * raw[name] for name in shapes}


@wrong("04.2", "not scaled at all", "exactly the budget", "epsilon follows from the budget")
def erk_raw(shapes, density):
    return {name: min(1.0, sum(shape) / math.prod(shape)) for name, shape in shapes.items()}


@wrong("04.2", "the mean over layers is the density", "exactly the budget", "over LAYERS")
def erk_mean_of_layers(shapes, density):
    raw = {name: sum(shape) / math.prod(shape) for name, shape in shapes.items()}
    scale = density * len(raw) / sum(raw.values())
    return {name: min(1.0, scale * value) for name, value in raw.items()}


@wrong("04.2", "the sparsity instead of the density", "exactly the budget", "density x all")
def erk_sparsity(shapes, density):
    return erk_loop(shapes, 1 - density)


@wrong("04.2", "the same density for every layer", "in proportion", "raw")
def erk_uniform(shapes, density):
    return dict.fromkeys(shapes, density)


@wrong("04.2", "upside down: product over sum", "in proportion", "smaller layer")
def erk_upside_down(shapes, density):
    return _scaled(shapes, density, lambda shape: math.prod(shape) / sum(shape))


@wrong("04.2", "the inverse of the size", "in proportion", "raw")
def erk_inverse_size(shapes, density):
    return _scaled(shapes, density, lambda shape: 1 / math.prod(shape))


@wrong("04.2", "outputs and inputs only: ER", "kernels", "K of ERK")
def erk_without_kernels(shapes, density):
    return _scaled(shapes, density, lambda shape: (shape[0] + shape[1]) / (shape[0] * shape[1]))


@wrong("04.2", "not cut off at 1", "above 1", "cannot have more than 1")
def erk_unclipped(shapes, density):
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    scale = density * sum(sizes.values()) / sum(sum(shape) for shape in shapes.values())
    return {name: scale * sum(shape) / sizes[name] for name, shape in shapes.items()}


@wrong("04.2", "cut off, and the rest is lost", "what a full layer cannot take", "promised")
def erk_clipped(shapes, density):
    return {name: min(1.0, value) for name, value in erk_unclipped(shapes, density).items()}


@wrong("04.2", "shared out once only", "repeats until", "fill the next one")
def erk_once(shapes, density):
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    full = [name for name, value in erk_unclipped(shapes, density).items() if value > 1]
    rest = [name for name in shapes if name not in full]
    left = density * sum(sizes.values()) - sum(sizes[name] for name in full)
    scale = left / sum(sum(shapes[name]) for name in rest) if rest else 0.0
    return {name: 1.0 if name in full else min(1.0, scale * sum(shapes[name]) / sizes[name]) for name in shapes}


@wrong("04.2", "a list, not a dictionary", "exactly the budget", "sum(sizes.values())")
def erk_list(shapes, density):
    return list(erk_loop(shapes, density).values())
