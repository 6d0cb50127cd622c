"""What an attacker sees, computed a second time by hand and by plain autograd."""

import math
from collections import OrderedDict
from dataclasses import replace

import pytest
import torch
from torch.func import functional_call
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from fedlab_core.models import build_model, init_params
from fedlab_core.privacy.features import answer_features, features, outputs
from fedlab_core.pruning.masks import apply_masks, full_masks, prunable_names, purge
from fedlab_core.types import ServerState, seeded_generator


def test_answers_of_a_classifier_by_hand() -> None:
    logits_NC = torch.tensor([[math.log(3), 0.0], [0.0, math.log(4)]])
    names, values_NF = answer_features(logits_NC, torch.tensor([0, 0]))
    assert names == ("loss", "confidence", "correct")
    assert values_NF.tolist() == [
        pytest.approx([-math.log(3 / 4), 3 / 4, 1]),
        pytest.approx([-math.log(1 / 5), 4 / 5, 0]),
    ]


def test_answers_of_a_regression_by_hand() -> None:
    names, values_NF = answer_features(torch.tensor([[62.0], [50.5]]), torch.tensor([60.0, 53.0]))
    assert names == ("error", "prediction", "target")
    assert values_NF.tolist() == [[2, 62, 60], [2.5, 50.5, 53]]


def test_gradient_norms_of_a_regression_by_hand() -> None:
    """f = w x + b, loss (f - y)^2: its gradient is 2 (f - y) (x, 1)."""
    model = torch.nn.Sequential(OrderedDict(head=torch.nn.Linear(1, 1)))
    server = ServerState({"head.weight": torch.tensor([[3.0]]), "head.bias": torch.tensor([1.0])}, {}, {})
    names, values_NF = features(model, server, torch.tensor([[2.0], [0.0]]), torch.tensor([5.0, 4.0]), "white-box")
    assert names == ("error", "prediction", "target", "gradient of head")
    assert values_NF[:, 3].tolist() == pytest.approx([2 * 2 * math.sqrt(5), 2 * 3])
    without = replace(server, masks={"head.weight": torch.tensor([[False]])})  # only the bias is kept
    _, values_NF = features(model, without, torch.tensor([[2.0]]), torch.tensor([5.0]), "white-box")
    assert values_NF[:, 3].tolist() == pytest.approx([2 * 2])


@pytest.mark.parametrize("name", ["mlp", "cnn6"])
def test_gradient_norms_are_those_of_one_example_at_a_time(name: str) -> None:
    """cnn6 has BatchNorm and dropout: both have to be as in use, or examples would disturb each other."""
    model = build_model(name, (1, 8, 8), 10)
    params, buffers = init_params(model, seeded_generator("init"))
    masks = purge(params, full_masks(params, prunable_names(params)), 0.8)
    server = ServerState(apply_masks(params, masks), buffers, masks)
    x_NI = torch.randn(5, 1, 8, 8, generator=seeded_generator("x"))
    y_N = torch.arange(5)
    names, values_NF = features(model, server, x_NI, y_N, "white-box")
    layers = dict.fromkeys(key.rpartition(".")[0] for key in params)
    assert names[3:] == tuple(f"gradient of {layer}" for layer in layers)
    for row_F, x_I, y in zip(values_NF, x_NI, y_N, strict=True):
        leaves = {key: weight.clone().requires_grad_() for key, weight in server.params.items()}
        loss = F.cross_entropy(functional_call(model.eval(), {**leaves, **buffers}, (x_I[None],)), y[None])
        loss.backward()
        assert float(row_F[0]) == pytest.approx(loss.item(), rel=1e-4)
        for layer, norm in zip(layers, row_F[3:].tolist(), strict=True):
            own = [key for key in params if key.rpartition(".")[0] == layer]
            kept = [leaves[key].grad * masks.get(key, torch.tensor(True)) for key in own]
            assert norm == pytest.approx(float(torch.cat([grad.flatten() for grad in kept]).norm()), rel=1e-3)


def test_looking_changes_nothing() -> None:
    model = build_model("cnn6", (1, 8, 8), 10)
    server = ServerState(*init_params(model, seeded_generator("init")), {})
    before = server.sha256()
    x_NI = torch.randn(6, 1, 8, 8, generator=seeded_generator("x"))
    together = features(model, server, x_NI, torch.arange(6), "white-box").values_NF
    assert server.sha256() == before
    assert together[:1].tolist()[0] == pytest.approx(
        features(model, server, x_NI[:1], torch.arange(1), "white-box").values_NF.tolist()[0], rel=1e-3
    )
    assert outputs(model, server, x_NI).shape == (6, 10)
