"""What can be looked at in a stored state, beside what every round records."""

from __future__ import annotations

import torch
from torch import Tensor

from fedlab_core.federation.evaluation import evaluate
from fedlab_core.lab import Federation
from fedlab_core.models.gating import open_frequency
from fedlab_core.pruning.budget import ChannelCosts
from fedlab_core.strategies.fedsparsify_local import VOTES
from fedlab_core.types import Masks, Params, ServerState

GATE_CLIENTS, GATE_EXAMPLES = 30, 100
"""So many clients, and images of each, say which channels are open; more would not fit on a screen."""


def gate_sizes(params: Params) -> dict[str, int]:
    """Channels of every gated layer, by name; none where the model has no gates."""
    bias = ".gate.bias"
    return {name.removesuffix(bias): len(values) for name, values in params.items() if name.endswith(bias)}


def device_channels(federation: Federation, server: ServerState) -> dict[str, Tensor]:
    """Of a DWNP run, which channels of each layer server (row 0) and devices keep, bool [1 + K, C] by weight."""
    if "channels" not in server.state:
        return {}
    costs = ChannelCosts.of_model(federation.model, federation.layer_flops)
    layers = server.state["channels"].bool().split(costs.sizes, 1)
    return {units.weight: kept for units, kept in zip(costs.units, layers, strict=True)}


def last_vote(server: ServerState) -> dict[str, Tensor]:
    """Of a FedSparsify-Local run, the votes that each weight got in the last round, -1 if it was pruned before.

    By weight, int16 in its shape; empty where nobody has voted yet.
    """
    cast = {name.removeprefix(VOTES): votes for name, votes in server.state.items() if name.startswith(VOTES)}
    return cast if any((votes >= 0).any() for votes in cast.values()) else {}


def device_shares(federation: Federation, server: ServerState) -> list[float]:
    """Of a DWNP run, the share of the FLOPs that the server's network (first) and each device's sub-network keep."""
    if "channels" not in server.state:
        return []
    costs = ChannelCosts.of_model(federation.model, federation.layer_flops)
    return [float(costs.share(costs.split(row.float()))) for row in server.state["channels"]]


def client_scores(federation: Federation, server: ServerState, round: int) -> Tensor:
    """How good the model of a round is for each client, [K], as after that round: NaN without test examples.

    On the client's own test examples, under its own sub-network where it has one; accuracy, or mean absolute error.
    """
    ctx = federation.context(round)

    def personal(client_id: int) -> Masks | None:
        return federation.experiment.strategy.personal(server, client_id, ctx)

    return evaluate(federation.model, server.params, server.buffers, federation.data, personal).client_score_K


def client_gates(federation: Federation, server: ServerState, layer: str) -> tuple[list[int], Tensor]:
    """For how many of a client's images each channel of a gated layer is open: ids, and shares [K, C].

    The global model on up to `GATE_EXAMPLES` training images of each of the first `GATE_CLIENTS` clients that have any.
    """
    clients = federation.data.holders[:GATE_CLIENTS]
    rows = []
    for client in clients:
        x_NI, _ = federation.data.train(client)
        rows.append(open_frequency(federation.model, server.params, server.buffers, x_NI[:GATE_EXAMPLES])[layer])
    return clients, torch.stack(rows)
