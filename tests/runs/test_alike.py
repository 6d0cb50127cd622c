"""Which runs belong together, and what differs between the others."""

from fedlab_core.experiment import Experiment
from fedlab_core.runs.alike import differing, groups, seeds_of, without_seeds


def test_runs_that_differ_only_in_seeds_belong_together(store, make_record):
    settings = [{}, {"data.alpha": 1.0}, {"federation.seed": 3}, {"data.seed": 4}]
    ids = [store.create(Experiment().replace(changes)) for changes in settings]
    fork = store.create(Experiment(), parent_id=ids[0], parent_round=2, first=make_record(2))
    found = groups(reversed(store.list()))
    assert [[run.run_id for run in group] for group in found] == [[ids[0], ids[2], ids[3]], [ids[1]], [fork]]


def test_the_same_seeds_twice_are_one(store):
    for changes in ({}, {}, {"federation.seed": 3}, {"data.seed": 3}):
        store.create(Experiment().replace(changes))
    assert seeds_of(store.list()) == 3


def test_only_seeds_are_taken_away():
    one = Experiment().replace({"data.seed": 5, "federation.seed": 6, "data.alpha": 2})
    assert without_seeds(one) == Experiment().replace({"data.alpha": 2})


def test_what_differs():
    dense, sparse = Experiment(), Experiment().replace({"strategy.name": "random", "federation.rounds": 5})
    found = differing([dense, sparse, sparse])
    assert found["federation.rounds"] == [30, 5, 5]
    assert found["strategy.name"] == ["fedavg", "random", "random"]
    assert found["strategy.final_sparsity"][0] is None
    assert not [key for key in found if key.startswith(("data.", "model."))]
    assert differing([dense, dense]) == {} == differing([])
