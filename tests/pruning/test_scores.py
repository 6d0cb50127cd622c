"""Scores of weights on losses whose derivatives are known by heart."""

import torch
from torch import Tensor

from fedlab_core.pruning.scores import grasp, snip, squared_gradients
from fedlab_core.types import Params

SCALE = torch.tensor([[1.0, 2.0, 4.0]], dtype=torch.float64)
PARAMS = {"w": torch.tensor([[3.0, -1.0, 0.5]], dtype=torch.float64)}


def bowl(params: Params, temperature: float = 1.0) -> Tensor:
    """sum a w^2 / 2: gradient a w, Hessian diag(a)."""
    return (SCALE * params["w"].square()).sum() / 2


def test_snip_is_weight_times_gradient() -> None:
    assert snip(bowl, PARAMS)["w"].tolist() == [[9.0, 2.0, 1.0]]  # |w a w|


def test_grasp_is_weight_times_hessian_times_gradient() -> None:
    assert grasp(bowl, PARAMS)["w"].tolist() == [[9.0, 4.0, 4.0]]  # w a a w


def test_grasp_sees_other_weights_through_the_hessian() -> None:
    """L = u v: g = (v, u), H = [[0, 1], [1, 0]], H g = (u, v), so the scores are (u^2, v^2)."""
    params = {"u": torch.tensor([3.0]), "v": torch.tensor([-2.0])}
    scores = grasp(lambda p, temperature: (p["u"] * p["v"]).sum(), params)
    assert (scores["u"].item(), scores["v"].item()) == (9.0, 4.0)


def test_a_weight_that_the_flow_does_not_depend_on_scores_zero() -> None:
    params = {"w": torch.tensor([3.0]), "b": torch.tensor([5.0])}
    assert grasp(lambda p, temperature: (p["w"].square() + p["b"]).sum(), params)["b"].item() == 0


def test_squared_gradients() -> None:
    assert squared_gradients(bowl, PARAMS)["w"].tolist() == [[9.0, 4.0, 4.0]]


def test_scoring_changes_nothing() -> None:
    before = PARAMS["w"].clone()
    for score in (snip, grasp, squared_gradients):
        score(bowl, PARAMS)
    assert torch.equal(PARAMS["w"], before)
    assert not PARAMS["w"].requires_grad
