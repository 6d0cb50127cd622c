"""Answers to the exercises of notebook 07."""

import torch

from . import right, wrong

# 07.1 top_k_gate ----------------------------------------------------------------------------------------------------


@right("07.1")
def gate_scatter(g_BC, k):
    mask = torch.zeros_like(g_BC).scatter(1, g_BC.topk(k, dim=1).indices, 1.0)
    return g_BC * mask


@right("07.1")
def gate_ranks(g_BC, k):
    ranks = g_BC.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    return torch.where(ranks < k, g_BC, 0.0)


@right("07.1")
def gate_values(g_BC, k):
    largest = g_BC.topk(k, dim=1)
    return torch.zeros_like(g_BC).scatter(1, largest.indices, largest.values)


@right("07.1")
def gate_row_by_row(g_BC, k):
    rows = []
    for g_C in g_BC:
        size_C = g_C.tolist()
        chosen = sorted(range(len(g_C)), key=lambda c: -size_C[c])[:k]
        mask_C = torch.tensor([float(c in chosen) for c in range(len(g_C))])
        rows.append(g_C * mask_C)
    return torch.stack(rows)


@wrong("07.1", "the same channels for all images", "its own k largest", "each ROW")
def gate_of_the_mean(g_BC, k):
    mask = torch.zeros_like(g_BC)
    mask[:, g_BC.mean(0).topk(k).indices] = 1.0
    return g_BC * mask


@wrong("07.1", "the smallest", "its own k largest", "topk")
def gate_smallest(g_BC, k):
    return g_BC * torch.zeros_like(g_BC).scatter(1, g_BC.topk(k, dim=1, largest=False).indices, 1.0)


@wrong("07.1", "k for the whole batch", "its own k largest", "of one image")
def gate_of_the_batch(g_BC, k):
    best = g_BC.flatten().topk(k * len(g_BC)).indices
    return g_BC * torch.zeros(g_BC.numel()).index_fill(0, best, 1.0).view_as(g_BC)


@wrong("07.1", "ranked over images, not over channels", "its own k largest", "dim=1")
def gate_wrong_axis(g_BC, k):
    return g_BC * (g_BC.argsort(dim=0, descending=True).argsort(dim=0) < k)


@wrong("07.1", "k are closed instead of open", "its own k largest", "C - k are closed")
def gate_closes_k(g_BC, k):
    return g_BC * (g_BC.argsort(dim=1).argsort(dim=1) >= k)


@wrong("07.1", "above the largest closed gate, which for k = C is any", "k = C", "from the end")
def gate_above_closed(g_BC, k):
    largest_closed = g_BC.sort(dim=1).values[:, g_BC.shape[1] - k - 1]
    return g_BC * (g_BC > largest_closed[:, None])


@wrong("07.1", "0 and 1", "keeps its value", "g_BC * mask")
def gate_mask(g_BC, k):
    return torch.zeros_like(g_BC).scatter(1, g_BC.topk(k, dim=1).indices, 1.0)


@wrong("07.1", "made to sum to 1", "keeps its value", "g_BC * mask")
def gate_normalised(g_BC, k):
    open_BC = gate_scatter(g_BC, k)
    return open_BC / open_BC.sum(1, keepdim=True)


@wrong("07.1", "all equal gates open", "equal gates", ">=")
def gate_ties(g_BC, k):
    return g_BC * (g_BC >= g_BC.topk(k, dim=1).values[:, -1:])


@wrong("07.1", "detached", "gradients reach open gates", "detach")
def gate_detached(g_BC, k):
    return gate_scatter(g_BC.detach(), k)


@wrong("07.1", "in place", "leaves its input", "zeros_like")
def gate_in_place(g_BC, k):
    return g_BC.scatter_(1, g_BC.topk(g_BC.shape[1] - k, dim=1, largest=False).indices, 0.0)


@wrong("07.1", "ties broken by noise that is too large", "however close", "noise")
def gate_noise(g_BC, k):
    noise = torch.rand(g_BC.shape, generator=torch.Generator().manual_seed(0))
    return g_BC * torch.zeros_like(g_BC).scatter(1, (g_BC + 0.5 * noise).topk(k, dim=1).indices, 1.0)


@wrong("07.1", "ranked as whole numbers", "however close", "Rounding")
def gate_whole_numbers(g_BC, k):
    return g_BC * torch.zeros_like(g_BC).scatter(1, g_BC.int().topk(k, dim=1).indices, 1.0)


# 07.2 salient_gradient ----------------------------------------------------------------------------------------------


def _masked(salience, grad, count):
    return grad * (salience >= salience.flatten().topk(count).values[-1])


@right("07.2")
def salient_topk(weight, grad, keep):
    return _masked((weight * grad).abs(), grad, max(1, round(keep * weight.numel())))


@right("07.2")
def salient_kthvalue(weight, grad, keep):
    salience = weight.abs() * grad.abs()
    n = salience.numel()
    closed = n - max(1, round(keep * n))
    return torch.where(salience < salience.flatten().kthvalue(closed + 1).values, 0.0, grad)


@right("07.2")
def salient_python(weight, grad, keep):
    products = [abs(w * g) for w, g in zip(weight.flatten().tolist(), grad.flatten().tolist(), strict=True)]
    bar = sorted(products, reverse=True)[max(1, round(keep * len(products))) - 1]
    left = [g if p >= bar else 0.0 for p, g in zip(products, grad.flatten().tolist(), strict=True)]
    return torch.tensor(left).reshape(grad.shape)


@wrong("07.2", "by the gradient alone", "largest w g", "product")
def salient_by_gradient(weight, grad, keep):
    return _masked(grad.abs(), grad, max(1, round(keep * weight.numel())))


@wrong("07.2", "by the weight alone", "largest w g", "product")
def salient_by_weight(weight, grad, keep):
    return _masked(weight.abs(), grad, max(1, round(keep * weight.numel())))


@wrong("07.2", "the least salient", "largest w g", "among the largest")
def salient_least(weight, grad, keep):
    return _masked(-(weight * grad).abs(), grad, max(1, round(keep * weight.numel())))


@wrong("07.2", "without the absolute value", "the sign", "absolute value")
def salient_signed(weight, grad, keep):
    return _masked(weight * grad, grad, max(1, round(keep * weight.numel())))


@wrong("07.2", "the mask", "gradient itself", "grad * mask")
def salient_mask(weight, grad, keep):
    return (salient_topk(weight, grad, keep) != 0).float()


@wrong("07.2", "the salience", "gradient itself", "only chooses")
def salient_product(weight, grad, keep):
    return weight * salient_topk(weight, grad, keep)


@wrong("07.2", "the updated weight", "gradient itself", "lr M g")
def salient_pruned_weight(weight, grad, keep):
    return weight * (salient_topk(weight, grad, keep) != 0)


@wrong("07.2", "rounded down", "round(keep x n)", "not down")
def salient_floor(weight, grad, keep):
    return _masked((weight * grad).abs(), grad, max(1, int(keep * weight.numel())))


@wrong("07.2", "nothing for a small share", "round(keep x n)", "max(1")
def salient_none(weight, grad, keep):
    count = round(keep * weight.numel())
    return _masked((weight * grad).abs(), grad, count) if count else torch.zeros_like(grad)


@wrong("07.2", "torch.quantile", "round(keep x n)", "interpolates")
def salient_quantile(weight, grad, keep):
    salience = (weight * grad).abs()
    return grad * (salience >= salience.flatten().quantile(1 - keep))


@wrong("07.2", "row by row", "in one ranking", "flatten")
def salient_rows(weight, grad, keep):
    if weight.dim() < 2:
        return salient_topk(weight, grad, keep)
    return torch.stack([salient_topk(w, g, keep) for w, g in zip(weight, grad, strict=True)])


@wrong("07.2", "exactly so many, whatever is equal", "as salient as the last", ">= threshold")
def salient_exact(weight, grad, keep):
    best = (weight * grad).abs().flatten().topk(max(1, round(keep * weight.numel()))).indices
    return grad * torch.zeros(weight.numel()).index_fill(0, best, 1.0).view_as(grad)


@wrong("07.2", "keep is taken for the share that goes", "round(keep x n)", "Count first")
def salient_dropped_share(weight, grad, keep):
    salience = (weight * grad).abs()
    return grad * (salience >= salience.flatten().topk(max(1, round((1 - keep) * weight.numel()))).values[-1])


# 07.3 gated_flops ---------------------------------------------------------------------------------------------------


@right("07.3")
def flops_zipped(flops, kept):
    return sum(f * a * b for f, a, b in zip(flops, [1.0, *kept], [*kept, 1.0], strict=True))


@right("07.3")
def flops_running(flops, kept):
    total, read = 0.0, 1.0
    for layer, dense in enumerate(flops):
        made = kept[layer] if layer < len(kept) else 1.0
        total += dense * read * made
        read = made
    return total


@right("07.3")
def flops_tensor(flops, kept):
    one = torch.ones(1, dtype=torch.float64)
    share = torch.tensor(kept, dtype=torch.float64)
    return (torch.tensor(flops, dtype=torch.float64) * torch.cat([one, share]) * torch.cat([share, one])).sum()


@wrong("07.3", "the classifier forgotten", "all channels open", "last layer")
def flops_without_last(flops, kept):
    return sum(f * a * b for f, a, b in zip(flops, [1.0, *kept], kept, strict=False))


@wrong("07.3", "r^2 everywhere", "first layer", "not r^2")
def flops_squared(flops, kept):
    shares = [*kept, 1.0]
    return sum(f * a * a for f, a in zip(flops, shares, strict=True))


@wrong("07.3", "r everywhere", "an inner layer", "r^2")
def flops_outputs_only(flops, kept):
    return sum(f * a for f, a in zip(flops, [*kept, 1.0], strict=True))


@wrong("07.3", "what is read only", "first layer", "outputs shrink")
def flops_inputs_only(flops, kept):
    return sum(f * a for f, a in zip(flops, [1.0, *kept], strict=True))


@wrong("07.3", "the square of the layer's own share", "an inner layer", "kept[l - 1]")
def flops_own_square(flops, kept):
    total = flops_zipped(flops, kept)
    return total + sum(f * b * (b - a) for f, a, b in zip(flops[1:-1], kept, kept[1:], strict=False))


@wrong("07.3", "the classifier in full", "the last layer", "inputs are")
def flops_dense_last(flops, kept):
    return flops_zipped(flops, kept) + (flops[-1] * (1 - kept[-1]) if kept else 0.0)


@wrong("07.3", "the mean share of the whole", "first layer", "image")
def flops_mean_share(flops, kept):
    share = sum(kept) / len(kept) if kept else 1.0
    return share**2 * sum(flops)
