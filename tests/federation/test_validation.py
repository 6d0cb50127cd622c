"""The one entry of all aggregation rules: every refusal, of every rule, in a sentence that names what is wrong."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch

from fedlab_core.federation.admission import not_finite
from fedlab_core.federation.aggregation import holders_mean, majority_vote, mean_buffers, votes_needed, weighted_mean
from fedlab_core.federation.robust import krum, median, trimmed_mean
from fedlab_core.federation.validation import AggregationError
from fedlab_core.types import Update
from tests.federation.updates import update

Rule = Callable[[list[Update]], Any]
RULES: dict[str, Rule] = {
    "weighted mean": weighted_mean,
    "mask-aware mean": holders_mean,
    "majority vote": majority_vote,
    "median": median,
    "trimmed mean": partial(trimmed_mean, faulty=1),
    "Krum": partial(krum, faulty=1),
}
ROBUST = ("median", "trimmed mean", "Krum")
every_rule = pytest.mark.parametrize("name", RULES)


def with_params(params: dict[str, torch.Tensor]) -> Callable[[Update], Update]:
    return lambda sound: replace(
        sound, params=params, masks={name: m for name, m in sound.masks.items() if name in params}
    )


def with_masks(**masks: torch.Tensor) -> Callable[[Update], Update]:
    return lambda sound: replace(sound, masks=masks)


def with_examples(count: Any) -> Callable[[Update], Update]:
    return lambda sound: replace(sound, num_examples=count)


W, KEPT = torch.ones(1, 3), torch.ones(1, 3, dtype=torch.bool)
BAD: dict[str, tuple[Callable[[Update], Update], str]] = {
    "twice": (lambda sound: replace(sound, client_id=3), "client 3 is there twice; one update of each client"),
    "other name": (with_params({"v": W}), r"client 2 has other tensors or masks \('v' is not in both\) than client 1"),
    "one more": (with_params({"w": W, "v": W}), "'v' is not in both"),
    "other shape": (
        lambda sound: replace(sound, params={"w": W.T}, masks={"w": KEPT.T}),
        r"client 2 sent 'w' as torch.float32 \(3, 1\), and as torch.float32 \(1, 3\) client 1",
    ),
    "other type": (with_params({"w": W.double()}), r"client 2 sent 'w' as torch.float64 .* torch.float32 .* client 1"),
    "mask of another shape": (
        with_masks(w=KEPT.T),
        r"client 2 masks 'w' by torch.bool \(3, 1\); allowed is .* \(1, 3\)",
    ),
    "mask of another type": (with_masks(w=W), r"client 2 masks 'w' by torch.float32 .*; allowed is torch.bool"),
    "mask of nothing": (with_masks(w=KEPT, v=KEPT), "client 2 masks 'v', a tensor that it did not send; allowed are w"),
    "no mask": (with_masks(), r"client 2 has other tensors or masks \('w' is not in both\) than client 1"),
    "no examples": (with_examples(0), "client 2 has 0 examples; allowed are whole numbers from 1"),
    "negative examples": (with_examples(-4), "client 2 has -4 examples"),
    "half an example": (with_examples(2.5), r"client 2 has 2.5 examples"),
    "NaN examples": (with_examples(float("nan")), "client 2 has nan examples"),
    "true examples": (with_examples(True), "client 2 has True examples"),
    "NaN": (with_params({"w": torch.tensor([[0.0, torch.nan, 1.0]])}), "client 2 sent 'w' with the value nan; allowed"),
    "infinity": (with_params({"w": torch.tensor([[0.0, 1.0, -torch.inf]])}), "client 2 sent 'w' with the value -inf"),
}


def sound() -> list[Update]:
    return [update(k, [1.0 + k, 2.0, 3.0], examples=k + 1) for k in range(5)]


@every_rule
@pytest.mark.parametrize("bad", BAD)
def test_a_bad_update_is_refused_by_name_wherever_it_stands(name: str, bad: str) -> None:
    spoil, sentence = BAD[bad]
    updates = sound()
    RULES[name](updates)
    updates[2] = spoil(updates[2])
    for order in (updates, updates[::-1]):
        with pytest.raises(AggregationError, match=f"^{name}: .*{sentence}"):
            RULES[name](order)


@pytest.mark.parametrize("bad", BAD)
def test_the_lowest_client_may_be_the_bad_one(bad: str) -> None:
    updates = sound()
    updates[0] = BAD[bad][0](updates[0])
    with pytest.raises(AggregationError, match=r"^weighted mean: client [0-4] "):
        weighted_mean(updates)


@every_rule
def test_nobody_cannot_be_merged(name: str) -> None:
    with pytest.raises(AggregationError, match=f"^{name}: "):
        RULES[name]([])


@pytest.mark.parametrize("name", ["weighted mean", "mask-aware mean", "majority vote"])
def test_unlike_masks_are_for_rules_that_know_masks(name: str) -> None:
    RULES[name]([update(0, [1.0, 2.0], mask=[True, False]), update(1, [1.0, 2.0], mask=[False, True])])


@pytest.mark.parametrize("name", ROBUST)
def test_unlike_masks_are_refused_by_rules_of_order_and_distance(name: str) -> None:
    updates = sound()
    updates[3] = update(3, [1.0, 2.0, 3.0], mask=[True, False, True])
    with pytest.raises(AggregationError, match=f"^{name}: client 3 has pruned other weights of 'w' than client 2"):
        RULES[name](updates)


@pytest.mark.parametrize(
    ("rule", "clients", "faulty", "sentence"),
    [
        (median, 4, 2, r"^median: 4 updates with f = 2 faulty; it needs n >= 2f \+ 1 = 5$"),
        (trimmed_mean, 2, 1, r"^trimmed mean: 2 updates with f = 1 faulty; it needs n >= 2f \+ 1 = 3$"),
        (krum, 4, 1, r"^Krum: 4 updates with f = 1 faulty; it needs n >= 2f \+ 3 = 5$"),
        (krum, 2, 0, r"^Krum: 2 updates with f = 0 faulty; it needs n >= 2f \+ 3 = 3$"),
    ],
)
def test_assumptions_of_a_rule_hold_or_it_is_refused(rule: Any, clients: int, faulty: int, sentence: str) -> None:
    updates = [update(k, [1.0]) for k in range(clients + 1)]
    rule(updates, faulty)
    with pytest.raises(AggregationError, match=sentence):
        rule(updates[:-1], faulty)


@pytest.mark.parametrize("rule", [median, trimmed_mean, krum])
@pytest.mark.parametrize("faulty", [-1, 0.5, True, None])
def test_f_is_a_number_of_clients(rule: Any, faulty: Any) -> None:
    with pytest.raises(AggregationError, match=rf"f, the number of faulty clients, is {faulty!r}; allowed are 0, 1, 2"):
        rule(sound(), faulty)


def test_running_statistics_come_in_by_the_same_entry() -> None:
    updates = sound()
    updates[1].buffers["mean"][0] = torch.nan
    with pytest.raises(AggregationError, match="client 1 sent 'mean' with the value nan"):
        mean_buffers(updates)


def test_an_unknown_vote_is_refused() -> None:
    with pytest.raises(AggregationError, match="its rule is 'half'; allowed are strict, floor"):
        votes_needed(3, "half")


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_a_sum_that_overflows_is_no_infinity(dtype: torch.dtype) -> None:
    large = torch.full((8,), torch.finfo(dtype).max, dtype=dtype)
    assert not large.sum().isfinite()
    assert not_finite({"w": large}) == ""
    assert not_finite({"w": large, "v": torch.tensor([torch.inf, -torch.inf])}) == "v"
    assert not_finite({"n": torch.tensor([2**62]), "m": torch.tensor([True]), "e": torch.zeros(0)}) == ""
