"""Accelerators and bfloat16. Without an accelerator, steps still run on a make-believe one that computes nothing but
shapes, and complains where tensors of two devices meet."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torch.utils._pytree import tree_map

from fedlab_core.costs.flops import forward_flops
from fedlab_core.data.cohort import Cohort, LocalData
from fedlab_core.experiment import Experiment
from fedlab_core.federation.devices import available_devices, put
from fedlab_core.federation.gradients import client_gradient, cohort_gradient, in_bfloat16
from fedlab_core.federation.layers import LAYERS
from fedlab_core.federation.norms import ragged_batch_norm
from fedlab_core.federation.passes import Back, Pass
from fedlab_core.federation.programs import LocalSettings
from fedlab_core.federation.trainer import _stacked
from fedlab_core.lab import Federation
from fedlab_core.models import build_model, init_params, noise_shapes
from fedlab_core.simulation import simulate
from fedlab_core.strategies import make_strategy
from fedlab_core.types import Batch, RoundContext, ServerState, seeded_generator
from tests.cases import PAIRS, SMALL_MODELS

SETTINGS = LocalSettings(local_epochs=1, batch_size=4, learning_rate=0.1, momentum=0.9)
TINY = Experiment().replace({"data.num_clients": 4, "federation.rounds": 2, "federation.local_epochs": 1})
CTX = RoundContext(1, 20, 0)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "strategy"), PAIRS)
def test_a_step_mixes_no_devices(name: str, strategy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def ragged(
        this: Pass, name: str, layer: nn.BatchNorm2d, x: Tensor
    ) -> tuple[Tensor, Back]:  # whether it is depends on data
        return ragged_batch_norm(this, name, layer, this.maps(x), this.batch.weight_B > 0)

    monkeypatch.setitem(LAYERS, nn.BatchNorm2d, ragged)
    method = make_strategy({"name": strategy})
    model = method.prepare(build_model(name, (2, 8, 8), 3))
    params, buffers = init_params(model, seeded_generator("model"))
    masks = {n: torch.rand(w.shape, generator=seeded_generator(n)) < 0.6 for n, w in params.items() if w.dim() > 1}
    ctx = replace(CTX, num_clients=3, model=model, layer_flops=forward_flops(model, (2, 8, 8)))
    server, program = ServerState(params, buffers, masks, method.init(params, ctx)[1]), method.program(SETTINGS)
    stack = tree_map(_stacked, *(program.begin(method.assign(server, k, ctx), 5) for k in range(3)))
    with FakeTensorMode(allow_non_fake_inputs=True) as shapes_only:
        stack = put(tree_map(shapes_only.from_tensor, stack), "cuda")
        x_NI, y_N = torch.empty(9, 2, 8, 8, device="cuda"), torch.zeros(9, dtype=torch.int64, device="cuda")
        rows = (x_NI, y_N, shapes_only.from_tensor(torch.arange(5)))
        cohort = Cohort([LocalData.of(k, rows, 1, 4, noise_shapes(model), CTX) for k in range(3)])
        for grad in (cohort_gradient(model), in_bfloat16(cohort_gradient(model))):
            try:
                after = program.step(stack, cohort.batch(0), grad, ctx)
            except DataDependentOutputException:
                pytest.skip("whether to do more depends on numbers, and these tensors have none")
            assert {tensor.device.type for tensor in after.params.values()} == {"cuda"}


def test_devices_that_meet_are_noticed() -> None:
    with FakeTensorMode() as shapes_only:
        here, there = (shapes_only.from_tensor(torch.ones(2)), torch.ones(2, device="cuda"))
        with pytest.raises(RuntimeError, match="two devices"):
            here + there


def test_a_device_that_is_not_there_is_named() -> None:
    missing = next(name for name in ("cuda", "mps") if name not in available_devices())
    experiment = TINY.replace({"federation.device": missing})
    with pytest.raises(ValueError, match=f"federation.device is '{missing}'; this machine offers cpu"):
        Federation.of(experiment)


@pytest.mark.parametrize("partition", ["dirichlet", "feature"])
@pytest.mark.parametrize("model", SMALL_MODELS)
@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_an_accelerator_agrees_with_the_processor(device: str, model: str, partition: str) -> None:
    if device not in available_devices():
        pytest.skip(f"this machine has no {device}")
    experiment = TINY.replace({"model.name": model, "data.partition": partition})
    for here, there in zip(
        simulate(experiment), simulate(experiment.replace({"federation.device": device})), strict=True
    ):
        assert here.state.masks.keys() == there.state.masks.keys()
        assert here.clients == there.clients
        for name, weight in here.state.params.items():
            assert torch.allclose(weight, there.state.params[name], atol=1e-3), name
        assert here.test_accuracy == pytest.approx(there.test_accuracy, abs=0.02)


# Not resnet20: twenty layers with BatchNorm in between make large differences of small ones.
@pytest.mark.parametrize("name", ["mlp", "cnn_small", "cnn6", "resnet20_gn"])
def test_bfloat16_rounds_the_gradient_and_nothing_else(name: str) -> None:
    model = build_model(name, (2, 8, 8), 3)
    params, buffers = init_params(model, seeded_generator("model"))
    generator = seeded_generator("batch")
    x_BI, y_B = torch.randn(8, 2, 8, 8, generator=generator), torch.randint(0, 3, (8,), generator=generator)
    noise = {n: torch.rand(8, width, generator=generator) for n, width in noise_shapes(model).items()}
    batch = Batch(x_BI, y_B, torch.full((8,), 1 / 8), noise)
    exact = client_gradient(model)(params, buffers, batch)
    alone = in_bfloat16(client_gradient(model))(params, buffers, batch)
    twice = tree_map(lambda tensor: torch.stack([tensor, tensor]), (params, buffers, batch))
    stacked = tree_map(lambda tensor: tensor[1], in_bfloat16(cohort_gradient(model))(*twice).grads)
    flat, *coarse = (torch.cat([g.flatten() for g in grads.values()]) for grads in (exact.grads, alone.grads, stacked))
    for gradient in coarse:
        assert gradient.dtype == torch.float32
        assert 1e-3 < (gradient - flat).norm() / flat.norm() < 0.3  # six layers of it add up
    assert (coarse[0] - coarse[1]).norm() / flat.norm() < 0.02
    assert all(buffer.dtype == buffers[n].dtype for n, buffer in alone.buffers.items())


@pytest.mark.slow
@pytest.mark.parametrize("trainer", ["fast", "loop"])
def test_bfloat16_is_an_option_of_an_experiment(trainer: str) -> None:
    full = TINY.replace({"federation.trainer": trainer})
    *_, exact = simulate(full)
    *_, coarse = simulate(full.replace({"federation.precision": "bfloat16"}))
    assert exact.state.sha256() != coarse.state.sha256()
    assert all(weight.dtype == torch.float32 for weight in coarse.state.params.values())
    assert coarse.train_loss == pytest.approx(exact.train_loss, rel=0.1)
