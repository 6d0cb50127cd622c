"""What cannot be is refused before anything is drawn, what can be is not, and the nearest value offered works."""

import re
from itertools import combinations, product

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from fedlab_core.data.feasibility import PartitionError, num_holders
from fedlab_core.data.partition import PARTITIONS, check_feasible, shards
from fedlab_core.types import seeded_generator

Y_N = torch.arange(600) % 10
LABEL_SIZES = st.lists(st.integers(1, 5), min_size=1, max_size=4)


def labels_of(size_C: list[int]) -> torch.Tensor:
    return torch.arange(len(size_C)).repeat_interleave(torch.tensor(size_C))


def exists(size_C: list[int], num_clients: int, labels_per_client: int) -> bool:
    """By trying everything: each client chooses its labels, each label is chosen by one client up to its size."""
    choices = list(combinations(range(len(size_C)), labels_per_client))
    for chosen in product(choices, repeat=num_clients):
        holders = [sum(c in choice for choice in chosen) for c in range(len(size_C))]
        if all(1 <= held <= size for held, size in zip(holders, size_C, strict=True)):
            return True
    return False


@given(size_C=LABEL_SIZES, num_clients=st.integers(1, 4), labels_per_client=st.integers(1, 4))
def test_shards_are_refused_exactly_where_none_exist(
    size_C: list[int], num_clients: int, labels_per_client: int
) -> None:
    y_N = labels_of(size_C)
    if exists(size_C, num_clients, labels_per_client):
        parts = shards(y_N, num_clients, labels_per_client, seeded_generator("shards"))
        assert all(len(y_N[part].unique()) == labels_per_client for part in parts)
        assert torch.equal(torch.cat(parts).sort().values, torch.arange(len(y_N)))
    else:
        with pytest.raises(PartitionError):
            check_feasible(
                y_N, partition="shards", num_clients=num_clients, labels_per_client=labels_per_client, min_size=0
            )


@given(size_C=st.lists(st.integers(1, 400), min_size=1, max_size=12), data=st.data())
def test_labels_are_shared_so_that_the_largest_piece_is_as_small_as_can_be(
    size_C: list[int], data: st.DataObject
) -> None:
    num_clients = data.draw(st.integers(1, 50))
    most_C = [min(num_clients, size) for size in size_C]
    low, high = -(-len(size_C) // num_clients), sum(most_C) // num_clients
    assume(low <= high)
    labels_per_client = data.draw(st.integers(low, high))
    held_C = num_holders(size_C, num_clients, labels_per_client)
    assert sum(held_C) == num_clients * labels_per_client
    assert all(1 <= held <= most for held, most in zip(held_C, most_C, strict=True))
    # No holder could be moved from one label to another to make the larger of their pieces smaller.
    could_gain = [size / held for size, held, most in zip(size_C, held_C, most_C, strict=True) if held < most]
    could_lose = [size / (held - 1) for size, held in zip(size_C, held_C, strict=True) if held > 1]
    assert max(could_gain, default=0) <= min(could_lose, default=float("inf"))


BAD = [
    ({"partition": "even"}, "partition"),
    ({"num_clients": 0}, "num_clients"),
    ({"num_clients": 601}, "num_clients"),
    ({"min_size": 61}, "min_size"),
    ({"min_size": -1}, "min_size"),
    ({"partition": "dirichlet", "alpha": 0.0}, "alpha"),
    ({"partition": "dirichlet", "alpha": float("nan")}, "alpha"),
    ({"partition": "dirichlet", "alpha": float("inf")}, "alpha"),
    ({"partition": "dirichlet", "min_size": 61}, "min_size"),
    ({"partition": "quantity", "size_power": -1.0}, "size_power"),
    ({"partition": "quantity", "min_size": 61}, "min_size"),
    ({"partition": "ranges", "size_ratio": 0.9}, "size_ratio"),
    ({"partition": "ranges", "overlap": 1.5}, "overlap"),
    ({"partition": "ranges", "min_size": 61}, "min_size"),
    ({"partition": "feature", "num_clients": 601}, "num_clients"),
    ({"partition": "shards", "labels_per_client": 0}, "labels_per_client"),
    ({"partition": "shards", "labels_per_client": 11}, "labels_per_client"),
    ({"partition": "shards", "num_clients": 2, "labels_per_client": 3}, "labels_per_client"),
    ({"partition": "shards", "num_clients": 400, "labels_per_client": 2}, "labels_per_client"),
    ({"partition": "shards", "min_size": 61}, "min_size"),
]


@pytest.mark.parametrize(("settings", "field"), BAD)
def test_refusals_name_field_value_and_what_is_allowed(settings: dict[str, object], field: str) -> None:
    asked = {"partition": "iid", "num_clients": 10, **settings}
    with pytest.raises(PartitionError) as caught:
        check_feasible(Y_N, **asked)  # type: ignore[arg-type]
    assert caught.value.field == field
    assert repr(caught.value.value) == repr(asked[field])
    assert str(caught.value) == f"data.{field} is {asked[field]!r}; {caught.value.allowed}"


@pytest.mark.parametrize("partition", PARTITIONS)
@given(num_clients=st.integers(1, 700), labels=st.integers(0, 12), min_size=st.integers(0, 700))
def test_following_the_advice_leads_to_a_partition(
    partition: str, num_clients: int, labels: int, min_size: int
) -> None:
    settings = {"num_clients": num_clients, "labels_per_client": labels, "min_size": min_size}
    for _ in range(4):
        try:
            needed = check_feasible(Y_N, partition=partition, **settings)
        except PartitionError as error:
            settings[error.field] = int(re.findall(r"\d+", error.allowed.removesuffix(" clients"))[-1])
        else:
            break
    parts = PARTITIONS[partition].draw(Y_N, settings["num_clients"], generator=seeded_generator("advice"), **needed)
    assert min(len(part) for part in parts) >= settings["min_size"]


def test_rare_labels_may_rule_out_some_numbers_of_clients() -> None:
    with pytest.raises(
        PartitionError, match=r"data\.num_clients is 2; allowed are 1 and 3 to 3, for some labels are rare"
    ):
        check_feasible(torch.arange(3), partition="shards", num_clients=2)
