"""Membership inference among clients: can client k tell which examples client j has trained on?

Our reading of Gupta et al. 2021 (arXiv 2105.02866), the same group's attack on brain-age models; what exactly the
sparsified ones (arXiv 2208.11669) were attacked with is not known to us. Every client is an attacker in turn. It knows
which examples it has trained on itself, has as many that nobody has trained on, looks at both through the model, and
learns to tell them apart. Then it is shown the examples of another client, members and as many others, none of which
it has learned from. Only clients that took part in the run may be asked about: who did not has no members.

K clients, N examples, I input.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from fedlab_core.data.federated import FederatedData
from fedlab_core.federation.evaluation import example_scores
from fedlab_core.lab import Federation
from fedlab_core.metrics import Metric
from fedlab_core.privacy.features import Access, features, outputs
from fedlab_core.privacy.scores import Numbers, Truths, roc_at, tpr_at
from fedlab_core.types import ServerState, seeded_generator

MOST_CLIENTS, FEWEST_MEMBERS = 20, 10
"""Of more clients than this, so many are drawn: 380 ordered pairs say enough. Clients with fewer members or non-members
than this are left out: what an attack finds on them is mostly chance."""


class Suspects(NamedTuple):
    """Examples of one client of which half were trained on: `member_N` says which."""

    x_NI: Tensor
    y_N: Tensor
    member_N: Tensor


class Attack(NamedTuple):
    """What attacker k says about the suspects of client j: a score, the probability of having been trained on."""

    attacker: int
    target: int
    score_N: Numbers
    member_N: Truths


@dataclass(frozen=True)
class MembershipReport:
    """How well clients recognise each other's training examples, and how over-fitted the model is.

    Attributes:
        accuracy: of the attack, mean over ordered pairs of clients; half of the examples are members: 0.5 is guessing.
        auc: area under the ROC curve, mean over ordered pairs.
        tpr_at_low_fpr: members that are found where at most 1 % of the non-members are accused; mean over attackers,
            each against all other clients together. None where an attacker has fewer than 100 non-members to accuse.
        roc: members that are found where at most 0, 1, ..., 100 % of the non-members are accused; the same mean.
        metric: what the model is measured by.
        train_score, test_score: the metric on all training and all test examples of these clients.
        clients: how many attack each other.
        suspects: examples of these clients that were asked about, members and non-members.
        features: what the attacker looked at.
    """

    accuracy: float
    auc: float
    tpr_at_low_fpr: float | None
    roc: tuple[float, ...]
    metric: Metric
    train_score: float
    test_score: float
    clients: int
    suspects: int
    features: tuple[str, ...]

    @property
    def generalisation_gap(self) -> float:
        """How much better the model is on what it has seen: training minus test accuracy, test minus training error."""
        return self.metric.gain(self.train_score, self.test_score)


def draw_suspects(data: FederatedData, seed: int = 0, trained: Collection[int] | None = None) -> dict[int, Suspects]:
    """For each client, as many of its training examples as of its own test examples, which nobody has trained on.

    Test examples are split among the clients like the training examples, class by class (`federate`), so that members
    and non-members differ as little as training and test sets do, and no non-member is shown twice. Clients with fewer
    than `FEWEST_MEMBERS` of either are left out; of more than `MOST_CLIENTS`, so many are drawn.

    Args:
        data: whose examples.
        seed: of the draws.
        trained: ids of the clients that have trained the model; None: all.

    Raises:
        ValueError: fewer than two clients are left.
    """
    enough = [k for k in data.holders if min(int(data.sizes[k]), len(data.test_indices[k])) >= FEWEST_MEMBERS]
    clients = [k for k in enough if trained is None or k in trained]
    if len(clients) < 2:
        raise ValueError(
            f"{len(clients)} client(s) took part and have {FEWEST_MEMBERS} training and test examples; an attack needs "
            "at least two: one that learns to tell them apart, and one that is attacked"
        )
    order = torch.randperm(len(clients), generator=seeded_generator("membership", "clients", seed)).tolist()
    drawn = sorted(clients[place] for place in order[:MOST_CLIENTS])
    return {client: _suspects(data, client, seed) for client in drawn}


def _suspects(data: FederatedData, client: int, seed: int) -> Suspects:
    generator = seeded_generator("membership", "examples", seed, client)
    seen, unseen = data.train(client), data.test(client)
    count = min(len(seen[1]), len(unseen[1]))
    rows = [torch.randperm(len(y_N), generator=generator)[:count] for _, y_N in (seen, unseen)]
    x_NI = torch.cat([x_NI[row_N] for (x_NI, _), row_N in zip((seen, unseen), rows, strict=True)])
    y_N = torch.cat([y_N[row_N] for (_, y_N), row_N in zip((seen, unseen), rows, strict=True)])
    return Suspects(x_NI, y_N, torch.arange(2 * count) < count)


def attacks(values: Mapping[int, tuple[Numbers, Truths]]) -> Iterator[Attack]:
    """Every client learns from its own examples, and attacks all others.

    Args:
        values: features [N, F] and membership [N] by client.
    """
    for attacker, (own_NF, own_member_N) in values.items():
        classifier = attack_classifier().fit(own_NF, own_member_N)
        for target, (values_NF, member_N) in values.items():
            if target != attacker:
                yield Attack(attacker, target, classifier.predict_proba(values_NF)[:, 1], member_N)


def attack_classifier() -> Pipeline:
    """Logistic regression on standardised features."""
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))


def attack_membership(
    federation: Federation,
    *states: ServerState,
    access: Access = "black-box",
    seed: int = 0,
    trained: Collection[int] | None = None,
    on_client: Callable[[], object] = lambda: None,
) -> MembershipReport:
    """Attack the global model, or what was seen of it in several rounds.

    Args:
        federation: whose data the model was trained on.
        states: of one or more rounds; features of several are laid side by side. The gap is that of the last.
        access: black-box, the attacker sees answers; white-box, also the gradient of each example's loss.
        seed: of which examples, and of many clients which ones, are drawn.
        trained: ids of the clients that took part in the run; None: all.
        on_client: called when the model has been asked about the examples of one more client.

    Raises:
        ValueError: no state, or fewer than two clients to ask about (`draw_suspects`).
    """
    if not states:
        raise ValueError("attack_membership needs the state of at least one round")
    suspects = draw_suspects(federation.data, seed, trained)
    values: dict[int, tuple[Numbers, Truths]] = {}
    names: tuple[str, ...] = ()
    for client, (x_NI, y_N, member_N) in suspects.items():
        seen = [features(federation.model, server, x_NI, y_N, access) for server in states]
        names = sum((part.names for part in seen), ())
        values[client] = (torch.cat([part.values_NF for part in seen], 1).numpy(), member_N.numpy())
        on_client()
    made = list(attacks(values))
    clients = list(suspects)
    return MembershipReport(
        accuracy=fmean(float(((one.score_N > 0.5) == one.member_N).mean()) for one in made),
        auc=fmean(float(roc_auc_score(one.member_N, one.score_N)) for one in made),
        tpr_at_low_fpr=low_tpr(made),
        roc=mean_roc(made),
        metric=federation.data.dataset.metric,
        train_score=_score(federation, states[-1], [federation.data.train(client) for client in clients]),
        test_score=_score(federation, states[-1], [federation.data.test(client) for client in clients]),
        clients=len(clients),
        suspects=sum(len(one.y_N) for one in suspects.values()),
        features=names,
    )


def low_tpr(made: Sequence[Attack]) -> float | None:
    """`tpr_at` 1 %, mean over attackers, each against all others together: one client has too few non-members."""
    rates = [tpr_at(member_N, score_N) for member_N, score_N in _by_attacker(made)]
    return None if None in rates else fmean(rate for rate in rates if rate is not None)


def mean_roc(made: Sequence[Attack]) -> tuple[float, ...]:
    """`roc_at`, mean over attackers, each against all others together."""
    mean = np.mean([roc_at(member_N, score_N) for member_N, score_N in _by_attacker(made)], 0)
    return tuple(mean.tolist())


def _by_attacker(made: Sequence[Attack]) -> Iterator[tuple[Truths, Numbers]]:
    """Membership and scores of everybody whom an attacker was shown."""
    for attacker in dict.fromkeys(one.attacker for one in made):
        own = [one for one in made if one.attacker == attacker]
        yield np.concatenate([one.member_N for one in own]), np.concatenate([one.score_N for one in own])


def _score(federation: Federation, server: ServerState, parts: Sequence[tuple[Tensor, Tensor]]) -> float:
    """Accuracy, or mean absolute error, over the examples of several clients."""
    x_NI, y_N = torch.cat([x_NI for x_NI, _ in parts]), torch.cat([y_N for _, y_N in parts])
    return float(example_scores(outputs(federation.model, server, x_NI), y_N).double().mean())
