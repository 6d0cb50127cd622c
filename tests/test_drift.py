"""Rounds computed again are the rounds that were; lengths, angles and places are those worked out by hand."""

import math

import pytest
import torch

from fedlab_core.drift import Replay, mean_cosine, measure_drift, replay, spread
from fedlab_core.experiment import Experiment
from fedlab_core.lab import Federation
from fedlab_core.rounds import initial_record, run_round
from fedlab_core.strategies import strategy_class, strategy_names
from fedlab_core.types import ServerState, Update
from tests.cases import model_for

BASE = Experiment().replace(
    {
        "data.num_clients": 4,
        "data.alpha": 0.3,
        "model.name": "mlp",
        "federation.rounds": 3,
        "federation.local_epochs": 1,
        "federation.batch_size": 64,
    }
)


def server(*values: float, kept: tuple[bool, ...] = (True, True, True)) -> ServerState:
    return ServerState({"w": torch.tensor([values])}, {}, {"w": torch.tensor([kept])})


def update(client_id: int, *values: float, kept: tuple[bool, ...] = (True, True, True)) -> Update:
    return Update(client_id, {"w": torch.tensor([values])}, {}, {"w": torch.tensor([kept])}, 1, 0.0)


def made_up() -> Replay:
    """Sent (1, 1, 0): client 0 moves by (3, 0, 0), client 2 by (0, 1, 0), client 5 does not send its first weight."""
    updates = [update(0, 4, 1, 0), update(2, 1, 2, 0), update(5, 0, 2, 0, kept=(False, True, True))]
    return Replay(7, server(1, 1, 0), updates, {"w": torch.tensor([[2.0, 1.0, 0.0]])}, server(2, 1, 0))


def some_quick() -> list[object]:
    """All strategies; three of them in `make quick`."""
    quick = ("fedsparsify-global", "fedsparsify-local", "dynamic-threshold")
    return [name if name in quick else pytest.param(name, marks=pytest.mark.slow) for name in strategy_names()]


@pytest.mark.parametrize("name", some_quick())
def test_a_round_computed_again_is_the_round_that_was(name: str) -> None:
    federation = Federation.of(BASE.replace({"strategy.name": name, "model.name": model_for(name)}))
    records = [initial_record(federation)]
    for round in range(1, 4):
        records.append(run_round(federation, records[-1].state, federation.context(round)))
    again = list(replay(federation, records[1].state, 2, 3))
    assert [one.round for one in again] == [2, 3]
    assert [one.after.sha256() for one in again] == [record.state.sha256() for record in records[2:]]
    assert [tuple(u.client_id for u in one.updates) for one in again] == [record.clients for record in records[2:]]
    first = again[-1].updates[0].masks
    unlike = any(not torch.equal(u.masks[name], first[name]) for u in again[-1].updates for name in first)
    personal = federation.experiment.strategy.personal(records[-1].state, 0, federation.context(3)) is not None
    assert unlike == (strategy_class(name).clients_choose or personal)


@pytest.mark.parametrize("rounds", [(0, 1), (3, 2), (1, 4)])
def test_rounds_that_are_none_are_refused(rounds: tuple[int, int]) -> None:
    federation = Federation.of(BASE)
    with pytest.raises(ValueError, match="allowed is 1 <= first <= last <= 3"):
        next(replay(federation, federation.initial_state(), *rounds))


def test_lengths_and_angles_are_those_of_the_weights_that_were_sent() -> None:
    drift = measure_drift([made_up()])
    assert (drift.rounds_N, drift.clients_N, drift.rounds_R) == ([7, 7, 7], [0, 2, 5], [7])
    assert drift.norm_N.tolist() == [3, 1, 1]
    assert drift.cosine_N.tolist() == [1, 0, 0]
    assert drift.step_norm_R.tolist() == [1]


def test_a_client_that_does_not_move_has_no_angle() -> None:
    still = made_up()._replace(updates=[update(0, 1, 1, 0)])
    drift = measure_drift([still])
    assert drift.cosine_N.isnan().all()
    assert drift.point_N2.tolist() == [[0, 0]]
    assert drift.explained_2 == (0, 0)


def test_axes_hold_all_of_updates_that_lie_on_a_line() -> None:
    """Updates (3, 0), (0, 1), (0, 1): a line along (3, -1) / sqrt 10. The step (1, 0) is (2, 0) from the first."""
    drift = measure_drift([made_up()])
    assert sum(drift.explained_2) == pytest.approx(1)
    gaps_NN = torch.cdist(drift.point_N2, drift.point_N2)
    assert gaps_NN[0].tolist() == pytest.approx([0, 10**0.5, 10**0.5])
    assert gaps_NN[1, 2] == pytest.approx(0, abs=1e-6)
    assert torch.dist(drift.step_point_R2[0], drift.point_N2[0]) == pytest.approx(6 / 10**0.5)


def test_more_clients_than_fit_are_left_out() -> None:
    assert measure_drift([made_up()], most=2).clients_N == [0, 2]
    with pytest.raises(ValueError, match="replays is empty"):
        measure_drift([])


def test_the_mean_cosine_is_over_pairs_of_clients_that_moved() -> None:
    sent, ways = server(1, 1, 0).params, [update(0, 3, 1, 0), update(1, 1, 5, 0), update(2, 0, 1, 0)]
    assert mean_cosine(sent, ways) == pytest.approx((0 - 1 + 0) / 3)
    assert mean_cosine(sent, [*ways, update(3, 1, 1, 0)]) == pytest.approx(-1 / 3)
    assert mean_cosine(sent, [update(0, 2, 1, 0), update(1, 9, 1, 0)]) == pytest.approx(1)
    assert math.isnan(mean_cosine(sent, ways[:1]))


def test_what_a_client_does_not_send_has_not_moved_its_cosine() -> None:
    sent = server(1, 1, 0).params
    assert mean_cosine(sent, [update(0, 1, 2, 0), update(1, 0, 4, 0, kept=(False, True, True))]) == pytest.approx(1)


def test_the_spread_is_the_distance_to_the_mean_of_the_clients() -> None:
    sent = server(1, 1, 0).params
    assert spread(sent, [update(0, 4, 1, 0), update(1, 0, 1, 0)]) == pytest.approx(2)
    assert spread(sent, [update(0, 4, 1, 0)] * 3) == 0
