"""How unlike the clients' data are. K clients, C classes."""

from __future__ import annotations

import torch
from torch import Tensor


def label_counts(y_N: Tensor, indices: list[Tensor], num_classes: int) -> Tensor:
    """[K, C]: how many examples of each class each client has."""
    owner_N = torch.repeat_interleave(torch.arange(len(indices)), torch.tensor([len(index) for index in indices]))
    cell_N = owner_N * num_classes + y_N[torch.cat(indices)]
    return torch.bincount(cell_N, minlength=len(indices) * num_classes).reshape(len(indices), num_classes)


def mean_js_divergence(counts_KC: Tensor) -> float:
    """Mean Jensen-Shannon divergence, in bits (0 to 1), between a client's labels and everybody's.

    JS(p, q) = H((p + q) / 2) - H(p) / 2 - H(q) / 2 with entropies H in base 2. Clients without data are left out,
    the others count alike.
    """
    p_KC, q_C = _distributions(counts_KC)
    divergence_K = _entropy((p_KC + q_C) / 2) - _entropy(p_KC) / 2 - _entropy(q_C) / 2
    return float(divergence_K.mean().clamp_min(0))


def mean_emd(counts_KC: Tensor) -> float:
    """Mean earth mover's distance between a client's labels and everybody's, as in Zhao et al. (arXiv 1806.00582).

    Labels have no order, so it is their sum over classes of |p_k(c) - p(c)|: 0 (alike) to 2 (nothing in common).
    Clients without data are left out, the others count alike.
    """
    p_KC, q_C = _distributions(counts_KC)
    return float((p_KC - q_C).abs().sum(1).mean())


def _distributions(counts_KC: Tensor) -> tuple[Tensor, Tensor]:
    some_KC = counts_KC[counts_KC.sum(1) > 0].double()
    total_C = counts_KC.sum(0).double()
    return some_KC / some_KC.sum(1, keepdim=True), total_C / total_C.sum()


def _entropy(p: Tensor) -> Tensor:
    return -torch.xlogy(p, p).sum(-1) / torch.log(torch.tensor(2.0, dtype=p.dtype))
