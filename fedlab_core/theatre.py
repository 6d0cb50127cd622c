"""One stored round as scenes: what travels, who trains, what is pruned where, how it is merged. Nothing is made up.

Which scenes there are follows from what the strategy does. What a run does not record (the size of a single upload, how
many weights one client has pruned) is given as a mean over the clients, and called so, or left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from fedlab_core.federation.aggregation import votes_needed
from fedlab_core.lab import Federation
from fedlab_core.left_out import is_skipped, merged
from fedlab_core.measures import device_shares, gate_sizes, last_vote
from fedlab_core.metrics import Metric, metric_of
from fedlab_core.rounds import broadcast
from fedlab_core.strategies import Strategy
from fedlab_core.strategies.fedsparsify_local import FedSparsifyLocal
from fedlab_core.types import Masks, ServerState

Step = Literal["send", "train", "prune", "return", "merge", "vote", "purge", "devices"]

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Scene:
    """One step of a round.

    Attributes:
        step: which.
        clients: ids of those who take part.
        num_clients: K, all of the federation.
        server_sparsity: of the server's model, at the end of this step.
        client_sparsity: of the model that a client has, at the end of this step; None where it is not known.
        each: of every client, a number that belongs to the step: bytes (send), examples (train, merge), the share of
            the FLOPs of its sub-network (devices); empty where none is recorded.
        total: bytes of all clients together, where something travels.
        values: further numbers by name, for the sentence and the figures below the picture.
        metric: what `values` has scores of.
    """

    step: Step
    round: int
    clients: tuple[int, ...]
    num_clients: int
    server_sparsity: float
    client_sparsity: float | None
    metric: Metric
    each: tuple[float, ...] = ()
    total: int | None = None
    values: Mapping[str, float] = field(default_factory=dict)


def scenes(
    federation: Federation, before: ServerState | None, after: ServerState | None, masks: Sequence[Masks], row: Row
) -> list[Scene]:
    """The scenes of the round of `row`, in their order.

    Args:
        federation: of the run.
        before: the state after the round before; None where it is not stored: sizes are means over the clients then.
        after: the state after this round; None where it is not stored: neither votes nor sub-networks are known then.
        masks: the global masks after the round before, and after this one.
        row: the round as the store has it.

    Raises:
        ValueError: a round in which nobody took part.
    """
    if not row["clients"]:
        raise ValueError(f"nobody took part in round {row['round']}; allowed is a round in which clients trained")
    then, now = masks
    gone = _sparsity(then)
    strategy, metric = federation.experiment.strategy, metric_of(row)
    known: dict[str, Any] = {
        "clients": tuple(row["clients"]),
        "num_clients": federation.data.num_clients,
        "metric": metric,
    }
    target = {} if row["target_sparsity"] is None else {"target": row["target_sparsity"]}
    prunes = _overrides(strategy, "prune_upload")
    # Clients' own masks are not stored. Where they prune, it is known what they aim at.
    sent = row["target_sparsity"] if prunes else None if _overrides(strategy, "program") else gone

    def scene(step: Step, server: float, client: float | None, **more: Any) -> Scene:
        return Scene(step, row["round"], server_sparsity=server, client_sparsity=client, **known, **more)

    examples = tuple(float(federation.data.sizes[k]) for k in row["clients"])
    gates = {"gated layers": float(len(gate_sizes(after.params)))} if after and gate_sizes(after.params) else {}
    loss = {} if row["train_loss"] is None else {"training loss": row["train_loss"]}
    tested = {"before": row[metric.before_purge]}
    made = [
        scene("send", gone, gone, each=_downloads(federation, before, row), total=row["download_bytes"]),
        scene("train", gone, gone, each=examples, values=loss | gates),
    ]
    if prunes:
        made.append(scene("prune", gone, sent, values=target))
    made.append(scene("return", gone, sent, total=row["upload_bytes"]))
    if is_skipped(row):  # nothing was merged, and nothing was pruned
        return made
    voters = known["clients"] = tuple(merged(row))
    examples = tuple(float(federation.data.sizes[k]) for k in voters)
    votes = _votes(strategy, after, len(voters))
    made.append(scene("merge", gone, sent, each=examples, values=tested))
    changes = _changes(then, now)
    score = {"after": row[metric.test]}
    if votes:
        made.append(scene("vote", row["sparsity"], sent, values=tested | score | votes | changes | target))
    elif target or any(changes.values()):
        made.append(scene("purge", row["sparsity"], sent, values=tested | score | changes | target))
    shares = device_shares(federation, after) if after else []
    if shares:
        each = tuple(shares[1 + k] for k in voters)
        made.append(scene("devices", row["sparsity"], None, each=each, values=score | {"server's FLOPs": shares[0]}))
    return made


def _downloads(federation: Federation, before: ServerState | None, row: Row) -> tuple[float, ...]:
    """Bytes of each client's download, encoded once more from the state that was sent."""
    if before is None:
        return ()
    sent = broadcast(federation, before, row["clients"], federation.context(row["round"]))
    return tuple(float(len(one.payload)) for one in sent)


def _votes(strategy: Strategy, after: ServerState | None, voters: int) -> dict[str, float]:
    """How the clients voted on the weights that were still there; empty where there was no vote."""
    if after is None or not isinstance(strategy, FedSparsifyLocal):
        return {}
    cast = [votes[votes >= 0] for votes in last_vote(after).values()]
    total = sum(votes.numel() for votes in cast)
    if not total:
        return {}
    agreed = sum(int(((votes == 0) | (votes >= voters)).sum()) for votes in cast)
    return {"votes needed": float(votes_needed(voters, strategy.vote)), "unanimous": agreed / total}


def _changes(then: Masks, now: Masks) -> dict[str, float]:
    """How many weights the server's masks lost and gained."""
    if then.keys() != now.keys():
        return {}
    pruned = sum(int((then[name] & ~mask).sum()) for name, mask in now.items())
    grown = sum(int((~then[name] & mask).sum()) for name, mask in now.items())
    return {"pruned": float(pruned), "grown": float(grown)}


def _sparsity(masks: Masks) -> float:
    size = sum(mask.numel() for mask in masks.values())
    return 1 - sum(int(mask.sum()) for mask in masks.values()) / size if size else 0.0


def _overrides(strategy: Strategy, method: str) -> bool:
    """Whether the strategy does something of its own here."""
    return getattr(type(strategy), method) is not getattr(Strategy, method)
