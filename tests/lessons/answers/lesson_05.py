"""Answers to the exercises of notebook 05."""

import math

import numpy as np
import torch

from . import right, wrong

# 05.1 bitmap_bytes --------------------------------------------------------------------------------------------------


@right("05.1")
def bytes_loop(tensors, masks):
    total = 0
    for name, tensor in tensors.items():
        kept = tensor.numel()
        if name in masks and not masks[name].all():
            kept = int(masks[name].sum())
            total += math.ceil(tensor.numel() / 8)
        total += kept * tensor.element_size()
    return total


@right("05.1")
def bytes_two_sums(tensors, masks):
    full = {name: masks.get(name, torch.ones_like(tensor, dtype=torch.bool)) for name, tensor in tensors.items()}
    values = sum(full[name].sum() * tensor.element_size() for name, tensor in tensors.items())
    maps = sum((mask.numel() + 7) // 8 for mask in full.values() if (~mask).any())
    return values + maps


@right("05.1")
def bytes_packed(tensors, masks):
    sent = b""
    for name, tensor in tensors.items():
        mask, values = masks.get(name), tensor.flatten()
        if mask is not None and not bool(mask.all()):
            sent += np.packbits(mask.flatten().numpy()).tobytes()
            values = values[mask.flatten()]
        sent += values.numpy().tobytes()
    return len(sent)


@wrong("05.1", "biases are skipped", "without a mask", "not in `masks`")
def bytes_no_biases(tensors, masks):
    return bytes_loop({name: tensors[name] for name in masks}, masks)


@wrong("05.1", "values are counted, not their bytes", "without a mask", "4 bytes")
def bytes_of_one(tensors, masks):
    return sum(int(masks[name].sum()) if name in masks else tensor.numel() for name, tensor in tensors.items())


@wrong("05.1", "the mask travels for free, as in the paper's count", "the bitmap travels", "bit for EVERY entry")
def bytes_nominal(tensors, masks):
    return 4 * bytes_of_one(tensors, masks)


@wrong("05.1", "the whole tensor travels beside its bitmap", "the bitmap travels", "3 kept values")
def bytes_dense(tensors, masks):
    return sum(4 * t.numel() + (math.ceil(t.numel() / 8) if name in masks else 0) for name, t in tensors.items())


def _bytes(tensors, masks, bitmap, kept=lambda tensor, mask: int(mask.sum())):
    total = 0
    for name, tensor in tensors.items():
        if name in masks:
            total += 4 * kept(tensor, masks[name]) + (0 if masks[name].all() else bitmap(masks[name]))
        else:
            total += 4 * tensor.numel()
    return total


@wrong("05.1", "a byte for each entry of the mask", "the bitmap travels", "8 bits are 1 byte")
def bytes_of_bools(tensors, masks):
    return _bytes(tensors, masks, lambda mask: mask.numel() * mask.element_size())


@wrong("05.1", "bits only for what is kept", "the bitmap travels", "kept or not")
def bytes_kept_bits(tensors, masks):
    return _bytes(tensors, masks, lambda mask: math.ceil(int(mask.sum()) / 8))


@wrong("05.1", "the pruned values travel", "the bitmap travels", "kept values")
def bytes_inverted(tensors, masks):
    return _bytes(tensors, masks, lambda mask: math.ceil(mask.numel() / 8), lambda tensor, mask: int((~mask).sum()))


@wrong("05.1", "rounded down", "whole bytes", "Round UP")
def bytes_floor(tensors, masks):
    return _bytes(tensors, masks, lambda mask: mask.numel() // 8)


@wrong("05.1", "rounded once, over all tensors", "whole bytes", "for each tensor by itself")
def bytes_rounded_once(tensors, masks):
    bits = sum(mask.numel() for mask in masks.values() if not mask.all())
    return _bytes(tensors, masks, lambda mask: 0) + math.ceil(bits / 8)


@wrong("05.1", "a bitmap even where all is kept", "no bitmap", "mask.all()")
def bytes_always_bitmap(tensors, masks):
    return _bytes(tensors, masks, lambda mask: 0) + sum(math.ceil(mask.numel() / 8) for mask in masks.values())


@wrong("05.1", "kept means not zero", "not the values", "never inferred from zeros")
def bytes_from_zeros(tensors, masks):
    return _bytes(
        tensors, masks, lambda mask: math.ceil(mask.numel() / 8), lambda tensor, mask: int(tensor.count_nonzero())
    )


@wrong("05.1", "always 4 bytes", "type says", "element_size")
def bytes_float32(tensors, masks):
    return _bytes(tensors, masks, lambda mask: math.ceil(mask.numel() / 8))


@wrong("05.1", "the shorter one of bitmap and dense", "no bitmap", "even where dense would be shorter")
def bytes_shorter(tensors, masks):
    return sum(
        min(bytes_loop({name: tensor}, masks), tensor.numel() * tensor.element_size())
        for name, tensor in tensors.items()
    )


@wrong("05.1", "no bitmap only if nothing at all is pruned", "no bitmap", "Each mask is looked at by itself")
def bytes_all_masks_at_once(tensors, masks):
    maps = 0 if all(mask.all() for mask in masks.values()) else sum(-(-m.numel() // 8) for m in masks.values())
    return maps + sum(
        (int(masks[name].sum()) if name in masks else tensor.numel()) * tensor.element_size()
        for name, tensor in tensors.items()
    )


@wrong("05.1", "each row filled up to whole bytes", "whole bytes", "one row of bits")
def bytes_by_row(tensors, masks):
    def rows(named):
        return {
            f"{name} {place}": row
            for name, whole in named.items()
            for place, row in enumerate(whole.reshape(-1, whole.shape[-1]) if whole.dim() else [whole])
        }

    return bytes_loop(rows(tensors), rows(masks))


# 05.2 coo_break_even ------------------------------------------------------------------------------------------------


def _width(elements):
    return 8 * next(size for size in (1, 2, 4, 8) if elements <= 256**size)


@right("05.2")
def even_formula(elements, value_bits, against):
    i = _width(elements)
    return value_bits / (value_bits + i) if against == "dense" else 1 / i


@right("05.2")
def even_fraction(elements, value_bits, against):
    i = 8 if elements <= 256 else 16 if elements <= 65_536 else 32 if elements <= 2**32 else 64
    return {"dense": 1 / (1 + i / value_bits), "bitmap": i**-1}[against]


@right("05.2")
def even_searched(elements, value_bits, against):
    """The zero of the difference of both costs, by bisection: no algebra at all."""
    last, size = elements - 1, 1
    while last >= 256**size:
        size *= 2
    low, high = 0.0, 1.0
    for _ in range(60):
        d = (low + high) / 2
        rival = value_bits if against == "dense" else 1 + d * value_bits
        low, high = (d, high) if d * (value_bits + 8 * size) < rival else (low, d)
    return torch.tensor(low)


@wrong("05.2", "the rival is not looked at", "against a bitmap", "equal")
def even_dense_only(elements, value_bits, against):
    return even_formula(elements, value_bits, "dense")


@wrong("05.2", "1 / b: the bits of a value for those of a position", "against a bitmap", "d b stands on both sides")
def even_wrong_bits(elements, value_bits, against):
    return 1 / value_bits if against == "bitmap" else even_formula(elements, value_bits, against)


@wrong("05.2", "bytes instead of bits", "against a bitmap", "bits, not bytes")
def even_bytes(elements, value_bits, against):
    i = _width(elements) // 8
    return value_bits / (value_bits + 8 * i) if against == "dense" else 1 / i


@wrong("05.2", "as many bits as it takes, not whole bytes", "against a bitmap", "4 whole bytes")
def even_log2(elements, value_bits, against):
    i = math.ceil(math.log2(elements))
    return value_bits / (value_bits + i) if against == "dense" else 1 / i


@wrong("05.2", "the sparsity, not the density", "against dense", "density d")
def even_sparsity(elements, value_bits, against):
    i = _width(elements)
    return i / (value_bits + i) if against == "dense" else 1 / i


@wrong("05.2", "b / i: the values that are kept are forgotten", "against dense", "d (b + i)")
def even_ratio(elements, value_bits, against):
    i = _width(elements)
    return value_bits / i if against == "dense" else 1 / i


@wrong("05.2", "positions of 32 bits in every layer", "fewest bytes", "<= 256")
def even_always_32(elements, value_bits, against):
    return even_formula(2**20, value_bits, against)


@wrong("05.2", "places are counted from 1", "fewest bytes", "counted from 0")
def even_off_by_one(elements, value_bits, against):
    return even_formula(elements + 1, value_bits, against)


# 05.3 chain_flops ---------------------------------------------------------------------------------------------------


@right("05.3")
def flops_loop(channels, sides, kernel=3, keep=1.0):
    left = [channels[0], *[round(keep * c) for c in channels[1:-1]], channels[-1]]
    total = 0
    for layer, side in enumerate(sides):
        total += 2 * kernel**2 * left[layer] * left[layer + 1] * side**2
    return total


@right("05.3")
def flops_shares(channels, sides, kernel=3, keep=1.0):
    total = 0.0
    for at in range(len(sides)):
        share = (keep if at > 0 else 1) * (keep if at < len(sides) - 1 else 1)
        total += share * 2 * kernel * kernel * channels[at] * channels[at + 1] * sides[at] * sides[at]
    return total


@right("05.3")
def flops_tensors(channels, sides, kernel=3, keep=1.0):
    left = torch.tensor(channels, dtype=torch.float64)
    left[1:-1] *= keep
    return 2 * kernel**2 * (left[:-1] * left[1:] * torch.tensor(sides).double().square()).sum()


@wrong("05.3", "multiply-adds, not FLOPs", "dense layer", "two FLOPs")
def flops_macs(channels, sides, kernel=3, keep=1.0):
    return flops_loop(channels, sides, kernel, keep) / 2


@wrong("05.3", "k, not k^2", "dense layer", "kernel**2")
def flops_flat_kernel(channels, sides, kernel=3, keep=1.0):
    return flops_loop(channels, sides, kernel, keep) / kernel


@wrong("05.3", "positions are forgotten", "dense layer", "side**2")
def flops_no_positions(channels, sides, kernel=3, keep=1.0):
    return flops_loop(channels, [1] * len(sides), kernel, keep)


@wrong("05.3", "with biases", "dense layer", "Biases are left out")
def flops_biases(channels, sides, kernel=3, keep=1.0):
    biases = sum(c * side**2 for c, side in zip(channels[1:], sides, strict=True))
    return flops_loop(channels, sides, kernel, keep) + biases


@wrong("05.3", "r^2 for every layer", "one hidden layer", "not r^2")
def flops_all_squared(channels, sides, kernel=3, keep=1.0):
    return keep**2 * flops_loop(channels, sides, kernel)


@wrong("05.3", "only outputs are cut", "one hidden layer", "the second loses inputs")
def flops_outputs_only(channels, sides, kernel=3, keep=1.0):
    total = 0
    for at, side in enumerate(sides):
        out = channels[at + 1] * (keep if at < len(sides) - 1 else 1)
        total += 2 * kernel**2 * channels[at] * out * side**2
    return total


@wrong("05.3", "the classes are pruned, too", "one hidden layer", "classes stay")
def flops_fewer_classes(channels, sides, kernel=3, keep=1.0):
    return flops_loop([*channels[:-1], keep * channels[-1]], sides, kernel, keep)


@wrong("05.3", "r for every layer", "r^2", "AND fewer outputs")
def flops_linear(channels, sides, kernel=3, keep=1.0):
    return keep * flops_loop(channels, sides, kernel) if len(sides) > 1 else flops_loop(channels, sides, kernel)


@wrong("05.3", "always 3 x 3", "really built", "k^2")
def flops_fixed_kernel(channels, sides, kernel=3, keep=1.0):
    return flops_loop(channels, sides, 3, keep)
