"""What is looked at in a stored state: overlaps of what is open, sub-networks of devices, answers."""

import pytest
import torch

from fedlab_core.experiment import Experiment
from fedlab_core.lab import Federation
from fedlab_core.measures import (
    Answers,
    client_answers,
    client_scores,
    device_masks,
    dominant_labels,
    open_overlap,
)
from fedlab_core.runs.recipes import recipe

SHORT = {"federation.rounds": 1, "data.num_clients": 3, "strategy.prune_after": 0.5}


def test_open_channels_overlap_as_intersection_over_union_where_shares_are_0_or_1() -> None:
    frequency_KC = torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.0, 0.0, 0.0]])
    overlap_KK = open_overlap(frequency_KC)
    assert overlap_KK[0, 1] == 0.5
    assert overlap_KK[0, 2] == 1 / 2.5
    assert overlap_KK.diagonal().tolist() == [1, 1, 1, 1]
    assert overlap_KK[0, 3] == 0


def test_devices_have_sub_networks_once_channels_are_fixed() -> None:
    federation = Federation.of(recipe("dwnp-digits").replace(SHORT))
    server = federation.initial_state()
    assert device_masks(federation, server, 0) == []
    channels = server.state["channels"].clone()
    channels[2, :5] = 0
    server.state["channels"] = channels
    masks = device_masks(federation, server, 1, most=2)
    assert len(masks) == 2
    assert all(mask.all() for mask in masks[0].values())
    assert int((~masks[1]["conv1.weight"]).flatten(1).all(1).sum()) == 5


@pytest.mark.parametrize(
    "settings",
    [
        {"data.partition": "dirichlet", "data.alpha": 0.1},
        {"data.partition": "feature", "data.rotation_degrees": 90},
        {"data.dataset": "brains", "data.partition": "iid"},
        {"strategy.name": "dwnp", "model.name": "cnn_small", "data.partition": "iid"},
    ],
    ids=["labels differ", "images differ", "ages", "sub-networks"],
)
def test_answers_of_each_client_make_its_score(settings: dict[str, object]) -> None:
    federation = Federation.of(Experiment().replace({"data.num_clients": 4, "model.name": "mlp"} | settings))
    server = federation.initial_state()
    if "channels" in server.state:
        server.state["channels"] = server.state["channels"].clone()
        server.state["channels"][2, :10] = 0
    answers, scores = client_answers(federation, server, 1), client_scores(federation, server, 1)
    for client, score in enumerate(scores.tolist()):
        _, truth_N, answer_N = answers.of(client)
        right = (answer_N - truth_N).abs() if truth_N.is_floating_point() else answer_N == truth_N
        assert float(right.double().mean()) == pytest.approx(score, nan_ok=True)


def test_a_confusion_counts_labels_by_answers() -> None:
    answers = Answers(torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 1, 1]), torch.tensor([0, 0, 1, 0]))
    assert answers.of(None).confusion(3).tolist() == [[1, 0, 0], [2, 1, 0], [0, 0, 0]]
    assert answers.of(1).confusion(2).tolist() == [[0, 0], [1, 1]]


def test_the_dominant_label_is_the_one_that_a_client_has_most_of() -> None:
    settings = {"data.partition": "shards", "data.labels_per_client": 1, "data.num_clients": 10, "model.name": "mlp"}
    federation = Federation.of(Experiment().replace(settings))
    expected = {k: str(int(federation.data.train(k)[1][0])) for k in range(10)}
    assert dominant_labels(federation) == expected
