"""Answers to the exercises of notebook 08 that are wrong in a single place only."""

import torch

from . import wrong
from .lesson_08 import gate_sigmoid


@wrong("08.1", "one half is closed", "two tensors", "exactly 1/2 included")
def gate_above_one_half(o_C, u_C):
    y_C, _ = gate_sigmoid(o_C, u_C)
    return y_C, (y_C > 0.5).float()


@wrong("08.1", "rounded: one half goes to zero", "two tensors", "exactly 1/2 included")
def gate_rounded(o_C, u_C):
    y_C, _ = gate_sigmoid(o_C, u_C)
    return y_C, y_C.round()


@wrong("08.1", "logarithms to base 2", "temperature", "natural")
def gate_base_two(o_C, u_C):
    y_C = torch.sigmoid((o_C - torch.log2(-torch.log2(u_C)) + 3) / 0.4)
    return y_C, (y_C >= 0.5).float()


@wrong("08.3", "at the budget it counts as above", "flat", "At rho = p itself")
def regulariser_at_the_budget(rho, p):
    return torch.log(rho.clamp(min=p + 0.005) / p) if rho >= p else torch.log(p / rho.clamp(max=p - 0.005))


@wrong("08.4", "the largest |o|", "no layer is empty", "-1 before -5")
def merge_largest_magnitude(server, device, o):
    merged = []
    for base, own, o_C in zip(server, device or server, o, strict=True):
        both = base & own
        if not both.any():
            both = torch.zeros_like(base)
            both[o_C.abs().masked_fill(~base, -1.0).argmax()] = True
        merged.append(both)
    return merged
