"""Who comes next: the rule as examples, and as laws."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from fedlab_core.runs.fair import Waiting, fair_order

RUNS = st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=12).map(
    lambda runs: [Waiting(str(place), owner, is_cell) for place, (owner, is_cell) in enumerate(runs)]
)
COUNTS = st.dictionaries(st.sampled_from("abc"), st.integers(0, 3))


def order(text, running=None, served=None):
    """ "a a b*": waiting runs by owner, cells with a star; the answer in the same words, with the places of runs."""
    waiting = [Waiting(f"{place}{word}", word[0], word.endswith("*")) for place, word in enumerate(text.split())]
    return " ".join(fair_order(waiting, running or {}, served or {}))


def test_a_single_run_comes_before_all_cells():
    assert order("a* a* a* b") == "3b 0a* 1a* 2a*"
    assert order("a* b", running={"b": 5}) == "1b 0a*"


def test_who_has_fewest_runs_comes_first_and_people_take_turns():
    assert order("a a a b b") == "0a 3b 1a 4b 2a"
    assert order("a a b b", running={"a": 1}) == "2b 0a 3b 1a"


def test_of_equals_who_was_served_least_recently_then_the_oldest():
    assert order("a b c", served={"a": 9, "b": 3, "c": 5}) == "1b 2c 0a"
    assert order("b a") == "0b 1a"


@given(RUNS, COUNTS, COUNTS)
def test_everyone_comes_once_singles_first_and_each_owner_in_order(waiting, running, served):
    by_id = {run.run_id: run for run in waiting}
    taken = [by_id[run_id] for run_id in fair_order(waiting, running, served)]
    assert sorted(taken) == sorted(waiting)
    assert [run.is_cell for run in taken] == sorted(run.is_cell for run in waiting)
    for owner in "abc":
        for kind in (False, True):
            mine = [int(run.run_id) for run in taken if (run.owner, run.is_cell) == (owner, kind)]
            assert mine == sorted(mine)


@given(RUNS, COUNTS)
def test_whoever_comes_next_has_fewest_of_all_who_wait(waiting, running):
    singles = [run for run in waiting if not run.is_cell]
    having, left = Counter(running), Counter(run.owner for run in singles)
    by_id = {run.run_id: run.owner for run in singles}
    for run_id in fair_order(singles, running, {}):
        owner = by_id[run_id]
        assert having[owner] == min(having[one] for one in left if left[one])
        having[owner] += 1
        left[owner] -= 1


@given(RUNS, COUNTS, COUNTS)
def test_taking_the_first_leaves_the_rest_as_it_was(waiting, running, served):
    """A place in the queue is the one at which the run is taken, if nothing else happens."""
    planned = list(fair_order(waiting, running, served))
    if not planned:
        return
    first = next(run for run in waiting if run.run_id == planned[0])
    having = {**running, first.owner: running.get(first.owner, 0) + 1}
    latest = {**served, first.owner: max(served.values(), default=0) + 1}
    rest = [run for run in waiting if run is not first]
    assert list(fair_order(rest, having, latest)) == planned[1:]
