"""Tensors to bytes and back. The length of a payload IS the communication cost of a message; nothing is estimated.

Of a masked tensor only the kept values travel, and the mask in the shortest of five forms (`forms.py`). The layout is
in `wire.py`. The decoder trusts nothing: it allocates in proportion to the payload and to the elements declared, of
which it allows `max_elements`, and whatever else is wrong is a `CodecError`.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from fedlab_core.costs.bits import CodecError
from fedlab_core.costs.wire import (
    CRC,
    HEAD,
    MAGIC,
    MAX_TENSORS,
    VERSION,
    MaskMemory,
    parse,
    read_tensor,
    write_tensor,
)

__all__ = [
    "MESSAGE_BYTES",
    "CodecError",
    "MaskMemory",
    "Message",
    "TensorCost",
    "decode",
    "describe",
    "encode",
    "entropy_bound_bytes",
    "label_bytes",
    "nominal_bytes",
]

MESSAGE_BYTES = HEAD.size + CRC.size
"""What a message costs beside its tensors."""


class Message(NamedTuple):
    """What was sent. Entries of `tensors` outside their mask are exactly 0; `masks` are boolean, True = kept."""

    tensors: dict[str, Tensor]
    masks: dict[str, Tensor]


class TensorCost(NamedTuple):
    """What one tensor costs: `num_bytes` in the payload, its header included, against `entropy_bound_bytes`."""

    name: str
    form: str
    elements: int
    kept: int
    num_bytes: int
    bound_bytes: float


def encode(
    tensors: Mapping[str, Tensor], masks: Mapping[str, Tensor] | None = None, memory: MaskMemory | None = None
) -> bytes:
    """One payload with all `tensors`; of those with a mask only the kept entries. Same input, same bytes.

    Args:
        tensors: by name, of any shape; float32/64/16, bfloat16, int64/32, uint8 or bool.
        masks: boolean, True = kept, of the shapes of their tensors. What the tensors hold elsewhere is not sent.
        memory: saves time, and changes no byte, where several messages have the same masks.

    Raises:
        ValueError: a mask without a tensor, or of another shape or type; a tensor of another type or over 32 axes.
    """
    masks, memory = masks or {}, memory or MaskMemory()
    _check_masks(tensors, masks)
    if len(tensors) > MAX_TENSORS:
        raise ValueError(f"a message of {len(tensors)} tensors; allowed are at most {MAX_TENSORS}")
    parts: list[bytes | memoryview] = [HEAD.pack(MAGIC, VERSION, len(tensors))]
    for name, tensor in tensors.items():
        parts += write_tensor(name, tensor, masks.get(name), memory)
    checksum = 0
    for part in parts:
        checksum = zlib.crc32(part, checksum)
    return b"".join([*parts, CRC.pack(checksum)])


def decode(payload: bytes, *, max_elements: int = 2**28, memory: MaskMemory | None = None) -> Message:
    """What `encode` was given, bit for bit, with zeros outside the masks.

    Args:
        max_elements: allowed in the whole message, pruned entries included: they cost no bytes there, but memory here.
        memory: saves time where several messages have the same masks; they then share them.

    Raises:
        CodecError: anything but an intact payload within the limit.
    """
    entries = parse(payload)
    elements = sum(math.prod(max(axis, 1) for axis in entry.shape) for entry in entries)
    if elements > max_elements:
        raise CodecError(f"payload declares {elements} elements; allowed are {max_elements}")
    message, memory = Message({}, {}), memory or MaskMemory()
    for entry in entries:
        if entry.name in message.tensors:
            raise CodecError(f"payload holds {entry.name!r} twice")
        message.tensors[entry.name], mask = read_tensor(entry, memory)
        if mask is not None:
            message.masks[entry.name] = mask
    return message


def describe(payload: bytes) -> tuple[TensorCost, ...]:
    """What each tensor of a payload costs; with `MESSAGE_BYTES` the `num_bytes` add up to its length.

    Raises:
        CodecError: a damaged payload. Nothing is unpacked, so some that `decode` refuses pass here.
    """
    return tuple(
        TensorCost(
            entry.name,
            entry.form.name,
            entry.elements,
            entry.kept,
            entry.num_bytes,
            entropy_bound_bytes(entry.elements, entry.kept, 8 * entry.dtype.itemsize),
        )
        for entry in parse(payload)
    )


def label_bytes(payload: bytes) -> int:
    """What is neither mask nor value: names, shapes, counts, and the `MESSAGE_BYTES`. Raises CodecError."""
    labels = (entry.num_bytes - len(entry.block) - len(entry.values) for entry in parse(payload))
    return MESSAGE_BYTES + sum(labels)


def nominal_bytes(tensors: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> int:
    """FedSparsify's own count: the kept values alone, as if masks travelled for free (METHODS 2.7)."""
    _check_masks(tensors, masks)
    return sum(
        int(masks[name].sum() if name in masks else tensor.numel()) * tensor.dtype.itemsize
        for name, tensor in tensors.items()
    )


def entropy_bound_bytes(elements: int, kept: int, bits_per_value: int = 32) -> float:
    """Bytes that no code beats on average for a random mask of density d: (elements H(d) + kept bits_per_value) / 8.

    H(d) = -d log2 d - (1 - d) log2(1 - d), in bits. A mask with structure (whole channels, say) can cost less.
    """
    shares = [part / elements for part in (kept, elements - kept) if part]
    entropy = -sum(share * math.log2(share) for share in shares)
    return (elements * entropy + kept * bits_per_value) / 8


def _check_masks(tensors: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> None:
    for name, mask in masks.items():
        if name not in tensors:
            raise ValueError(f"mask {name!r} belongs to no tensor of the message")
        if mask.shape != tensors[name].shape or mask.dtype != torch.bool:
            raise ValueError(
                f"mask {name!r} is {mask.dtype} of shape {tuple(mask.shape)}; "
                f"it has to be torch.bool of shape {tuple(tensors[name].shape)}"
            )
