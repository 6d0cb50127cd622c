"""What travels: an assignment down, an update up, each as one encoded payload. Its length is the communication cost.

A `MaskMemory` is given where many messages follow each other: equal masks are then worked out once.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from fedlab_core.costs.codec import CodecError, MaskMemory, Message, decode, encode
from fedlab_core.types import Assignment, Masks, Params, ServerState, Update

_NUM_EXAMPLES, _TRAIN_LOSS = "num_examples", "train_loss"


def pack_assignment(assignment: Assignment) -> bytes:
    """The downlink of one client. Its id is not part of it: clients with equal assignments get equal payloads."""
    return _pack(assignment.params, assignment.buffers, assignment.masks, assignment.extras)


def unpack_assignment(payload: bytes, client_id: int, memory: MaskMemory | None = None) -> Assignment:
    """What client `client_id` reads from its downlink."""
    groups, masks = _unpack(decode(payload, memory=memory))
    return Assignment(client_id, groups["params"], groups["buffers"], masks, groups["extras"])


def pack_update(update: Update, memory: MaskMemory | None = None) -> bytes:
    """The uplink of one client."""
    report = {
        _NUM_EXAMPLES: torch.tensor(update.num_examples),
        _TRAIN_LOSS: torch.tensor(update.train_loss, dtype=torch.float64),
    }
    return _pack(update.params, update.buffers, update.masks, {**update.extras, **report}, memory)


def unpack_update(payload: bytes, client_id: int, server: ServerState, memory: MaskMemory | None = None) -> Update:
    """What the server reads from the uplink of client `client_id`.

    Raises:
        CodecError: a damaged payload, or tensors whose names, types or shapes are not those of the server's model.
    """
    groups, masks = _unpack(decode(payload, max_elements=_limit(server), memory=memory))
    extras = groups["extras"]
    for got, sent in ((groups["params"], server.params), (groups["buffers"], server.buffers)):
        if {name: _kind(t) for name, t in got.items()} != {name: _kind(t) for name, t in sent.items()}:
            raise CodecError(f"the update of client {client_id} is not of the model that was sent")
    if not masks.keys() <= server.masks.keys():
        raise CodecError(f"the update of client {client_id} masks tensors that cannot be pruned")
    report = {_NUM_EXAMPLES: torch.int64, _TRAIN_LOSS: torch.float64}
    if any(name not in extras or _kind(extras[name]) != (dtype, torch.Size([])) for name, dtype in report.items()):
        raise CodecError(f"the update of client {client_id} lacks its number of examples or its loss")
    num_examples, train_loss = int(extras.pop(_NUM_EXAMPLES)), float(extras.pop(_TRAIN_LOSS))
    return Update(client_id, groups["params"], groups["buffers"], masks, num_examples, train_loss, extras)


def pack_memory(memory: Mapping[str, Tensor]) -> bytes:
    """What a client has kept itself, for whoever computes for that client. It is no message: nobody sends it."""
    return encode(dict(memory)) if memory else b""


def unpack_memory(payload: bytes) -> dict[str, Tensor]:
    """The tensors of `pack_memory`."""
    return decode(payload).tensors if payload else {}


def pack_masks(masks: Masks) -> bytes:
    """Masks alone, one bit an entry: what a client sends that was asked which weights to keep."""
    packed = {name: torch.from_numpy(np.packbits(mask.numpy())) for name, mask in masks.items()}
    return encode(packed)


def unpack_masks(payload: bytes, like: Masks) -> Masks:
    """Masks of the shapes of `like`.

    Raises:
        CodecError: a damaged payload, or masks of another model.
    """
    packed = decode(payload, max_elements=sum(mask.numel() for mask in like.values())).tensors
    if {n: (t.dtype, t.numel()) for n, t in packed.items()} != {
        n: (torch.uint8, -(-mask.numel() // 8)) for n, mask in like.items()
    }:
        raise CodecError("the masks are not of the model that was sent")
    bits = {name: np.unpackbits(packed[name].numpy(), count=mask.numel()) for name, mask in like.items()}
    return {name: torch.from_numpy(bits[name]).bool().view_as(mask) for name, mask in like.items()}


def _kind(tensor: Tensor) -> tuple[torch.dtype, torch.Size]:
    return tensor.dtype, tensor.shape


def _limit(server: ServerState) -> int:
    """No honest message is much larger than a few copies of the model and of what the strategy remembers."""
    known = (*server.params.values(), *server.state.values())
    return 8 * sum(tensor.numel() for tensor in known) + 65536


def _pack(
    params: Params,
    buffers: Mapping[str, Tensor],
    masks: Masks,
    extras: Mapping[str, Tensor],
    memory: MaskMemory | None = None,
) -> bytes:
    groups = {"params": params, "buffers": buffers, "extras": extras}
    tensors = {f"{group}/{name}": t for group, named in groups.items() for name, t in named.items()}
    return encode(tensors, {f"params/{name}": mask for name, mask in masks.items()}, memory)


def _unpack(message: Message) -> tuple[dict[str, dict[str, Tensor]], Masks]:
    groups: dict[str, dict[str, Tensor]] = {"params": {}, "buffers": {}, "extras": {}}
    for path, tensor in message.tensors.items():
        group, _, name = path.partition("/")
        if group not in groups:
            raise CodecError(f"a message has no place for {path!r}")
        groups[group][name] = tensor
    return groups, {path.removeprefix("params/"): mask for path, mask in message.masks.items()}
