"""The few types that every part of the lab shares.

Shape suffixes used in this package: K clients, N examples, S steps, B batch, I input, C classes.
Units are in names: `upload_bytes`, `dense_flops`, `round_s`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, NamedTuple, Protocol

import torch
from pydantic import Field
from torch import Tensor, nn

Params = dict[str, Tensor]
"""Trainable tensors by name, in the model's own order."""

Buffers = dict[str, Tensor]
"""What a model carries but does not train (running statistics); averaged by the server, never pruned."""

Masks = dict[str, Tensor]
"""Boolean tensors, True = kept. Only prunable names are present. Never inferred from zeros."""

Count = Annotated[int, Field(ge=0, lt=2**63)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Years = Annotated[float, Field(ge=0, allow_inf_nan=False)]
"""Types that say their range: rows that come from a file are checked against them."""


class Batch(NamedTuple):
    """Examples of one step: `x_BI` inputs, `y_B` labels or numbers, `weight_B` the weights of the loss.

    The type of `y_B` says what is learnt: whole numbers are classes (cross-entropy), floating-point numbers are what
    the one output of the model is to be (squared error).

    A full batch has weight 1/B for each example. Where clients of different sizes are stacked, a short batch of
    b examples is filled up with examples of weight 0, the others have 1/b: the loss stays the mean over real ones.
    `noise` holds uniform numbers in [0, 1) for layers that draw at random (dropout), by buffer name.
    """

    x_BI: Tensor
    y_B: Tensor
    weight_B: Tensor
    noise: Mapping[str, Tensor]


class Gradient(NamedTuple):
    """Mean loss of a batch, its gradient for every parameter, and the buffers after the forward pass."""

    loss: Tensor
    grads: Params
    buffers: Buffers


class GradFn(Protocol):
    """Loss and gradient of the model. Supplied by the trainer, so that a client program does not know who runs it."""

    def __call__(
        self, params: Params, buffers: Buffers, batch: Batch, onto: Params | None = None, decay: float = 0.0
    ) -> Gradient:
        """With `onto`, the gradient is added to decay x these tensors, in place, and they come back as `grads`."""


@dataclass(frozen=True)
class RoundContext:
    """Where we are in a run, and the only source of randomness: every draw is a function of round and seed.

    Attributes:
        round: 1-based round; 0 is the state before training.
        num_rounds: rounds of the whole run (T of the schedules).
        seed: seed of the run.
        num_clients: K, of the whole federation.
        model: the architecture, without weights, for methods that look at it.
        layer_flops: forward FLOPs of one example by weight name: what a layer costs, for methods that weigh it.
    """

    round: int
    num_rounds: int
    seed: int
    num_clients: int = field(default=0, compare=False)
    model: nn.Module | None = field(default=None, compare=False, repr=False)
    layer_flops: Mapping[str, int] = field(default_factory=dict, compare=False, repr=False)

    @property
    def architecture(self) -> nn.Module:
        """The model. Raises ValueError where the context was made without one."""
        if self.model is None:
            raise ValueError("this method looks at the model: make the context with `Federation.context`")
        return self.model

    def generator(self, purpose: str, client: int = -1) -> torch.Generator:
        """A fresh generator that depends on seed, round, purpose and client, and on nothing else."""
        return seeded_generator(self.seed, self.round, purpose, client)


def seeded_generator(*key: int | str) -> torch.Generator:
    """A generator seeded by a hash of `key`: different keys give unrelated streams, on every platform."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)


@dataclass(frozen=True)
class Assignment:
    """What client `client_id` downloads: its model, its masks, and extras; every tensor is charged as bytes.

    `memory` is what the client itself has kept from earlier rounds: it does not travel and is not charged.
    """

    client_id: int
    params: Params
    buffers: Buffers
    masks: Masks
    extras: dict[str, Tensor] = field(default_factory=dict)
    memory: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Update:
    """What a client uploads after local training. `num_examples` is n_k; `train_loss` the mean over its steps."""

    client_id: int
    params: Params
    buffers: Buffers
    masks: Masks
    num_examples: int
    train_loss: float
    extras: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class ServerState:
    """All that survives a round; a checkpoint is exactly one of these. Pruned entries of `params` are zero.

    `state` is whatever the strategy remembers, as tensors by name (control variates, a hypernetwork, ...), and what its
    clients do: a run has to be able to go on from here.
    """

    params: Params
    buffers: Buffers
    masks: Masks
    state: dict[str, Tensor] = field(default_factory=dict)

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor under one flat name: `params/..`, `buffers/..`, `masks/..`, `state/..`."""
        groups = {"params": self.params, "buffers": self.buffers, "masks": self.masks, "state": self.state}
        return {f"{group}/{name}": tensor for group, named in groups.items() for name, tensor in named.items()}

    def sha256(self) -> str:
        """Hash over names, types, shapes and bytes of every tensor: equal hash = bit-identical state."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.tensors().items()):
            digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)};".encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()


class Dropped(NamedTuple):
    """A client whose update a round had to do without, and why."""

    client_id: Count
    reason: str


@dataclass(frozen=True, kw_only=True)
class RoundRecord:
    """One round as a person sees it. The test metrics are of the model that is sent NEXT (after any purge).

    A classification has accuracies, a regression mean absolute errors; the others are None (see `metrics.metric_of`).

    Attributes:
        round: 0 is the untrained model; nothing has been sent, unless a client was asked for the first masks.
        clients: ids of the clients that were asked.
        dropped: those of them that did not answer, or sent what cannot be right. Nothing of theirs was merged.
        skipped: nobody was left: nothing was merged, and the model is that of the round before.
        test_loss: of the global model on the whole test set: cross-entropy, or mean squared error in years^2.
        test_accuracy, test_mae: on the same; accuracy in [0, 1], mean absolute error in years.
        accuracy_before_purge, mae_before_purge: the same just before this round's masks were applied.
        worst_client_..., mean_client_..., best_client_...: of the global model on each client's own test split, over
            clients that have one. The worst has the lowest accuracy, or the highest error.
        train_loss: mean of the clients' training loss over their local steps, weighted by examples; None if skipped.
        sparsity: pruned weights / prunable weights of the global model.
        target_sparsity: what the strategy's schedule asks for in this round, None where there is no schedule.
        layer_density: kept / all weights, by prunable tensor.
        upload_bytes, download_bytes: length of the encoded messages of this round, of all clients, as far as they came.
        dense_flops: training FLOPs of the round, of all clients that sent something: 3 x forward (backward counted as
            two forwards), for every example seen, as if no weight were pruned.
        effective_flops: the same, each layer weighted by the density of the masks the client trained under
            ("theoretical": a masked dense network does not run faster).
        round_s: wall time of the round on this machine, evaluation included.
    """

    round: Count
    clients: tuple[Count, ...]
    test_loss: float
    test_accuracy: Fraction | None = None
    accuracy_before_purge: Fraction | None = None
    worst_client_accuracy: Fraction | None = None
    mean_client_accuracy: Fraction | None = None
    best_client_accuracy: Fraction | None = None
    test_mae: Years | None = None
    mae_before_purge: Years | None = None
    worst_client_mae: Years | None = None
    mean_client_mae: Years | None = None
    best_client_mae: Years | None = None
    train_loss: float | None
    sparsity: Fraction
    target_sparsity: Fraction | None
    layer_density: dict[str, Fraction]
    upload_bytes: Count
    download_bytes: Count
    dense_flops: Count
    effective_flops: Count
    round_s: Annotated[float, Field(ge=0)]
    state: ServerState = field(repr=False, compare=False)
    dropped: tuple[Dropped, ...] = ()
    skipped: bool = False

    def to_json(self) -> dict[str, Any]:
        """Every field but the tensors, ready for `json.dumps`."""
        row = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "state"}
        return {**row, "clients": list(self.clients), "dropped": [list(one) for one in self.dropped]}
