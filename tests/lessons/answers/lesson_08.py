"""Answers to the exercises of notebook 08."""

import math

import torch

from . import right, wrong

# 08.1 gate ----------------------------------------------------------------------------------------------------------


@right("08.1")
def gate_sigmoid(o_C, u_C):
    y_C = torch.sigmoid((o_C - torch.log(-torch.log(u_C)) + 3) / 0.4)
    return y_C, (y_C >= 0.5).float()


@right("08.1")
def gate_exponentials(o_C, u_C):
    x_C = o_C + 3 - (-u_C.log()).log()
    return 1 / (1 + torch.exp(-2.5 * x_C)), torch.where(x_C >= 0, 1.0, 0.0)


@right("08.1")
def gate_tanh(o_C, u_C):
    entropy_C = torch.special.entr(u_C) / u_C  # -log u
    x_C = torch.sub(o_C + 3, torch.log(entropy_C))
    return [0.5 + 0.5 * torch.tanh(1.25 * x_C), torch.heaviside(x_C.detach(), torch.ones_like(x_C))]


@wrong("08.1", "a loop over numbers: no gradient", "autograd", "cut it off")
def gate_one_by_one(o_C, u_C):
    pairs = zip(o_C.tolist(), u_C.tolist(), strict=True)
    soft = [1 / (1 + math.exp(-(o - math.log(-math.log(u)) + 3) / 0.4)) for o, u in pairs]
    return torch.tensor(soft), torch.tensor([float(y >= 0.5) for y in soft])


@wrong("08.1", "only the soft gates", "two tensors", "hard")
def gate_soft_only(o_C, u_C):
    return gate_sigmoid(o_C, u_C)[0]


@wrong("08.1", "true and false instead of 1 and 0", "two tensors", ".float()")
def gate_bool(o_C, u_C):
    y_C, hard_C = gate_sigmoid(o_C, u_C)
    return y_C, hard_C.bool()


@wrong("08.1", "hard gates where y is below one half", "two tensors", "at least 1/2")
def gate_flipped(o_C, u_C):
    y_C, hard_C = gate_sigmoid(o_C, u_C)
    return y_C, 1 - hard_C


@wrong("08.1", "a minus of the noise forgotten", "right sign", "two minus signs")
def gate_one_minus(o_C, u_C):
    y_C = torch.sigmoid((o_C + torch.log(-torch.log(u_C)) + 3) / 0.4)
    return y_C, (y_C >= 0.5).float()


@wrong("08.1", "no noise", "right sign", "G = -log(-log u)")
def gate_without_noise(o_C, u_C):
    y_C = torch.sigmoid((o_C + 3) / 0.4)
    return y_C, (y_C >= 0.5).float()


@wrong("08.1", "logistic noise: the difference of two Gumbel numbers", "one Gumbel", "logistic")
def gate_logistic(o_C, u_C):
    y_C = torch.sigmoid((o_C + u_C.logit() + 3) / 0.4)
    return y_C, (y_C >= 0.5).float()


@wrong("08.1", "uniform noise", "one Gumbel", "-torch.log(-torch.log(u_C))")
def gate_uniform(o_C, u_C):
    y_C = torch.sigmoid((o_C + u_C + 3) / 0.4)
    return y_C, (y_C >= 0.5).float()


@wrong("08.1", "the offset is forgotten", "offset", "+3")
def gate_without_offset(o_C, u_C):
    y_C = torch.sigmoid((o_C - torch.log(-torch.log(u_C))) / 0.4)
    return y_C, (y_C >= 0.5).float()


@wrong("08.1", "the offset is outside of the division", "offset", "before the division")
def gate_offset_outside(o_C, u_C):
    y_C = torch.sigmoid((o_C - torch.log(-torch.log(u_C))) / 0.4 + 3)
    return y_C, (y_C >= 0.5).float()


@wrong("08.1", "multiplied by the temperature", "temperature", "/ 0.4")
def gate_times_temperature(o_C, u_C):
    y_C = torch.sigmoid((o_C - torch.log(-torch.log(u_C)) + 3) * 0.4)
    return y_C, (y_C >= 0.5).float()


@wrong("08.1", "no temperature", "temperature", "steeper")
def gate_without_temperature(o_C, u_C):
    y_C = torch.sigmoid(o_C - torch.log(-torch.log(u_C)) + 3)
    return y_C, (y_C >= 0.5).float()


# 08.2 straight_through ----------------------------------------------------------------------------------------------


@right("08.2")
def through_detached(y_C):
    return (y_C >= 0.5).float() + y_C - y_C.detach()


@right("08.2")
def through_the_difference(y_C):
    hard_C = torch.where(y_C < 0.5, torch.zeros_like(y_C), torch.ones_like(y_C))
    return y_C + (hard_C - y_C).detach()


class _Through(torch.autograd.Function):
    @staticmethod
    def forward(ctx, y_C):
        return torch.ge(y_C, 0.5).to(y_C.dtype)

    @staticmethod
    def backward(ctx, above_C):
        return above_C


@right("08.2")
def through_a_function(y_C):
    return _Through.apply(y_C)


@wrong("08.2", "the soft gate", "forward", "1 where y >= 1/2")
def through_soft(y_C):
    return y_C


@wrong("08.2", "both are added", "forward", "cancel")
def through_sum(y_C):
    return (y_C >= 0.5).float() + y_C


@wrong("08.2", "true and false", "forward", ".float()")
def through_bool(y_C):
    return y_C >= 0.5


@wrong("08.2", "rounded: one half goes to zero", "one half", "torch.round")
def through_round(y_C):
    return y_C.round() + y_C - y_C.detach()


@wrong("08.2", "strictly above one half", "one half", ">=")
def through_strict(y_C):
    return (y_C > 0.5).float() + y_C - y_C.detach()


@wrong("08.2", "only the hard gate: no gradient", "at all", "comparison cuts")
def through_hard(y_C):
    return (y_C >= 0.5).float()


@wrong("08.2", "nothing is detached: y - y cancels", "at all", ".detach()")
def through_undetached(y_C):
    return (y_C >= 0.5).float() + (y_C - y_C)


@wrong("08.2", "both are detached", "at all", "constant for autograd")
def through_all_detached(y_C):
    return ((y_C >= 0.5).float() + y_C - y_C).detach()


@wrong("08.2", "the wrong one is detached", "1 for every channel", "right sign")
def through_minus(y_C):
    return (y_C >= 0.5).float() + y_C.detach() - y_C


@wrong("08.2", "a gradient only through open gates", "1 for every channel", "closed")
def through_open_only(y_C):
    return (y_C >= 0.5).float() * (1 + y_C - y_C.detach())


@wrong("08.2", "hard times y over y", "1 for every channel", "nothing multiplied")
def through_quotient(y_C):
    return (y_C >= 0.5).float() * y_C / y_C.detach()


# 08.3 regulariser ---------------------------------------------------------------------------------------------------


@right("08.3")
def regulariser_clamped(rho, p):
    if rho > p:
        return torch.log(rho.clamp(min=p + 0.005) / p)
    return torch.log(p / rho.clamp(max=p - 0.005))


@right("08.3")
def regulariser_where(rho, p):
    above = torch.maximum(rho, torch.tensor(p + 0.005)).log() - math.log(p)
    below = math.log(p) - torch.minimum(rho, torch.tensor(p - 0.005)).log()
    return torch.where(rho > p, above, below)


@right("08.3")
def regulariser_by_case(rho, p):
    if float(rho) > p + 0.005:
        return torch.log(rho) - math.log(p)
    if float(rho) < p - 0.005:
        return math.log(p) - torch.log(rho)
    edge = (p + 0.005) / p if float(rho) > p else p / (p - 0.005)
    return 0 * rho + math.log(edge)


@wrong("08.3", "the squared difference", "above the budget", "log(rho / p)")
def regulariser_squared(rho, p):
    return (rho - p) ** 2


@wrong("08.3", "the quotient upside down", "above the budget", "rho / p")
def regulariser_inverted(rho, p):
    return -regulariser_clamped(rho, p)


@wrong("08.3", "logarithm to base 2", "above the budget", "natural")
def regulariser_bits(rho, p):
    return regulariser_clamped(rho, p) / math.log(2)


@wrong("08.3", "one-sided: nothing below the budget", "below the budget", "Two-sided")
def regulariser_one_sided(rho, p):
    return torch.log(rho.clamp(min=p) / p)


@wrong("08.3", "negative below the budget", "below the budget", "positive")
def regulariser_signed(rho, p):
    return torch.log(rho / p)


@wrong("08.3", "a Python number", "autograd", "math.log")
def regulariser_float(rho, p):
    return float(regulariser_clamped(rho, p))


@wrong("08.3", "the share is detached", "autograd", "cut it off")
def regulariser_detached(rho, p):
    return regulariser_clamped(rho.detach(), p)


@wrong("08.3", "no flat part", "flat", "max(rho, p + 0.005)")
def regulariser_without_margin(rho, p):
    return torch.log(rho / p).abs()


@wrong("08.3", "zero near the budget instead of a small constant", "flat", "small constant")
def regulariser_zero_inside(rho, p):
    return regulariser_clamped(rho, p) * ((rho - p).abs() > 0.005)


@wrong("08.3", "min and max exchanged", "above the budget", "clamp")
def regulariser_exchanged(rho, p):
    if rho > p:
        return torch.log(rho.clamp(max=p + 0.005) / p)
    return torch.log(p / rho.clamp(min=p - 0.005))


# 08.4 merge ---------------------------------------------------------------------------------------------------------


@right("08.4")
def merge_argmax(server, device, o):
    merged = []
    for place, base in enumerate(server):
        both = base if device is None else base & device[place]
        if not both.any():
            both = torch.zeros_like(base)
            both[o[place].masked_fill(~base, -torch.inf).argmax()] = True
        merged.append(both)
    return merged


@right("08.4")
def merge_where(server, device, o):
    if device is None:
        return list(server)
    among = [torch.where(a, score, torch.tensor(float("-inf"))) for a, score in zip(server, o, strict=True)]
    both = [torch.logical_and(a, b) for a, b in zip(server, device, strict=True)]
    return [row if row.any() else score == score.max() for row, score in zip(both, among, strict=True)]


@right("08.4")
def merge_sets(server, device, o):
    merged = []
    for place, base in enumerate(server):
        kept = {c for c, bit in enumerate(base.tolist()) if bit}
        own = kept if device is None else {c for c in kept if device[place][c]}
        own = own or {max(kept, key=lambda c, place=place: float(o[place][c]))}
        merged.append(torch.tensor([c in own for c in range(len(base))]))
    return merged


def _merge(server, device, o, meet, rescue):
    merged = []
    for a, b, score in zip(server, server if device is None else device, o, strict=True):
        both = meet(a, b)
        merged.append(both if both.any() else rescue(a, b, score))
    return merged


def _only(place, row):
    return torch.arange(len(row)) == place


@wrong("08.4", "the union", "both keep it", "only where both are 1")
def merge_union(server, device, o):
    return _merge(server, device, o, lambda a, b: a | b, lambda a, b, score: a)


@wrong("08.4", "the device's alone", "both keep it", "gone for every device")
def merge_device(server, device, o):
    return _merge(server, device, o, lambda a, b: b, lambda a, b, score: _only(score.argmax(), a))


@wrong("08.4", "numbers instead of true and false", "both keep it", "true and false")
def merge_product(server, device, o):
    return [row.float() for row in merge_argmax(server, device, o)]


@wrong("08.4", "everything where there is no device mask", "without a device mask", "static variant")
def merge_all_without_device(server, device, o):
    return [torch.ones_like(a) for a in server] if device is None else merge_argmax(server, device, o)


@wrong("08.4", "a layer may be empty", "no layer is empty", "argmax")
def merge_empty(server, device, o):
    return _merge(server, device, o, lambda a, b: a & b, lambda a, b, score: torch.zeros_like(a))


@wrong("08.4", "an empty layer gets all of the server's channels", "no layer is empty", "One stays")
def merge_all_of_the_server(server, device, o):
    return _merge(server, device, o, lambda a, b: a & b, lambda a, b, score: a)


@wrong("08.4", "the first of the server's channels", "no layer is empty", "largest")
def merge_first(server, device, o):
    return _merge(server, device, o, lambda a, b: a & b, lambda a, b, score: _only(a.int().argmax(), a))


@wrong("08.4", "looks whether all layers are empty", "by itself", "inside of the loop")
def merge_any_layer(server, device, o):
    both = _merge(server, device, o, lambda a, b: a & b, lambda a, b, score: torch.zeros_like(a))
    return both if any(row.any() for row in both) else merge_argmax(server, device, o)


@wrong("08.4", "the largest logit of all, also of channels that the server has cut", "one of the server's", "THEM")
def merge_largest_of_all(server, device, o):
    return _merge(server, device, o, lambda a, b: a & b, lambda a, b, score: _only(score.argmax(), a))


@wrong("08.4", "cut channels count as logit 0", "one of the server's", "-torch.inf")
def merge_zero_for_cut(server, device, o):
    return _merge(server, device, o, lambda a, b: a & b, lambda a, b, score: _only((score * a).argmax(), a))
