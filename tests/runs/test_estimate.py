"""The arithmetic of a sweep's time; and one real measurement, of which only the form is checked."""

import pytest

from fedlab_core.experiment import Experiment
from fedlab_core.runs import estimate
from fedlab_core.runs.estimate import START_S, Forecast, Pace, calibrate, in_words, kind, makespan_s, measure
from fedlab_core.runs.execute import Interrupted
from fedlab_core.runs.grid import Grid

PACE = Pace(start_s=1.0, round_s=2.0)


@pytest.fixture(autouse=True)
def alike(monkeypatch):
    """Runs side by side take as long as alone, where a test does not say otherwise."""
    monkeypatch.setattr(estimate, "SIDE_BY_SIDE", 1.0)


def grid(rounds=10, **more):
    base = Experiment().replace({"federation.rounds": rounds})
    return Grid.of(base, {"federation.seed": range(4), **more})


def forecast(cells, processes, done=None):
    return Forecast(cells, done or {}, {kind(cell.experiment): PACE for cell in cells}, processes)


def test_a_run_takes_its_start_and_its_rounds():
    assert PACE.run_s(10) == 21
    assert PACE.run_s(10, done=4) == 12  # its untrained model has been measured


@pytest.mark.parametrize(
    ("durations", "processes", "seconds"),
    [([], 2, 0), ([3], 4, 3), ([1, 1, 1, 1], 2, 2), ([1, 1, 1], 2, 2), ([1, 2, 3], 1, 6), ([5, 1, 1, 1], 2, 5)],
)
def test_who_is_free_takes_the_next_one(durations, processes, seconds):
    assert makespan_s(durations, processes) == seconds


def test_before_the_start():
    cells = grid().cells
    assert forecast(cells, 1).total_s == pytest.approx(START_S + 4 * 21)
    assert forecast(cells, 2).total_s == pytest.approx(START_S + 2 * 21)
    assert forecast(cells, 2, done={0: 10, 1: 5}).total_s == pytest.approx(START_S + 31)  # 0 is done, 1 half
    assert forecast([], 1).total_s == START_S


def test_side_by_side_each_takes_longer(monkeypatch):
    monkeypatch.setattr(estimate, "SIDE_BY_SIDE", 1.5)
    cells = grid().cells
    assert forecast(cells, 1).total_s == pytest.approx(START_S + 4 * 21)
    assert forecast(cells, 2).total_s == pytest.approx(START_S + 2 * 21 * 1.5)


def test_on_the_way_it_goes_on_as_it_went():
    plan = forecast(grid().cells, 2)
    assert plan.remaining_s(0) == pytest.approx(42)
    for place in (0, 1):
        for round in range(11):
            plan.advance(place, round)
        plan.end(place)
    assert plan.remaining_s(START_S + 21) == pytest.approx(21)  # as planned
    slow = plan.remaining_s(START_S + 42)
    assert 21 * 1.8 < slow < 42  # twice as slow as planned
    for place in (2, 3):
        plan.end(place)  # it failed: nothing of it is left
    assert plan.remaining_s(START_S + 43) == 0


def test_one_slow_round_says_little():
    plan = forecast(grid(rounds=100).cells, 1)
    before = plan.remaining_s(START_S)
    plan.advance(0, 0)
    assert plan.remaining_s(START_S + 10) < 1.3 * before  # ten times as slow


def test_what_is_unknown_divides_by_nothing():
    cells = grid().cells
    plan = Forecast(cells, {}, {kind(cell.experiment): Pace(0, 0) for cell in cells}, 2)
    plan.advance(0, 0)
    assert plan.remaining_s(100) == 0


def test_each_kind_of_run_is_measured_once():
    asked = []

    def fake(experiment, look):
        asked.append(experiment.federation.local_epochs)
        return Pace(1, asked[-1])

    cells = grid(**{"strategy.name": ["fedavg"], "federation.local_epochs": [1, 5], "data.seed": [0, 1]}).cells
    paces = calibrate(cells, measure=fake)
    assert asked == [1, 5]
    assert {paces[kind(cell.experiment)].round_s for cell in cells if cell.coordinates["data.seed"]} == {1, 5}
    assert calibrate([]) == {}


def test_beyond_the_budget_the_mean_counts(monkeypatch):
    cells = grid(**{"federation.local_epochs": [1, 3, 5]}).cells
    monkeypatch.setattr(estimate, "BUDGET_S", -1.0)
    paces = calibrate(cells, measure=lambda experiment, look: Pace(1, experiment.federation.local_epochs))
    assert sorted(pace.round_s for pace in paces.values()) == [1, 1, 1]


def test_a_kind_that_fails_at_once_takes_no_time():
    wild = {"federation.learning_rate": [0.05, 10], "federation.momentum": [0.99], "model.name": ["mlp"]}
    paces = calibrate(Grid.of(Experiment().replace({"data.num_clients": 3, "federation.rounds": 2}), wild).cells)
    good, bad = paces.values()
    assert good.start_s > 0
    assert good.round_s > 0
    assert bad == Pace(0, 0)


def test_measuring_can_be_left(tiny):
    def leave():
        raise Interrupted

    with pytest.raises(Interrupted):
        measure(tiny, leave)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "less than 10 s"),
        (12, "about 10 s"),
        (89, "about 90 s"),
        (118, "about 2 min"),
        (3600, "about 60 min"),
        (9000, "about 2.5 h"),
    ],
)
def test_in_words(seconds, words):
    assert in_words(seconds) == words
