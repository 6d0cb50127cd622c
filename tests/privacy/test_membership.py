"""Membership inference: who is shown to whom, and what attacks find where nothing is, and where much is."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from fedlab_core.data.datasets import Dataset
from fedlab_core.data.federated import PARTITIONS, federate
from fedlab_core.experiment import Experiment
from fedlab_core.lab import Federation
from fedlab_core.privacy import attack_membership, attacks, auc_chance_std, draw_suspects, features
from fedlab_core.privacy.membership import MOST_CLIENTS, Attack, low_tpr
from fedlab_core.rounds import initial_record, run_round
from fedlab_core.types import RoundRecord, ServerState, seeded_generator

PER_CLIENT = 20
EXPERIMENT = Experiment().replace(
    {
        "data.partition": "iid",
        "data.num_clients": 4,
        "model.name": "mlp",
        "federation.rounds": 6,
        "federation.local_epochs": 10,
        "federation.learning_rate": 0.1,
    }
)


def random_labels(federation: Federation) -> Federation:
    """All labels, of training and of test data, drawn anew: what a model knows of them, it knows by heart."""
    dataset = federation.data.dataset
    drawn = [
        torch.randint(10, y_N.shape, generator=seeded_generator("labels", len(y_N)))
        for y_N in (dataset.y_train_N, dataset.y_test_N)
    ]
    dataset = replace(dataset, y_train_N=drawn[0], y_test_N=drawn[1])
    return replace(federation, data=replace(federation.data, dataset=dataset).at_most(PER_CLIENT))


@pytest.fixture(scope="module")
def memorised() -> tuple[Federation, list[RoundRecord]]:
    federation = random_labels(Federation.of(EXPERIMENT))
    records = [initial_record(federation)]
    for round in range(1, EXPERIMENT.federation.rounds + 1):
        records.append(run_round(federation, records[-1].state, federation.context(round)))
    return federation, records


@pytest.mark.parametrize("access", ["black-box", "white-box"])
def test_an_untrained_model_gives_nothing_away(access) -> None:
    federation = Federation.of(EXPERIMENT)
    report = attack_membership(federation, federation.initial_state(), access=access)
    assert report.suspects > 2 * 350  # almost the whole test set, and as many training examples
    deviation = auc_chance_std(90, 90)  # of one pair; a mean over pairs varies no more
    assert report.auc == pytest.approx(0.5, abs=2 * deviation)
    assert report.accuracy == pytest.approx(0.5, abs=2 * deviation)
    assert report.roc[1] == report.tpr_at_low_fpr
    assert report.roc[100] == 1
    assert all(before <= after for before, after in pairwise(report.roc))


@pytest.mark.parametrize("access", ["black-box", "white-box"])
def test_a_model_that_knows_its_examples_by_heart_gives_them_away(memorised, access) -> None:
    federation, records = memorised
    report = attack_membership(federation, records[-1].state, access=access)
    assert report.train_score > 0.9
    assert report.test_score < 0.25
    assert report.generalisation_gap == report.train_score - report.test_score
    assert report.auc > 0.9
    assert report.accuracy > 0.8
    assert (report.clients, report.suspects) == (4, 4 * 2 * PER_CLIENT)
    assert report.tpr_at_low_fpr is None  # three others with twenty non-members each are too few


def test_several_rounds_lie_side_by_side(memorised) -> None:
    federation, records = memorised
    last, both = (attack_membership(federation, *(r.state for r in few)) for few in (records[-1:], records[-2:]))
    assert last.features == ("loss", "confidence", "correct")
    assert both.features == last.features * 2
    assert both.auc > 0.9
    assert both.generalisation_gap == last.generalisation_gap
    with pytest.raises(ValueError, match="at least one round"):
        attack_membership(federation)


def numbered(train: int, test: int) -> Dataset:
    """Examples that are their own number; those of the test set count on from those of the training set."""
    x_N = torch.arange(train + test, dtype=torch.float32)[:, None, None, None]
    y_N, names = torch.arange(train + test) % 10, tuple(map(str, range(10)))
    one = torch.ones(1)
    return Dataset("numbers", x_N[:train], y_N[:train], x_N[train:], y_N[train:], names, one, one)


@pytest.mark.parametrize("partition", [name for name in PARTITIONS if name != "feature"])
def test_attackers_learn_from_and_are_asked_about_different_examples(partition: str) -> None:
    data = federate(numbered(400, 150), partition=partition, num_clients=6, seed=1)
    suspects = draw_suspects(data)
    asked = torch.cat([one.x_NI.flatten() for one in suspects.values()])
    assert len(asked) == len(asked.unique())  # nothing is shown twice, neither to one client nor to another
    for client, (x_NI, y_N, member_N) in suspects.items():
        numbers, members = x_NI.flatten().long(), int(member_N.sum())
        assert members == len(y_N) - members == min(len(data.train_indices[client]), len(data.test_indices[client]))
        assert set(numbers[member_N].tolist()) <= set(data.train_indices[client].tolist())
        assert set((numbers[~member_N] - 400).tolist()) <= set(data.test_indices[client].tolist())
        assert torch.equal(y_N, numbers % 10)


def test_of_many_clients_some_are_drawn_and_of_too_few_none() -> None:
    numbers = numbered(800, 400)
    many = federate(numbers, partition="iid", num_clients=30, seed=0)
    drawn = draw_suspects(many)
    assert len(drawn) == MOST_CLIENTS
    assert drawn.keys() != draw_suspects(many, seed=1).keys()
    assert draw_suspects(many, trained=[3, 4, 7]).keys() == {3, 4, 7}
    with pytest.raises(ValueError, match=r"1 client\(s\) took part"):
        draw_suspects(many, trained=[3])
    few = federate(numbered(800, 90), partition="iid", num_clients=30, seed=0)
    with pytest.raises(ValueError, match="have 10 training and test examples"):
        draw_suspects(few)
    with pytest.raises(ValueError, match="at least two"):
        draw_suspects(federate(numbers, partition="iid", num_clients=1, seed=0))


def test_clients_attack_each_other_in_all_ordered_pairs() -> None:
    """Two features, one of which tells all: turning the question round turns scores round."""
    noise_KN = torch.rand(3, 40, generator=seeded_generator("noise")).numpy()
    member_N = np.arange(40) < 20
    values = {k: (np.stack([noise_KN[k], member_N + 0.5 * noise_KN[k]], 1), member_N) for k in range(3)}
    turned = {k: (values_NF, ~members) for k, (values_NF, members) in values.items()}
    made, back = list(attacks(values)), list(attacks(turned))
    assert [(one.attacker, one.target) for one in made] == [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]
    for one, other in zip(made, back, strict=True):
        assert one.score_N == pytest.approx(1 - other.score_N, abs=1e-3)
        assert roc_auc_score(one.member_N, one.score_N) == 1
        assert roc_auc_score(~one.member_N, one.score_N) == 0


def test_a_report_is_the_mean_over_pairs_counted_by_hand(memorised) -> None:
    """The area of a pair: how often a member scores higher than a non-member, ties count half."""
    federation, records = memorised
    server = records[1].state
    values = {}
    for client, (x_NI, y_N, member_N) in draw_suspects(federation.data).items():
        values[client] = (
            features(federation.model, server, x_NI, y_N, "black-box").values_NF.numpy(),
            member_N.numpy(),
        )
    areas, rights = [], []
    for _, _, score_N, member_N in attacks(values):
        higher = score_N[member_N][:, None] - score_N[~member_N]
        areas.append(((higher > 0) + 0.5 * (higher == 0)).mean())
        rights.append(((score_N > 0.5) == member_N).mean())
    report = attack_membership(federation, server)
    assert report.auc == pytest.approx(np.mean(areas))
    assert report.accuracy == pytest.approx(np.mean(rights))
    assert 0.5 < report.auc < 1


def test_every_attacker_faces_all_others_at_few_false_alarms() -> None:
    """Scores of attacker 0 tell all, those of attacker 1 nothing: half of the members are found on average."""
    member_N = np.arange(200) < 100
    made = [Attack(0, 1, member_N.astype(float), member_N), Attack(1, 0, np.ones(200), member_N)]
    assert low_tpr(made) == pytest.approx(0.5)
    few = member_N[50:150]
    assert low_tpr([Attack(0, 1, few.astype(float), few)]) is None
    assert low_tpr([Attack(0, 1, few.astype(float), few), Attack(0, 2, few.astype(float), few)]) == 1


def test_the_gap_of_a_regression_is_how_much_larger_the_error_is_on_new_examples() -> None:
    """y = x, and a model that says x for training data (below 400) and x + 100 for test data."""
    numbers = numbered(400, 150)
    ends = {"group_ends": (100.0, 200.0), "class_names": ("a", "b", "c")}
    dataset = replace(numbers, y_train_N=numbers.x_train_NI.flatten(), y_test_N=numbers.x_test_NI.flatten(), **ends)
    data = federate(dataset, partition="iid", num_clients=4, seed=0)
    model = torch.nn.Sequential(torch.nn.Flatten(), StepUp())
    report = attack_membership(Federation(EXPERIMENT, data, model, {}), ServerState({}, {}, {}))
    assert (report.train_score, report.test_score, report.generalisation_gap) == (0, 100, 100)
    assert report.features == ("error", "prediction", "target")
    assert report.auc == report.accuracy == 1


class StepUp(torch.nn.Module):
    """x below 400, and x + 100 from there on."""

    def forward(self, x_BI: torch.Tensor) -> torch.Tensor:
        return x_BI + 100 * (x_BI >= 400)
