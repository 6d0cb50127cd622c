"""Rules that withstand faulty clients: hand-computed numbers, and the laws that the weighted mean breaks."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedlab_core.federation.aggregation import holders_mean, weighted_mean
from fedlab_core.federation.robust import krum, median, most_central, trimmed_mean
from fedlab_core.types import Params, Update, seeded_generator
from tests.federation.updates import update

Rule = Callable[[list[Update]], Params]
ROBUST = {
    "median": partial(median, faulty=2),
    "trimmed": partial(trimmed_mean, faulty=2),
    "krum": partial(krum, faulty=2),
}
EVERY = {"mean": weighted_mean, "holders": holders_mean, **ROBUST}
HONEST, FAULTY = 5, 2
SENT = st.floats(allow_nan=False, allow_infinity=False, width=32)


def drawn(seed: int, count: int = HONEST + FAULTY) -> list[Update]:
    """Honest clients: close to 1, and different."""
    generator = seeded_generator("honest", seed)
    return [update(k, (1 + torch.rand(6, generator=generator)).tolist(), examples=k + 1) for k in range(count)]


def test_median_by_hand() -> None:
    odd = [update(0, [5.0, 1.0]), update(1, [-3.0, 2.0], examples=100), update(2, [4.0, 9.0])]
    assert median(odd)["w"].tolist() == [[4.0, 2.0]]
    even = [*odd, update(3, [6.0, 4.0])]
    assert median(even)["w"].tolist() == [[4.5, 3.0]]  # the mean of the two in the middle, not the lower one


def test_trimmed_mean_by_hand() -> None:
    updates = [update(k, [value]) for k, value in enumerate([10.0, -50.0, 1.0, 2.0, 6.0])]
    assert trimmed_mean(updates, 0)["w"].item() == pytest.approx(-31 / 5)
    assert trimmed_mean(updates, 1)["w"].item() == 3.0  # of 1, 2 and 6
    assert trimmed_mean(updates, 2)["w"].item() == 2.0


def test_krum_by_hand() -> None:
    """On a line at 0, 1, 3, 4.5, 20 with f = 1: to the two nearest others, scores are 10, 5, 6.25, 14.5, 529.25."""
    updates = [update(k, [value]) for k, value in enumerate([0.0, 1.0, 3.0, 4.5, 20.0])]
    assert most_central(updates, 1).client_id == 1
    assert krum(updates, 1)["w"].item() == 1.0
    # Without a faulty one, three neighbours count: 30.25, 17.25, 15.25, 34.75, ...
    assert krum(updates, 0)["w"].item() == 3.0


@pytest.mark.parametrize("order", [("v", "w"), ("w", "v")])
def test_krum_measures_all_tensors_together_and_ties_go_to_the_lowest_id(order: tuple[str, str]) -> None:
    """Client 0 is far away in one tensor and in the middle of the other; the rest are a square: all score 9 + 9."""
    points = [(50.0, 0.0), (3.0, 0.0), (0.0, 3.0), (3.0, 3.0), (0.0, 0.0)]
    updates = [
        replace(
            update(k, []), params={name: torch.tensor([at]) for name, at in zip(order, point, strict=True)}, masks={}
        )
        for k, point in enumerate(points)
    ]
    assert most_central(updates, 1).client_id == 1
    assert most_central(updates[::-1], 1).client_id == 1


@pytest.mark.parametrize("rule", EVERY.values(), ids=EVERY)
@given(seed=st.integers(0, 9), order=st.permutations(range(HONEST + FAULTY)))
def test_order_of_arrival_changes_no_bit(rule: Rule, seed: int, order: list[int]) -> None:
    updates = drawn(seed)
    assert torch.equal(rule(updates)["w"], rule([updates[place] for place in order])["w"])


@pytest.mark.parametrize("rule", EVERY.values(), ids=EVERY)
@given(values=st.lists(SENT, min_size=1, max_size=4))
def test_equal_updates_are_a_fixed_point(rule: Rule, values: list[float]) -> None:
    updates = [update(k, values, examples=k + 1) for k in range(7)]
    assert torch.allclose(rule(updates)["w"], updates[0].params["w"], rtol=1e-6, atol=1e-40)


@pytest.mark.parametrize("rule", ROBUST.values(), ids=ROBUST)
@given(seed=st.integers(0, 9), places=st.permutations(range(7)), sent=st.lists(SENT, min_size=12, max_size=12))
def test_what_few_send_does_not_lead_out_of_the_range_of_the_others(
    rule: Rule, seed: int, places: list[int], sent: list[float]
) -> None:
    """Whoever the two faulty clients are and whatever numbers they send."""
    updates = drawn(seed)
    for k, values in zip(places[:FAULTY], (sent[:6], sent[6:]), strict=True):
        updates[k] = update(k, values, examples=10**9)
    honest = torch.stack([updates[k].params["w"] for k in places[FAULTY:]])
    merged = rule(updates)["w"]
    if rule is not ROBUST["krum"]:
        assert ((honest.min(0).values <= merged) & (merged <= honest.max(0).values)).all()
    assert (merged - 1.5).norm() <= 3  # Krum may take a faulty model, but only one that is as close as an honest one


@pytest.mark.parametrize("factor", [1e3, -1e30])
def test_krum_takes_an_honest_model_where_faulty_ones_are_far_away(factor: float) -> None:
    updates = drawn(0)
    for k in (0, 3):
        updates[k] = replace(updates[k], params={"w": factor * updates[k].params["w"]})
    assert most_central(updates, FAULTY).client_id not in (0, 3)


def test_one_client_leads_the_weighted_mean_anywhere() -> None:
    """What the other rules are for: the mean has no defence, however many are honest."""
    updates = [*drawn(0)[:-1], update(6, [1e6] * 6)]
    for rule in (weighted_mean, holders_mean):
        assert (rule(updates)["w"] > 1e4).all()
    assert (median(updates, 1)["w"] < 2).all()
