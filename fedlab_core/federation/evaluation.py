"""How good the global model is: on the whole test set, and on each client's own part of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from fedlab_core.data.federated import FederatedData
from fedlab_core.federation.devices import put
from fedlab_core.federation.gradients import example_losses
from fedlab_core.pruning.masks import apply_masks
from fedlab_core.types import Buffers, Masks, Params

CHUNK, CHUNK_VALUES = 512, 2**22
"""Examples per forward pass, and numbers that go in: large enough to be fast, small enough for any laptop's memory."""


class Evaluation(NamedTuple):
    """Score and mean loss on the test set, and the score by client, NaN for a client without test examples.

    The score is what the data set's metric says: accuracy in [0, 1], or the mean absolute error.
    """

    score: float
    loss: float
    client_score_K: Tensor


Personal = Callable[[int], Masks | None]
"""The masks under which a client uses the model; None: as it is."""


def evaluate(
    model: nn.Module, params: Params, buffers: Buffers, data: FederatedData, personal: Personal = lambda client: None
) -> Evaluation:
    """Measure the model everywhere.

    Clients whose inputs are skewed (rotated, noisy) are tested on inputs skewed in the same way, and those with
    sub-networks on these; otherwise their test examples are a part of the test set and nothing is computed twice.
    """
    dataset = data.dataset
    scored_N, loss_N = _forward(model, params, buffers, dataset.x_test_NI, dataset.y_test_N)
    rows_N, sizes_K = data.test_rows
    if data.feature_skew is None and personal(0) is None:
        scored_by_client_N = scored_N[rows_N]
    else:
        parts = []
        for k in range(data.num_clients):
            masks = personal(k)
            own = params if masks is None else apply_masks(params, masks)
            parts.append(_forward(model, own, buffers, *data.test(k))[0])
        scored_by_client_N = torch.cat(parts)
    client_K = _mean_by_client(scored_by_client_N, sizes_K)
    return Evaluation(float(scored_N.mean()), float(loss_N.mean()), client_K)


def _mean_by_client(scored_N: Tensor, sizes_K: Tensor) -> Tensor:
    """Mean over consecutive stretches of the given sizes, without a loop over clients."""
    owner_N = torch.repeat_interleave(torch.arange(len(sizes_K)), sizes_K)
    return torch.bincount(owner_N, weights=scored_N, minlength=len(sizes_K)) / sizes_K


def _forward(model: nn.Module, params: Params, buffers: Buffers, x_NI: Tensor, y_N: Tensor) -> tuple[Tensor, Tensor]:
    """Each example's part of the score, and its loss: whether it is classed rightly, or by how much it is missed."""
    model.eval()
    tensors = put({**params, **buffers}, x_NI.device)
    scored, losses = [torch.zeros(0)], [torch.zeros(0)]
    with torch.no_grad():
        for x_BI, y_B in zip(x_NI.split(chunk_of(x_NI)), y_N.split(chunk_of(x_NI)), strict=True):
            outputs_BC = _outputs(model, tensors, x_BI)
            scored.append(example_scores(outputs_BC, y_B).cpu())
            losses.append(example_losses(outputs_BC, y_B).cpu())
    return torch.cat(scored).double(), torch.cat(losses).double()


def predict(model: nn.Module, params: Params, buffers: Buffers, x_NI: Tensor) -> Tensor:
    """What the model gives out in testing, [N, C]: class scores, or of a regression the one number; in pieces."""
    model.eval()
    tensors = put({**params, **buffers}, x_NI.device)
    with torch.no_grad():
        pieces = [_outputs(model, tensors, x_BI).cpu() for x_BI in x_NI.split(chunk_of(x_NI))]
    return torch.cat(pieces)


def chunk_of(x_NI: Tensor) -> int:
    """Examples of a forward pass: fewer where they are as large as scans."""
    return min(CHUNK, max(1, CHUNK_VALUES // math.prod(x_NI.shape[1:])))


def example_scores(outputs_BC: Tensor, y_B: Tensor) -> Tensor:
    """[B]: whether the most likely class is the right one; of a regression, the absolute error."""
    return (outputs_BC.squeeze(1) - y_B).abs() if y_B.is_floating_point() else outputs_BC.argmax(1) == y_B


def _outputs(model: nn.Module, tensors: Mapping[str, Tensor], x_BI: Tensor) -> Tensor:
    """The model's output. A chain is walked layer by layer, to keep its maps channels last in memory.

    On a processor that is twice as fast, pooling ten times; a convolution of a single channel forgets it by itself.
    """
    if not isinstance(model, nn.Sequential):
        return cast(Tensor, functional_call(model, dict(tensors), (x_BI,)))
    for name, layer in model.named_children():
        own = {key: tensors[f"{name}.{key}"] for key, _ in _named_tensors(layer) if f"{name}.{key}" in tensors}
        x_BI = functional_call(layer, own, (x_BI,)) if own else layer(x_BI)
        if x_BI.dim() == 4:
            x_BI = x_BI.contiguous(memory_format=torch.channels_last)
    return x_BI


def _named_tensors(layer: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from layer.named_parameters()
    yield from layer.named_buffers()
