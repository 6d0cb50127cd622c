"""`loop` is the reference; `fast` must agree with it to 1e-10 in float64, for every strategy and model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor, nn

from fedlab_core.costs.flops import forward_flops
from fedlab_core.data.cohort import LocalData
from fedlab_core.federation import gradients
from fedlab_core.federation.programs import ClientProgram, LocalSettings, MaskedSGD
from fedlab_core.federation.trainer import FastTrainer, LoopTrainer, Trainer
from fedlab_core.models import InputDropout, build_model, init_params, model_names, noise_shapes
from fedlab_core.pruning.masks import apply_masks
from fedlab_core.strategies import make_strategy
from fedlab_core.types import (
    Assignment,
    Batch,
    Buffers,
    Gradient,
    Params,
    RoundContext,
    ServerState,
    Update,
    seeded_generator,
)
from tests.cases import LARGE_MODELS, PAIRS, TRAINING_INPUT, VOLUME_MODELS, strategies_for

SETTINGS = LocalSettings(local_epochs=2, batch_size=4, learning_rate=0.05, momentum=0.9)
GENTLE = replace(SETTINGS, learning_rate=0.001)
"""For gates, which multiply: a large step makes large differences of small ones."""

SIZES = (5, 9, 1, 4)
"""Ragged on purpose: short last batches, a client with a single example, different numbers of steps."""


def assignment(model: nn.Module, client: int) -> Assignment:
    """A client's model under a mask of its own."""
    generator = seeded_generator("assignment", client)
    params, buffers = init_params(model, seeded_generator("shared"))
    params = {name: weight.double() for name, weight in params.items()}
    masks = {n: torch.rand(w.shape, generator=generator) < 0.6 for n, w in params.items() if w.dim() > 1}
    return Assignment(client, apply_masks(params, masks), {n: b.double() for n, b in buffers.items()}, masks)


def assigned(strategy: str, own: Assignment, ctx: RoundContext) -> Assignment:
    """The same as the strategy would hand it out: with its extras."""
    method = make_strategy({"name": strategy})
    server = ServerState(own.params, own.buffers, own.masks, method.init(own.params, ctx)[1])
    return method.assign(server, own.client_id, ctx)


def local(model: nn.Module, shape: Sequence[int], client: int, size: int, ctx: RoundContext) -> LocalData:
    generator = seeded_generator("data", client)
    x_NI = torch.randn(size, *shape, generator=generator, dtype=torch.float64)
    y_N = targets(shape, (size,), generator)
    return LocalData.of(
        client, (x_NI, y_N, torch.arange(size)), SETTINGS.local_epochs, SETTINGS.batch_size, noise_shapes(model), ctx
    )


def targets(shape: Sequence[int], size: Sequence[int], generator: torch.Generator) -> Tensor:
    """One of three classes, or, of volumes, a number."""
    if len(shape) == 4:
        return torch.randn(*size, generator=generator, dtype=torch.float64)
    return torch.randint(0, 3, size, generator=generator)


def train(
    trainer: Trainer, model: nn.Module, program: ClientProgram, shape: tuple[int, ...], strategy: str = "fedavg"
) -> list[Update]:
    # A round in which clients are asked for gradients, exchange weights, and learn channels.
    ctx = RoundContext(10, 20, 7, len(SIZES), model, forward_flops(model, shape))
    assignments = [assigned(strategy, assignment(model, client), ctx) for client in range(len(SIZES))]
    # Behind BatchNorm, a single example's maps have means of 0 up to rounding: gates that see them are all alike.
    least = 2 if strategy == "dynamic-gate" else 1
    data = [local(model, shape, client, max(size, least), ctx) for client, size in enumerate(SIZES)]
    return trainer.train(model, program, assignments, data, ctx)


def largest_difference(left: Mapping[str, Tensor], right: Mapping[str, Tensor]) -> float:
    assert left.keys() == right.keys()
    return max((float((left[name] - right[name]).abs().max()) for name in left), default=0.0)


def assert_equal_updates(loop: list[Update], fast: list[Update]) -> None:
    for a, b in zip(loop, fast, strict=True):
        assert (a.client_id, a.num_examples) == (b.client_id, b.num_examples)
        assert largest_difference(a.params, b.params) < 1e-10
        assert largest_difference(a.buffers, b.buffers) < 1e-10
        assert a.train_loss == pytest.approx(b.train_loss, abs=1e-10)
        assert all(torch.equal(a.masks[name], b.masks[name]) for name in a.masks)
        assert largest_difference(a.extras, b.extras) < 1e-10


@pytest.mark.slow
@pytest.mark.parametrize(("name", "strategy"), PAIRS)
def test_fast_equals_loop(name: str, strategy: str) -> None:
    model = make_strategy({"name": strategy}).prepare(build_model(name, (2, 8, 8), 3))
    program = make_strategy({"name": strategy}).program(GENTLE if strategy == "dynamic-gate" else SETTINGS)
    loop = train(LoopTrainer(), model, program, (2, 8, 8), strategy)
    fast = train(FastTrainer(), model, program, (2, 8, 8), strategy)
    assert_equal_updates(loop, fast)
    start = assignment(model, 0).params
    assert all(not torch.equal(loop[0].params[n], start[n]) for n in start if n.endswith("weight") and "norm" not in n)


@pytest.mark.parametrize(
    "strategy",
    [
        pytest.param(name, marks=() if name in ("fedavg", "fedsparsify-local") else pytest.mark.slow)
        for name in strategies_for("brain_small")
    ],
)
def test_fast_equals_loop_on_volumes(strategy: str) -> None:
    shape = VOLUME_MODELS["brain_small"]
    model = make_strategy({"name": strategy}).prepare(build_model("brain_small", shape, 1))
    program = make_strategy({"name": strategy}).program(GENTLE)
    loop = train(LoopTrainer(), model, program, shape, strategy)
    assert_equal_updates(loop, train(FastTrainer(), model, program, shape, strategy))
    start = assignment(model, 0).params
    assert all(not torch.equal(loop[0].params[n], start[n]) for n in start if n.endswith("weight"))


@pytest.mark.slow
@pytest.mark.parametrize("name", [*LARGE_MODELS, "brain_cnn"])
def test_gradients_of_large_models(name: str) -> None:
    """Stacked and one by one, the second client with a short batch; whole runs of such depth amplify any rounding."""
    shape = TRAINING_INPUT[name]
    model, generator = build_model(name, shape, 3 if len(shape) == 3 else 1), seeded_generator("large", name)
    params, buffers = ({n: t.double() for n, t in named.items()} for named in init_params(model, generator))
    x_KBI = torch.randn(2, 3, *shape, generator=generator, dtype=torch.float64)
    y_KB, weight_KB = targets(shape, (2, 3), generator), torch.tensor([[2.0] * 3, [3, 3, 0]]) / 6
    twice = {n: torch.stack([t, t]) for n, t in params.items()}, {n: torch.stack([t, t]) for n, t in buffers.items()}
    both = gradients.cohort_gradient(model)(*twice, Batch(x_KBI, y_KB, weight_KB.double(), {}))
    for k, size in enumerate((3, 2)):
        batch = Batch(x_KBI[k, :size], y_KB[k, :size], weight_KB[k, :size].double(), {})
        alone = gradients.client_gradient(model)(params, buffers, batch)
        assert float(both.loss[k]) == pytest.approx(float(alone.loss), rel=1e-10)
        for part in ("grads", "buffers"):
            for n, expected in getattr(alone, part).items():
                assert torch.allclose(getattr(both, part)[n][k], expected, rtol=1e-9, atol=1e-10), n


@pytest.mark.parametrize("name", ["mlp", "cnn_small", "resnet20_gn"])
def test_vmap_fallback_equals_loop(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradients, "has_stacked_form", lambda model: False)
    model = build_model(name, (1, 8, 8), 3)
    loop = train(LoopTrainer(), model, MaskedSGD(SETTINGS), (1, 8, 8))
    assert_equal_updates(loop, train(FastTrainer(), model, MaskedSGD(SETTINGS), (1, 8, 8)))


def test_pruned_weights_stay_zero_in_both() -> None:
    model = build_model("mlp", (1, 8, 8), 3)
    for trainer in (LoopTrainer(), FastTrainer()):
        for update in train(trainer, model, MaskedSGD(SETTINGS), (1, 8, 8)):
            assert all((update.params[name][~mask] == 0).all() for name, mask in update.masks.items())


@dataclass(frozen=True)
class NotElementwise(MaskedSGD):
    """Claims that its step needs one client at a time."""

    elementwise: bool = False


def test_program_that_cannot_be_stacked_runs_one_by_one() -> None:
    model = build_model("mlp", (1, 8, 8), 3)
    loop = train(LoopTrainer(), model, MaskedSGD(SETTINGS), (1, 8, 8))
    fast = train(FastTrainer(), model, NotElementwise(SETTINGS), (1, 8, 8))
    assert all(
        torch.equal(a.params[name], b.params[name]) for a, b in zip(loop, fast, strict=True) for name in a.params
    )


def test_momentum_and_mask_by_hand() -> None:
    """Two steps on a one-weight linear model whose gradient is 1 everywhere."""
    ones = {"w": torch.ones(2, 1)}
    program = MaskedSGD(LocalSettings(1, 1, learning_rate=0.1, momentum=0.5))
    state = program.begin(Assignment(0, ones, {}, {"w": torch.tensor([[True], [False]])}), 2)
    state = state._replace(params={"w": torch.tensor([[1.0], [0.0]])})

    def grad(params: Params, buffers: Buffers, batch: Batch, onto: Params, decay: float) -> Gradient:
        onto["w"].mul_(decay).add_(1)
        return Gradient(torch.tensor(1.0), onto, buffers)

    for _ in range(2):
        state = program.step(state, None, grad, RoundContext(1, 1, 0))  # type: ignore[arg-type]
    assert torch.allclose(state.params["w"], torch.tensor([[1.0 - 0.1 - 0.15], [0.0]]))
    assert program.end(state).train_loss == 1.0


def test_hook_is_called_between_steps_and_may_leave() -> None:
    model, ctx = build_model("mlp", (1, 8, 8), 3), RoundContext(1, 1, 0)

    class Left(Exception):  # noqa: N818 - not an error
        pass

    for trainer, steps in ((LoopTrainer(), 2 * (2 + 3)), (FastTrainer(), 2 * 3)):
        calls: list[int] = []
        data = [local(model, (1, 8, 8), client, size, ctx) for client, size in enumerate((5, 12))]
        work = (model, MaskedSGD(SETTINGS), [assignment(model, client) for client in range(2)], data, ctx)
        trainer.train(*work, on_step=lambda calls=calls: calls.append(1))
        assert len(calls) == steps

        def leave() -> None:
            raise Left

        with pytest.raises(Left):
            trainer.train(*work, on_step=leave)


def test_client_without_examples_returns_what_it_got() -> None:
    model, ctx = build_model("mlp", (1, 8, 8), 3), RoundContext(1, 1, 0)
    for trainer in (LoopTrainer(), FastTrainer()):
        data = [local(model, (1, 8, 8), client, size, ctx) for client, size in enumerate((0, 5))]
        given = [assignment(model, client) for client in range(2)]
        updates = trainer.train(model, MaskedSGD(SETTINGS), given, data, ctx)
        assert updates[0].num_examples == 0
        assert all(torch.equal(updates[0].params[name], weight) for name, weight in given[0].params.items())
        assert not torch.equal(updates[1].params["fc1.weight"], given[1].params["fc1.weight"])


def test_every_model_of_the_package_has_a_batched_form() -> None:
    shapes = dict.fromkeys(model_names(), (3, 32, 32)) | VOLUME_MODELS
    assert all(gradients.has_stacked_form(build_model(name, shape, 10)) for name, shape in shapes.items())
    assert not gradients.has_stacked_form(nn.Sequential(nn.Tanh()))
    assert not gradients.has_stacked_form(InputDropout(0.5, 3))


class OtherWay(nn.Sequential):
    """A chain by name only."""


ONE_CONV = nn.Conv2d(2, 2, 3, padding=1)
UNUSUAL = {
    "padding by name": nn.Conv2d(2, 3, 3, padding="same"),
    "padding with what is at the other end": nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular"),
    "a norm without weights": nn.GroupNorm(1, 2, affine=False),
    "a norm of volumes with weights": nn.InstanceNorm3d(2, affine=True),
    "a norm of volumes that remembers": nn.InstanceNorm3d(2, track_running_stats=True),
    "a norm that averages over all batches": nn.BatchNorm2d(2, momentum=None),
    "flattened rows only": nn.Flatten(2),
    "means of volumes, several a map": nn.AdaptiveAvgPool3d(2),
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_layers_with_unusual_options_have_no_stacked_form(name: str) -> None:
    assert not gradients.has_stacked_form(nn.Sequential(ONE_CONV, UNUSUAL[name]))


def test_only_a_chain_that_uses_every_layer_once_has_a_stacked_form() -> None:
    assert gradients.has_stacked_form(nn.Sequential(ONE_CONV, nn.ReLU()))
    assert not gradients.has_stacked_form(nn.Sequential(ONE_CONV, ONE_CONV))
    assert not gradients.has_stacked_form(OtherWay(ONE_CONV))
    assert not gradients.has_stacked_form(nn.Sequential(nn.ReLU()))


@pytest.mark.parametrize("padding", [{"padding": "same"}, {"padding": 1, "padding_mode": "circular"}])
def test_a_model_with_unusual_options_is_trained_rightly(padding: dict[str, object]) -> None:
    with torch.device("meta"):
        model = nn.Sequential(nn.Conv2d(1, 3, 3, **padding), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 36, 3))  # type: ignore[arg-type]
    loop = train(LoopTrainer(), model, MaskedSGD(SETTINGS), (1, 6, 6))
    assert_equal_updates(loop, train(FastTrainer(), model, MaskedSGD(SETTINGS), (1, 6, 6)))
