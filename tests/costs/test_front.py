"""The Pareto front: by hand, and by its laws."""

from hypothesis import given
from hypothesis import strategies as st

from fedlab_core.costs.front import pareto_front

NUMBERS = st.integers(0, 6).map(float)
POINTS = st.lists(st.tuples(NUMBERS, NUMBERS), max_size=12)


def beats(one, other):
    return one[0] <= other[0] and one[1] >= other[1] and one != other


def test_by_hand():
    #            cheap, poor  middle      beaten      dear, good  same as the first
    points = [(1.0, 0.5), (2.0, 0.7), (2.5, 0.6), (4.0, 0.9), (1.0, 0.5), (4.0, 0.8)]
    assert pareto_front(points) == [0, 4, 1, 3]
    assert pareto_front([]) == []
    assert pareto_front([(3.0, 0.1)]) == [0]


@given(POINTS)
def test_on_the_front_is_exactly_what_nothing_beats(points):
    expected = {place for place, one in enumerate(points) if not any(beats(other, one) for other in points)}
    assert set(pareto_front(points)) == expected


@given(POINTS)
def test_along_the_front_what_costs_more_is_worth_more(points):
    front = [points[place] for place in pareto_front(points)]
    assert front == sorted(front)
    assert [gain for _, gain in front] == sorted(gain for _, gain in front)


@given(POINTS.flatmap(lambda points: st.tuples(st.just(points), st.permutations(points))))
def test_the_order_of_points_does_not_matter(both):
    points, mixed = both
    assert [points[p] for p in pareto_front(points)] == [mixed[p] for p in pareto_front(mixed)]
