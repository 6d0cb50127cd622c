"""Hostile clients, a setting for demonstrations: they send the opposite, and robust rules withstand them."""

import pytest
import torch

from fedlab_core.clients import HOSTILITY, client_side
from fedlab_core.experiment import Experiment
from fedlab_core.lab import Federation
from fedlab_core.rounds import participants, read, send
from fedlab_core.runs.recipes import recipe
from fedlab_core.simulation import simulate
from fedlab_core.types import Update

TINY = {"data.num_clients": 4, "federation.local_epochs": 1, "model.name": "mlp"}


def sent(experiment: Experiment) -> dict[int, Update]:
    """What the server reads in round 1."""
    federation = Federation.of(experiment)
    server, ctx = federation.initial_state(), federation.context(1)
    downloads = send(federation, server, ctx)
    answers = read(federation, server, downloads, client_side(federation, downloads, ctx))
    assert not answers.dropped, "what a hostile client sends is well formed"
    assert [update.client_id for update in answers.updates] == participants(federation, ctx)
    return {update.client_id: update for update in answers.updates}


@pytest.mark.slow
def test_the_first_clients_send_the_opposite_ten_times_as_large() -> None:
    experiment = Experiment().replace(TINY)
    start = Federation.of(experiment).initial_state().params
    honest, attacked = sent(experiment), sent(experiment.replace({"federation.hostile": 2}))
    for k, name in ((k, name) for k in honest for name in start):
        learned, came = (updates[k].params[name] - start[name] for updates in (honest, attacked))
        torch.testing.assert_close(came, learned * (-HOSTILITY if k < 2 else 1), rtol=1e-4, atol=1e-5)
    assert {k: one.num_examples for k, one in honest.items()} == {k: one.num_examples for k, one in attacked.items()}


@pytest.mark.slow
def test_two_of_twenty_harm_the_mean_and_neither_median_nor_krum() -> None:
    base = recipe("hostile-digits").replace({"federation.rounds": 6})
    robust = {"strategy.name": "robust", "strategy.faulty": 2}
    mean, median, krum, krum_alone, alone = (
        [*simulate(base.replace(changes))][-1].test_accuracy
        for changes in (
            {},
            {**robust, "strategy.rule": "median"},
            {**robust, "strategy.rule": "krum"},
            {**robust, "strategy.rule": "krum", "federation.hostile": 0},
            {"federation.hostile": 0},
        )
    )
    assert mean < alone - 0.5
    assert median > alone - 0.03
    assert krum > krum_alone - 0.03 > mean + 0.5, "the model of one client is worse, with liars or without"
