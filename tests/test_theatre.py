"""A round as scenes: they are those of the strategy, and their numbers those of the round, worked out a second time."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from fedlab_core.experiment import Experiment
from fedlab_core.lab import Federation
from fedlab_core.pruning.masks import sparsity
from fedlab_core.simulation import simulate
from fedlab_core.strategies import strategy_names
from fedlab_core.theatre import Scene, scenes
from fedlab_core.types import RoundRecord
from tests.cases import model_for

SMALL = {
    "data.num_clients": 5,
    "federation.rounds": 3,
    "federation.local_epochs": 1,
    "federation.batch_size": 64,
    "federation.participation": 0.6,
}


def played(name: str, **settings: Any) -> tuple[Federation, list[RoundRecord]]:
    experiment = Experiment().replace({**SMALL, "strategy.name": name, "model.name": model_for(name), **settings})
    return Federation.of(experiment), list(simulate(experiment))


def shown(federation: Federation, before: RoundRecord, after: RoundRecord, stored: bool = True) -> list[Scene]:
    states = (before.state, after.state) if stored else (None, None)
    return scenes(federation, *states, [before.state.masks, after.state.masks], after.to_json())


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("fedavg", "send train return merge"),
        ("fedprox", "send train return merge"),
        ("fedsparsify-global", "send train return merge purge"),
        ("fedsparsify-local", "send train prune return merge vote"),
        ("dynamic-threshold", "send train prune return merge purge"),
    ],
)
def test_the_steps_are_those_of_the_method(name: str, steps: str) -> None:
    federation, records = played(name, **{"federation.rounds": 2})
    assert " ".join(scene.step for scene in shown(federation, *records[1:])) == steps


@pytest.mark.slow
@pytest.mark.parametrize("name", strategy_names())
def test_numbers_of_every_method_are_those_of_its_rounds(name: str) -> None:
    federation, records = played(name)
    for before, after in pairwise(records):
        found = {scene.step: scene for scene in shown(federation, before, after)}
        assert sum(found["send"].each) == found["send"].total == after.download_bytes
        assert found["return"].total == after.upload_bytes
        assert found["send"].clients == after.clients
        assert sum(found["train"].each) == sum(int(federation.data.sizes[k]) for k in after.clients)
        assert found["send"].server_sparsity == pytest.approx(sparsity(before.state.masks))
        assert found["merge"].values["before"] == after.accuracy_before_purge
        if after.state.masks.keys() == before.state.masks.keys() and not found.keys() & {"vote", "purge"}:
            assert after.sparsity == pytest.approx(found["merge"].server_sparsity)
        for step in found.keys() & {"vote", "purge"}:
            assert found[step].server_sparsity == after.sparsity
            assert found[step].values["after"] == after.test_accuracy


def test_a_vote_by_hand() -> None:
    """Of the three voters two are needed. What goes are the weights that fewer than two have kept."""
    federation, records = played("fedsparsify-local", **{"federation.rounds": 2})
    vote = shown(federation, *records[1:])[-1]
    cast = [votes for name, votes in records[2].state.state.items() if name.startswith("votes/")]
    assert vote.values["votes needed"] == 2
    assert vote.values["pruned"] == sum(int(((votes >= 0) & (votes < 2)).sum()) for votes in cast) > 0
    agreed = sum(int(((votes == 0) | (votes == 3)).sum()) for votes in cast)
    assert vote.values["unanimous"] == agreed / sum(int((votes >= 0).sum()) for votes in cast)


def test_gates_are_told_of() -> None:
    federation, records = played("dynamic-gate", **{"federation.rounds": 1})
    train = shown(federation, *records)[1]
    assert train.values["gated layers"] == 2, "cnn_small has two convolutions"


def test_without_stored_states_nothing_is_made_up() -> None:
    federation, records = played("fedsparsify-local", **{"federation.rounds": 2})
    found = {scene.step: scene for scene in shown(federation, *records[1:], stored=False)}
    assert found["send"].each == ()
    assert "vote" not in found
    assert found["purge"].values["pruned"] > 0


def test_a_round_of_nobody_has_no_scenes() -> None:
    federation, records = played("fedavg", **{"federation.rounds": 1})
    with pytest.raises(ValueError, match="nobody took part in round 0"):
        shown(federation, records[0], records[0])
