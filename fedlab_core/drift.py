"""How clients pull away from each other: rounds of a run computed again, and what each client sent in them.

Uploads are not stored. But a round is a pure function of the state before it, so they can be had again: the state that
comes out is the stored one, which a test checks bit by bit.

R rounds, N uploads of all of them, P numbers of a model.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from sklearn.decomposition import PCA
from torch import Tensor

from fedlab_core.clients import RunClients, client_side
from fedlab_core.lab import Federation
from fedlab_core.rounds import merge, read, send
from fedlab_core.types import Masks, Params, ServerState, Update

MOST_NUMBERS = 5 * 10**7
"""So many numbers of updates are kept at once, 200 MB: of large models fewer clients are looked at."""


class Replay(NamedTuple):
    """A round, computed again.

    Attributes:
        round: which one.
        sent: the server's state before it.
        updates: what came back, in the order of the clients' ids.
        merged: the weights after merging, before the round's masks were applied.
        after: the state after the round.
    """

    round: int
    sent: ServerState
    updates: list[Update]
    merged: Params
    after: ServerState


def replay(
    federation: Federation, server: ServerState, first: int, last: int, run_clients: RunClients = client_side
) -> Iterator[Replay]:
    """Rounds `first` to `last` of a run again, the same bytes on the same machine.

    Args:
        federation: of the run.
        server: the state after round `first` - 1.
        first, last: 1-based.
        run_clients: with as many processes as the run had, for another number may round sums differently.

    Raises:
        ValueError: there are no such rounds.
    """
    if not 1 <= first <= last <= federation.experiment.federation.rounds:
        allowed = f"1 <= first <= last <= {federation.experiment.federation.rounds}"
        raise ValueError(f"rounds {first} to {last} cannot be computed again; allowed is {allowed}")
    for round in range(first, last + 1):
        ctx = federation.context(round)
        downloads = send(federation, server, ctx)
        updates = read(federation, server, downloads, run_clients(federation, downloads, ctx)).updates
        before, after = merge(federation, server, updates, ctx) if updates else (server, server)
        yield Replay(round, server, updates, before.params, after)
        server = after


@dataclass(frozen=True)
class Drift:
    """Where the updates of some rounds point: one entry an upload, in the order of rounds and ids.

    Attributes:
        rounds_N, clients_N: whose upload of which round.
        norm_N: length of the update.
        cosine_N: of the angle between it and the server's step of that round; NaN where one of them has no length.
        point_N2: the update on the two axes along which all these updates spread most.
        rounds_R, step_norm_R, step_point_R2: the server's own step of each round, its length and its place there.
        explained_2: share of the updates' variance along each axis.
    """

    rounds_N: list[int]
    clients_N: list[int]
    norm_N: Tensor
    cosine_N: Tensor
    point_N2: Tensor
    rounds_R: list[int]
    step_norm_R: Tensor
    step_point_R2: Tensor
    explained_2: tuple[float, float]


def measure_drift(replays: Sequence[Replay], most: int = 30) -> Drift:
    """Updates beside the server's step, and all of them in two dimensions (PCA, fitted to the clients' updates).

    Our reading: the update of client k is m_k (w_k - w), over the weights that it sends (mask m_k); what it does not
    send counts as unmoved. The server's step is the merged model minus the one before, before the round's purge, over
    weights that anybody had. Running statistics are no part of it.

    Args:
        replays: at least one round.
        most: clients of a round that are looked at, the first ones; fewer for large models (`MOST_NUMBERS`).

    Raises:
        ValueError: no rounds, or none with updates.
    """
    replays = [one for one in replays if one.updates]  # a skipped round has none
    if not replays:
        raise ValueError("replays is empty, or no update was merged; allowed is one round with updates or more")
    size = sum(weight.numel() for weight in replays[0].sent.params.values())
    most = max(1, min(most, MOST_NUMBERS // (size * len(replays))))
    rounds, clients, rows, steps, cosines = [], [], [], [], []
    for one in replays:
        step_P = _step(one)
        steps.append(step_P)
        for update in one.updates[:most]:
            row_P = _moved(update.params, one.sent.params, update.masks)
            rounds.append(one.round)
            clients.append(update.client_id)
            rows.append(row_P)
            cosines.append(_cosine(row_P, step_P))
    updates_NP, steps_RP = torch.stack(rows), torch.stack(steps)
    point_N2, step_point_R2, explained = _project(updates_NP, steps_RP)
    return Drift(
        rounds,
        clients,
        updates_NP.norm(dim=1),
        torch.tensor(cosines),
        point_N2,
        [one.round for one in replays],
        steps_RP.norm(dim=1),
        step_point_R2,
        explained,
    )


def mean_cosine(sent: Params, updates: Sequence[Update]) -> float:
    """Mean cosine of the angle between the updates of every two clients: 1 where all go the same way.

    Updates are as in `measure_drift`. NaN where fewer than two clients have moved.

    Args:
        sent: the model that the clients received.
        updates: what came back.
    """
    moved_KP = _all_moved(sent, updates)
    length_K1 = moved_KP.norm(dim=1, keepdim=True)
    unit_KP = (moved_KP / length_K1)[length_K1.squeeze(1) > 0]
    first, second = torch.triu_indices(len(unit_KP), len(unit_KP), offset=1)
    return float((unit_KP @ unit_KP.T)[first, second].mean())


def spread(sent: Params, updates: Sequence[Update]) -> float:
    """How far apart the clients' models end up: root of the mean squared distance to their plain mean.

    Args:
        sent: the model that the clients received.
        updates: what came back; at least one.
    """
    moved_KP = _all_moved(sent, updates)
    return float((moved_KP - moved_KP.mean(0)).square().sum(1).mean().sqrt())


def _all_moved(sent: Params, updates: Sequence[Update]) -> Tensor:
    return torch.stack([_moved(update.params, sent, update.masks) for update in updates])


def _moved(params: Params, sent: Params, masks: Masks) -> Tensor:
    """params - sent as one vector [P], zero where `masks` has pruned."""
    moved = {name: params[name].float() - weight.float() for name, weight in sent.items()}
    return torch.cat([(step * masks[name] if name in masks else step).flatten() for name, step in moved.items()])


def _step(one: Replay) -> Tensor:
    """The server's step, [P]: over weights that it sent, or that a client sent back."""
    had = dict(one.sent.masks)
    for update, name in itertools.product(one.updates, had):
        had[name] = had[name] | update.masks[name]
    return _moved(one.merged, one.sent.params, had)


def _cosine(row_P: Tensor, step_P: Tensor) -> float:
    lengths = float(row_P.norm() * step_P.norm())
    return float(row_P @ step_P) / lengths if lengths else float("nan")


def _project(updates_NP: Tensor, steps_RP: Tensor) -> tuple[Tensor, Tensor, tuple[float, float]]:
    """Places of updates and steps on the two main axes, and what each axis explains; zeros where nothing spreads."""
    count = min(2, len(updates_NP) - 1)
    places = [torch.zeros(len(updates_NP), 2), torch.zeros(len(steps_RP), 2)]
    if not count or float(updates_NP.var(0).sum()) == 0:
        return places[0], places[1], (0.0, 0.0)
    pca = PCA(count, svd_solver="full").fit(updates_NP.numpy())
    for place, vectors in zip(places, (updates_NP, steps_RP), strict=True):
        place[:, :count] = torch.from_numpy(pca.transform(vectors.numpy()))
    first, second = [*pca.explained_variance_ratio_.tolist(), 0.0][:2]
    return places[0], places[1], (first, second)
