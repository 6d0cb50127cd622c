"""What can be looked at in a stored state, beside what every round records."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from fedlab_core.federation.evaluation import evaluate, predict
from fedlab_core.lab import Federation
from fedlab_core.models.gating import open_frequency
from fedlab_core.pruning.budget import ChannelCosts
from fedlab_core.pruning.masks import apply_masks
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


def device_masks(federation: Federation, server: ServerState, round: int, most: int = GATE_CLIENTS) -> list[Masks]:
    """The sub-networks of the first `most` clients after a round; none where all use the global model."""
    ctx, strategy = federation.context(round), federation.experiment.strategy
    found = [strategy.personal(server, k, ctx) for k in range(min(most, federation.data.num_clients))]
    return [masks for masks in found if masks is not None]


def open_overlap(frequency_KC: Tensor) -> Tensor:
    """How much the open channels of every two clients overlap, [K, K]: sum of minima / sum of maxima of their shares.

    Ruzicka's index, which is intersection over union where shares are 0 or 1; 1 where nothing is open. Our reading of
    an overlap of sub-networks that change from image to image.
    """
    least_KK = torch.minimum(frequency_KC[:, None], frequency_KC).sum(-1)
    most_KK = torch.maximum(frequency_KC[:, None], frequency_KC).sum(-1)
    return torch.where(most_KK > 0, least_KK / most_KK.clamp(min=1e-12), 1.0)


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


class Answers(NamedTuple):
    """What clients' own test examples are, and what the model takes them for: client, truth and answer, [N] each.

    Truths and answers are labels (int64), or years (float32).
    """

    client_N: Tensor
    truth_N: Tensor
    answer_N: Tensor

    def of(self, client: int | None) -> Answers:
        """Those of one client; None: all of them."""
        return self if client is None else Answers(*(values[self.client_N == client] for values in self))

    def confusion(self, num_classes: int) -> Tensor:
        """[C, C]: examples by label (rows) and answer (columns). Of labels only."""
        places_N = self.truth_N * num_classes + self.answer_N
        return places_N.bincount(minlength=num_classes**2).view(num_classes, num_classes)


def client_answers(federation: Federation, server: ServerState, round: int) -> Answers:
    """Each client's own test examples, answered under its own sub-network where it has one, as after that round."""
    ctx, data, strategy = federation.context(round), federation.data, federation.experiment.strategy
    rows_N, sizes_K = data.test_rows
    client_N = torch.repeat_interleave(torch.arange(data.num_clients), sizes_K)
    if data.feature_skew is None and strategy.personal(server, 0, ctx) is None:
        outputs_NC = predict(federation.model, server.params, server.buffers, data.dataset.x_test_NI[rows_N])
    else:
        pieces = []
        for client_id in sizes_K.nonzero().flatten().tolist():
            masks = strategy.personal(server, client_id, ctx)
            params = server.params if masks is None else apply_masks(server.params, masks)
            pieces.append(predict(federation.model, params, server.buffers, data.test(client_id)[0]))
        outputs_NC = torch.cat(pieces)
    answer_N = outputs_NC.squeeze(1) if data.dataset.is_regression else outputs_NC.argmax(1)
    return Answers(client_N, data.dataset.y_test_N[rows_N].cpu(), answer_N)


def dominant_labels(federation: Federation) -> dict[int, str]:
    """The label (of a regression, the group of ages) that most training examples of a client have, by client.

    Clients without examples have none; of several labels, the first.
    """
    data = federation.data
    most_K = data.label_counts_KC.argmax(1).tolist()
    return {client: data.dataset.class_names[most_K[client]] for client in data.holders}


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
