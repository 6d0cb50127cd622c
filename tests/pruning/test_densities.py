"""How a budget is shared among layers."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedlab_core.models import build_model, init_params
from fedlab_core.pruning.densities import DENSITIES, erk, largest, largest_overall, uniform
from fedlab_core.pruning.masks import prunable_names, sparsity

PARAMS, _ = init_params(build_model("cnn6", (3, 32, 32), 10), torch.Generator().manual_seed(0))
NAMES = prunable_names(PARAMS)


def test_erk_by_hand() -> None:
    """Sizes 4 and 100, sums 4 and 20: raw 1 and 0.2. Of 26 kept, 26 / (4 x 1 + 100 x 0.2) = 1.083 is over 1 for the
    small layer, which is dense then; the large one gets the other 22 of 100."""
    params = {"a": torch.zeros(2, 2), "b": torch.zeros(10, 10)}
    assert erk(params, ("a", "b"), 26 / 104) == pytest.approx({"a": 1.0, "b": 0.22})
    assert erk(params, ("a", "b"), 12 / 104) == pytest.approx({"a": 0.5, "b": 0.1})


@given(st.floats(0.001, 1))
def test_the_budget_is_met(density: float) -> None:
    sizes = {name: PARAMS[name].numel() for name in NAMES}
    for share in DENSITIES.values():
        found = share(PARAMS, NAMES, density)
        assert all(0 < value <= 1 for value in found.values())
        assert sum(found[n] * sizes[n] for n in NAMES) == pytest.approx(density * sum(sizes.values()))


def test_erk_spares_small_layers() -> None:
    found = erk(PARAMS, NAMES, 0.1)
    assert found["conv1a.weight"] == 1
    assert found["conv3b.weight"] < 0.1 < found["fc2.weight"]
    assert set(uniform(PARAMS, NAMES, 0.1).values()) == {0.1}


def test_largest_takes_the_largest_and_never_nothing() -> None:
    scores = {"a": torch.tensor([[1.0, 4.0], [3.0, 2.0]]), "b": torch.arange(10.0)}
    masks = largest(scores, {"a": 0.5, "b": 0.001})
    assert masks["a"].tolist() == [[False, True], [True, False]]
    assert masks["b"].nonzero().tolist() == [[9]]
    magnitudes = {name: PARAMS[name].abs() for name in NAMES}
    assert sparsity(largest(magnitudes, erk(PARAMS, NAMES, 0.2))) == pytest.approx(0.8, abs=1e-5)


@pytest.mark.parametrize("density", [0.0, -0.1, 1.1])
def test_a_density_that_cannot_be_is_refused(density: float) -> None:
    with pytest.raises(ValueError, match="allowed is 0 < density <= 1"):
        erk(PARAMS, NAMES, density)


@given(st.integers(0, 10))
def test_exactly_so_many_of_all_tensors_are_kept_whatever_the_ties(count: int) -> None:
    scores = {"a": torch.tensor([[1.0, 2.0], [2.0, 2.0]]), "b": torch.tensor([2.0, 0.0, 0.0, 0.0, 3.0, 0.0])}
    masks = largest_overall(scores, count)
    assert sum(int(mask.sum()) for mask in masks.values()) == count
    kept = torch.cat([score[masks[name]] for name, score in scores.items()])
    gone = torch.cat([score[~masks[name]] for name, score in scores.items()])
    assert not len(kept) or not len(gone) or kept.min() >= gone.max()


def test_among_equals_the_first_stay() -> None:
    masks = largest_overall({"a": torch.tensor([[1.0, 2.0], [2.0, 2.0]]), "b": torch.tensor([2.0])}, 2)
    assert masks["a"].tolist() == [[False, True], [True, False]]
    assert masks["b"].tolist() == [False]
