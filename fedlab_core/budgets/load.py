"""What one client of a strategy means for the server, measured in a small round that is really run.

The messages are really encoded, and what is decoded from them is counted tensor by tensor. `scale.py` multiplies.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from torch import Tensor

from fedlab_core.clients import client_side
from fedlab_core.lab import Federation
from fedlab_core.rounds import merge, read, run_round, send
from fedlab_core.types import Update

TENSOR_BYTES = 640
"""What a tensor takes beside its numbers: the objects of Python and PyTorch 2.x (64-bit Linux, measured)."""


class Load(NamedTuple):
    """What one client means for the server in a round.

    Attributes:
        download_bytes, upload_bytes: of one client, the mean over those that were asked.
        own_downloads: whether every client gets a message of its own, or all the same.
        update_bytes: of one decoded update in the server's memory, without masks that all updates share.
        numbers: floating-point numbers of an update: weights, buffers, extras.
        largest: numbers of the largest tensor among them.
        mask_entries: weights that clients mask each in its own way; 0 where their masks are equal.
        server_bytes: what the server remembers of every client of the federation, asked or not.
        device_bytes: what a client keeps on its own device; a simulation has to keep it, too.
        rewritten_bytes: the part of both that a round writes anew, for all clients, beside the old one.
    """

    download_bytes: float
    upload_bytes: float
    own_downloads: bool
    update_bytes: float
    numbers: int
    largest: int
    mask_entries: int
    server_bytes: int
    device_bytes: int
    rewritten_bytes: int


def load_of(federation: Federation, round: int) -> Load:
    """The load of round `round`, after really running it and those before; a small federation is enough.

    Raises:
        ValueError: fewer than two clients are asked, so that nobody can tell what updates share.
    """
    server = federation.initial_state()
    for number in range(1, round):
        server = run_round(federation, server, federation.context(number)).state
    ctx = federation.context(round)
    downloads = send(federation, server, ctx)
    reports = client_side(federation, downloads, ctx)
    updates = read(federation, server, downloads, reports).updates
    asked = len(downloads)
    if asked < 2:
        raise ValueError(f"{asked} client is asked; a load needs at least 2, to tell what their updates share")
    first = updates[0]
    floats = [t.numel() for t in _tensors(first) if t.is_floating_point()]
    own = [mask for name, mask in first.masks.items() if not _shared(name, updates)]
    assigned = federation.experiment.strategy.assign(server, downloads[0].client_id, ctx)
    device_bytes, remembered = _bytes(assigned.memory.values()), _remembered(federation)
    after = merge(federation, server, updates, ctx)[1].state
    return Load(
        download_bytes=sum(len(one.payload) for one in downloads) / asked,
        upload_bytes=sum(len(report.payload) for report in reports) / asked,
        own_downloads=len({one.payload for one in downloads}) > 1,
        update_bytes=_own_bytes(updates),
        numbers=sum(floats),
        largest=max(floats),
        mask_entries=sum(mask.numel() for mask in own),
        server_bytes=sum(remembered.values()) - device_bytes,
        device_bytes=device_bytes,
        rewritten_bytes=sum(size for name, size in remembered.items() if after[name] is not server.state[name]),
    )


def _tensors(update: Update) -> list[Tensor]:
    return [*update.params.values(), *update.buffers.values(), *update.extras.values()]


def _shared(name: str, updates: Sequence[Update]) -> bool:
    return updates[0].masks[name].data_ptr() == updates[1].masks[name].data_ptr()


def _own_bytes(updates: Sequence[Update]) -> float:
    """What an update adds to those before it: its tensors, and its masks where it does not share them."""
    seen: set[int] = set()
    added = []
    for update in updates:
        new = [t for t in (*_tensors(update), *update.masks.values()) if t.data_ptr() not in seen]
        seen |= {t.data_ptr() for t in new}
        objects = len(_tensors(update)) + len(update.masks)
        added.append(_bytes(new) + TENSOR_BYTES * objects)
    return sum(added[1:]) / (len(added) - 1)


def _remembered(federation: Federation) -> dict[str, int]:
    """By how many bytes each tensor of the strategy's memory grows with a client."""
    params, ctx = federation.initial_state().params, federation.context(0)
    two, three = (federation.experiment.strategy.init(params, replace(ctx, num_clients=k))[1] for k in (2, 3))
    return {name: three[name].nbytes - two[name].nbytes for name in two}


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors)
