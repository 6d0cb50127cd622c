"""The queue of a store: fair shares, places in it, and sweeps that go through it."""

import pytest

from fedlab_core.experiment import Experiment
from fedlab_core.runs.execute import execute_claimed
from fedlab_core.runs.grid import Grid
from fedlab_core.runs.store import RunError, RunStore


@pytest.fixture
def sweep_id(store, tiny):
    """A sweep of three cells, queued."""
    grid = Grid.of(tiny.replace({"federation.rounds": 2}), {"federation.seed": [0, 1, 2]})
    sweep_id = store.create_sweep(grid, name="three", owner="anna")
    store.queue_sweep(sweep_id)
    return sweep_id


def statuses(store, sweep_id):
    return {info.cell: info.status for info in store.list(sweep_id)}


def test_people_take_turns(store):
    ids = [store.create(Experiment(), owner=owner) for owner in ("anna", "anna", "anna", "ben")]
    assert [store.claim() for _ in ids] == [ids[0], ids[3], ids[1], ids[2]]


def test_who_was_served_least_recently_comes_first_when_nothing_runs(store):
    for owner in ("anna", "ben"):
        run_id = store.create(Experiment(), owner=owner)
        assert store.claim() == run_id
        store.leave(run_id, "finished")
    ben, anna = (store.create(Experiment(), owner=owner) for owner in ("ben", "anna"))
    assert [store.claim(), store.claim()] == [anna, ben]


def test_a_sweep_keeps_nobody_waiting(store, sweep_id):
    run_id = store.create(Experiment(), owner="ben")
    assert store.place_in_queue(run_id) == (1, 4, ())
    assert store.any_queued(single=True)
    cell = store.claim(only_cells=True)
    assert store.get(cell).sweep_id == sweep_id
    assert store.claim() == run_id
    assert not store.any_queued(single=True)
    assert store.any_queued()
    assert [store.get(store.claim()).cell for _ in range(2)] == [1, 2]
    assert store.claim() is None


def test_a_place_in_the_queue_is_the_order_in_which_runs_are_taken(store, sweep_id):
    for owner in ("ben", "ben", "anna", "carl"):
        store.create(Experiment(), owner=owner)
    held = store.claim()
    waiting = [info.run_id for info in store.list() if info.status == "queued"]
    places = {run_id: store.place_in_queue(run_id) for run_id in waiting}
    assert {(place.waiting, place.running) for place in places.values()} == {(6, (held,))}
    assert [store.claim() for _ in waiting] == sorted(waiting, key=lambda run_id: places[run_id].position)
    assert store.place_in_queue(held) is None
    assert store.place_in_queue("nobody") is None


def test_a_cell_makes_way_after_a_round_and_goes_on_to_the_same_bytes(store, sweep_id, tiny, tmp_path):
    cell = store.claim()
    single = []
    make_one = lambda record: single or single.append(store.create(tiny))  # noqa: E731 - one expression
    execute_claimed(store, cell, on_record=make_one, make_way=True)
    assert (store.get(cell).status, store.get(cell).rounds_done) == ("queued", 0)
    assert store.claim() == single[0]
    assert store.claim(cell) == cell
    execute_claimed(store, cell, make_way=True)
    assert store.get(cell).status == "finished"
    with RunStore(tmp_path / "other.sqlite") as other:
        alone = other.create(store.get(cell).experiment)
        other.claim(alone)
        execute_claimed(other, alone)
        assert other.state(alone)[1].sha256() == store.state(cell)[1].sha256()


def test_without_being_asked_to_or_as_a_single_run_nothing_makes_way(store, sweep_id, tiny):
    store.create(tiny)
    cell = store.claim(only_cells=True)
    execute_claimed(store, cell)
    assert store.get(cell).status == "finished"
    run_id = store.claim()
    store.create(tiny)
    execute_claimed(store, run_id, make_way=True)
    assert store.get(run_id).status == "finished"


def test_what_is_asked_of_a_run_that_makes_way_is_not_forgotten(store, sweep_id):
    first, second = store.claim(), store.claim()
    store.request(first, "stop")
    store.leave(first, "queued")
    assert store.get(first).status == "stopped"
    store.request(second, "pause")
    store.leave(second, "queued")
    assert (store.get(second).status, store.wish(second)) == ("queued", "pause")


def test_a_sweep_is_stopped_and_goes_on(store, sweep_id):
    assert statuses(store, sweep_id) == {0: "queued", 1: "queued", 2: "queued"}
    held = store.claim()
    store.stop_sweep(sweep_id)
    assert statuses(store, sweep_id) == {0: "running", 1: "stopped", 2: "stopped"}
    assert store.wish(held) == "stop"
    store.leave(held, "finished")
    store.queue_sweep(sweep_id)
    assert statuses(store, sweep_id) == {0: "finished", 1: "queued", 2: "queued"}
    assert all(store.wish(info.run_id) == "run" for info in store.list(sweep_id))
    with pytest.raises(RunError, match="no sweep 'nobody'"):
        store.queue_sweep("nobody")
