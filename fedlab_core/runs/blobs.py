"""Tensors to bytes for the run store and back, bit by bit. Every blob is a safetensors file: nothing in it can run.

    masks    of each prunable tensor its bits, eight to a byte
    model    parameters and buffers; of a masked parameter only the kept values, row-major
    memory   what the strategy remembers, as it is

The real shapes, in the model's own order, stand in the file's metadata under "shapes".
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Literal

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from fedlab_core.types import Buffers, Masks, Params, ServerState

Kind = Literal["masks", "model", "memory"]
Blobs = dict[Kind, bytes]
Shapes = dict[str, list[int]]

MAX_AXES = 8
MAX_ELEMENTS = 2**27
"""No blob unpacks to more: bits grow by a factor when they become tensors, and a file from elsewhere may lie."""


class RunError(ValueError):
    """A run that is unknown, damaged or cannot do what was asked: one sentence."""


def pack(server: ServerState) -> Blobs:
    """A whole server state as blobs; no memory, no blob."""
    blobs: Blobs = {
        "masks": pack_masks(server.masks),
        "model": pack_model(server.params, server.buffers, server.masks),
    }
    return blobs | ({"memory": pack_memory(server.state)} if server.state else {})


def unpack(blobs: Blobs) -> ServerState:
    """The inverse of `pack`.

    Raises:
        RunError: a blob is missing or damaged.
    """
    if not {"masks", "model"} <= blobs.keys():
        raise RunError("the stored state is not complete")
    masks = unpack_masks(blobs["masks"])
    params, buffers = unpack_model(blobs["model"], masks)
    return ServerState(params, buffers, masks, unpack_memory(blobs["memory"]) if "memory" in blobs else {})


def pack_masks(masks: Masks) -> bytes:
    """Masks as bits."""
    bits = {name: torch.from_numpy(np.packbits(mask.cpu().numpy())) for name, mask in masks.items()}
    return _write(bits, {name: list(mask.shape) for name, mask in masks.items()})


def unpack_masks(payload: bytes) -> Masks:
    """Masks from bits. Raises `RunError` for a damaged payload."""
    stored, shapes = _read(payload)
    masks = {}
    for name, shape in shapes.items():
        bits, count = stored[name], math.prod(shape)
        if bits.dtype != torch.uint8 or bits.shape != (-(-count // 8),):
            raise RunError(f"the stored mask of {name} is damaged")
        masks[name] = torch.from_numpy(np.unpackbits(bits.numpy(), count=count)).to(torch.bool).reshape(shape)
    return masks


def pack_model(params: Params, buffers: Buffers, masks: Masks) -> bytes:
    """Parameters and buffers. A tensor whose pruned entries are not all plain zeros is stored whole."""
    tensors = {f"buffers/{name}": tensor for name, tensor in buffers.items()}
    shapes = {f"params/{name}": list(weight.shape) for name, weight in params.items()}
    shapes |= {name: list(tensor.shape) for name, tensor in tensors.items()}
    for name, weight in params.items():
        mask = masks.get(name)
        sparse = mask is not None and not weight[~mask].view(torch.uint8).any()
        tensors[f"params/{name}"] = weight[mask] if sparse else weight
    return _write(tensors, shapes)


def unpack_model(payload: bytes, masks: Masks) -> tuple[Params, Buffers]:
    """Parameters and buffers under the masks of the same round. Raises `RunError` for a damaged payload."""
    stored, shapes = _read(payload)
    groups: dict[str, dict[str, Tensor]] = {"params": {}, "buffers": {}}
    for path, shape in shapes.items():
        group, _, name = path.partition("/")
        if group not in groups:
            raise RunError(f"a stored model has no place for {path!r}")
        tensor = stored[path]
        if list(tensor.shape) != shape:
            tensor = _spread(tensor, shape, masks.get(name), path)
        groups[group][name] = tensor
    return groups["params"], groups["buffers"]


def pack_memory(state: Mapping[str, Tensor]) -> bytes:
    """A strategy's memory."""
    return _write(dict(state), {name: list(tensor.shape) for name, tensor in state.items()})


def unpack_memory(payload: bytes) -> dict[str, Tensor]:
    """A strategy's memory. Raises `RunError` for a damaged payload."""
    stored, shapes = _read(payload)
    if any(list(stored[name].shape) != shape for name, shape in shapes.items()):
        raise RunError("the stored memory of the strategy is damaged")
    return {name: stored[name] for name in shapes}


def metadata(payload: bytes) -> dict[str, str]:
    """The metadata of a safetensors file in memory (the library reads it from disk only).

    Raises:
        ValueError: no such file, or no metadata.
    """
    length = int.from_bytes(payload[:8], "little")
    header = json.loads(payload[8 : 8 + min(length, len(payload))])
    found = header.get("__metadata__") if isinstance(header, dict) else None
    if not isinstance(found, dict):
        raise ValueError("no metadata")
    return found


def _spread(kept: Tensor, shape: list[int], mask: Tensor | None, path: str) -> Tensor:
    """Kept values back to their places, zeros elsewhere."""
    if mask is None or list(mask.shape) != shape or kept.shape != (int(mask.sum()),):
        raise RunError(f"the stored tensor {path} is damaged")
    weight = torch.zeros(shape, dtype=kept.dtype)
    weight[mask] = kept
    return weight


def _write(tensors: dict[str, Tensor], shapes: Shapes) -> bytes:
    # Cloned, because safetensors refuses tensors that are views of one storage.
    apart = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    return safetensors.torch.save(apart, {"shapes": json.dumps(shapes)})


def _read(payload: bytes) -> tuple[dict[str, Tensor], Shapes]:
    try:
        shapes: Shapes = json.loads(metadata(payload)["shapes"])
        tensors = safetensors.torch.load(payload)
        fits = all(map(_possible, shapes.values())) and shapes.keys() == tensors.keys()
    except Exception as error:  # a damaged file makes the readers raise almost anything
        raise RunError("a stored tensor is damaged") from error
    if not fits or sum(map(math.prod, shapes.values())) > MAX_ELEMENTS:
        raise RunError("a stored tensor is damaged")
    return tensors, shapes


def _possible(shape: list[int]) -> bool:
    return len(shape) <= MAX_AXES and all(type(size) is int and 0 <= size <= MAX_ELEMENTS for size in shape)
