"""Faults of clients, injected where they would happen: into the encoded update, between client and server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

from fedlab_core.clients import Download, Lost, Report, RunClients
from fedlab_core.costs.codec import Message, decode, encode
from fedlab_core.federation.trainer import OnStep, no_step_hook
from fedlab_core.lab import Federation
from fedlab_core.types import RoundContext

Kind = Literal["gone", "late", "nan", "shapes", "examples", "damaged", "flipped", "scaled"]
KINDS: tuple[Kind, ...] = get_args(Kind)
ABSENT: Mapping[Kind, str] = {"gone": "no answer", "late": "no answer before the deadline"}
"""Faults that leave nothing to look at, and what the server knows of them. In one process, late is gone."""
HOSTILE: tuple[Kind, ...] = ("flipped", "scaled")
"""Well-formed updates with the wrong content: nothing but the rule of aggregation can withstand them."""

PARAMS, NUM_EXAMPLES = "params/", "extras/num_examples"
"""Names of tensors in an encoded update."""


class Fault(NamedTuple):
    """What goes wrong with a client.

    Attributes:
        kind: "gone": it never answers; "late": it answers after the deadline; "nan": its first tensor is NaN; "shapes":
            its first tensor has a row too many; "examples": it claims `factor` times as many examples; "damaged": one
            byte of the message is not the one that was sent; "flipped": its change of the model, `factor` times as
            large, in the opposite direction; "scaled": its change `factor` times as large.
        factor: see there.
    """

    kind: Kind
    factor: float = 100.0


def spoil(fault: Fault, download: bytes, upload: bytes) -> bytes | None:
    """The encoded update as the server gets it; None where nothing comes.

    Args:
        fault: what goes wrong.
        download: the encoded assignment that the client has received: its change is measured from there.
        upload: the encoded update that the client would have sent.

    Raises:
        CodecError: `download` or `upload` is no intact message.
    """
    if fault.kind in ABSENT:
        return None
    if fault.kind == "damaged":
        middle = len(upload) // 2
        return upload[:middle] + bytes([upload[middle] ^ 0xFF]) + upload[middle + 1 :]
    message = _CHANGES[fault.kind](decode(upload), decode(download).tensors, fault.factor)
    return encode(message.tensors, message.masks)


@dataclass(frozen=True)
class Faulty:
    """The clients' side of a round, some of them with a fault in every round.

    Who answers nothing has trained all the same: who trains together decides how sums are rounded, and the others have
    to send the very same bytes with and without a faulty client.
    """

    run_clients: RunClients
    faults: Mapping[int, Fault]

    def __call__(
        self, federation: Federation, downloads: Sequence[Download], ctx: RoundContext, on_step: OnStep = no_step_hook
    ) -> list[Report | Lost]:
        """See `RunClients`."""
        answers = self.run_clients(federation, downloads, ctx, on_step)
        return [self._arrived(download, answer) for download, answer in zip(downloads, answers, strict=True)]

    def _arrived(self, download: Download, answer: Report | Lost) -> Report | Lost:
        fault = self.faults.get(download.client_id)
        if fault is None or isinstance(answer, Lost):
            return answer
        payload = spoil(fault, download.payload, answer.payload)
        return Lost(ABSENT[fault.kind]) if payload is None else answer._replace(payload=payload)


def _first(message: Message) -> str:
    return next(name for name in message.tensors if name.startswith(PARAMS))


def _nan(sent: Message, received: Mapping[str, Tensor], factor: float) -> Message:
    name = _first(sent)
    return sent._replace(tensors={**sent.tensors, name: torch.full_like(sent.tensors[name], torch.nan)})


def _shapes(sent: Message, received: Mapping[str, Tensor], factor: float) -> Message:
    name = _first(sent)
    longer = {**sent.tensors, name: _one_row_more(sent.tensors[name])}
    masks = {name: _one_row_more(sent.masks[name])} if name in sent.masks else {}
    return Message(longer, {**sent.masks, **masks})


def _one_row_more(tensor: Tensor) -> Tensor:
    return torch.cat([tensor, tensor[:1]])


def _examples(sent: Message, received: Mapping[str, Tensor], factor: float) -> Message:
    claimed = (sent.tensors[NUM_EXAMPLES] * factor).to(sent.tensors[NUM_EXAMPLES].dtype)
    return sent._replace(tensors={**sent.tensors, NUM_EXAMPLES: claimed})


def _scaled(sent: Message, received: Mapping[str, Tensor], factor: float) -> Message:
    moved = {
        name: received[name] + factor * (tensor - received[name])
        for name, tensor in sent.tensors.items()
        if name.startswith(PARAMS)
    }
    return sent._replace(tensors={**sent.tensors, **moved})


def _flipped(sent: Message, received: Mapping[str, Tensor], factor: float) -> Message:
    return _scaled(sent, received, -factor)


_CHANGES: dict[Kind, Callable[[Message, Mapping[str, Tensor], float], Message]] = {
    "nan": _nan,
    "shapes": _shapes,
    "examples": _examples,
    "flipped": _flipped,
    "scaled": _scaled,
}
