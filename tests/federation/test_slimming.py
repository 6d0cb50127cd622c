"""Training the slimmed network gives what training under masks gives, to 1e-10 in float64: every model and trainer."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from fedlab_core.costs.flops import forward_flops
from fedlab_core.data.cohort import LocalData
from fedlab_core.experiment import Experiment
from fedlab_core.federation import slimming
from fedlab_core.federation.programs import ClientProgram, LocalSettings, MaskedSGD
from fedlab_core.federation.slimming import SlimTrainer
from fedlab_core.federation.trainer import TRAINERS, OnStep, Trainer, no_step_hook
from fedlab_core.lab import Federation
from fedlab_core.models import build_model, init_params, noise_shapes
from fedlab_core.pruning.masks import apply_masks, full_masks
from fedlab_core.pruning.units import drop_units, hidden_units
from fedlab_core.rounds import initial_record, run_round
from fedlab_core.strategies import make_strategy
from fedlab_core.types import Assignment, Masks, RoundContext, RoundRecord, Update, seeded_generator
from tests.cases import TRAINING_INPUT, VOLUME_MODELS
from tests.federation.test_trainers import targets

SETTINGS = LocalSettings(local_epochs=2, batch_size=4, learning_rate=0.05, momentum=0.9)
SIZES = (5, 12, 1, 7)
SHAPE = (2, 8, 8)
CTX = RoundContext(3, 10, 7)


class Watched:
    """A trainer that remembers which model it was given."""

    def __init__(self, name: str) -> None:
        self.trainer, self.models = TRAINERS[name](), list[nn.Module]()

    def train(
        self,
        model: nn.Module,
        program: ClientProgram,
        assignments: Sequence[Assignment],
        data: Sequence[LocalData],
        ctx: RoundContext,
        on_step: OnStep = no_step_hook,
    ) -> list[Update]:
        self.models.append(model)
        return self.trainer.train(model, program, assignments, data, ctx, on_step)


def assignments(model: nn.Module, share: float, own_masks: bool) -> list[Assignment]:
    """Channel masks; with `own_masks` every client has lost single weights and a few more units of its own, too."""
    params, buffers = init_params(model, seeded_generator("shared"))
    params = {name: weight.double() + 0.01 * (weight.dim() == 1) for name, weight in params.items()}
    buffers = {name: buffer.double() + 0.1 for name, buffer in buffers.items()}
    units = hidden_units(model)
    shared = drop_units(params, full_masks(params, tuple(params)), share, units)

    def masks(client: int) -> Masks:
        if not own_masks:
            return shared
        generator = seeded_generator("masks", client)
        single = {n: torch.rand(w.shape, generator=generator) < 0.8 for n, w in params.items() if w.dim() > 1}
        more = drop_units(params, shared, share + 0.1 * client, units)
        return more | {name: mask & more[name] for name, mask in single.items()}

    sent = apply_masks(params, shared)
    return [Assignment(client, sent, buffers, masks(client)) for client in range(len(SIZES))]


def data(model: nn.Module, shape: tuple[int, ...] = SHAPE) -> list[LocalData]:
    def local(client: int, size: int) -> LocalData:
        generator = seeded_generator("data", client)
        x_NI = torch.randn(size, *shape, generator=generator, dtype=torch.float64)
        y_N = targets(shape, (size,), generator)
        rows_N = torch.arange(size)
        return LocalData.of(client, (x_NI, y_N, rows_N), 2, 4, noise_shapes(model), CTX)

    return [local(client, size) for client, size in enumerate(SIZES)]


def train(trainer: Trainer, model: nn.Module, program: ClientProgram, given: Sequence[Assignment]) -> list[Update]:
    return trainer.train(model, program, given, data(model), CTX)


def difference(left: Mapping[str, Tensor], right: Mapping[str, Tensor]) -> float:
    assert {n: (t.shape, t.dtype) for n, t in left.items()} == {n: (t.shape, t.dtype) for n, t in right.items()}
    return max((float((left[name] - right[name]).abs().max()) for name in left), default=0.0)


def slim_trainer(name: str, model: nn.Module) -> tuple[SlimTrainer, Watched]:
    watched = Watched(name)
    return SlimTrainer(watched, forward_flops(model, SHAPE)), watched


SLIMMABLE = ("mlp", "cnn_small", "cnn6", "resnet20")
"""A norm of one group mixes all channels of a layer: of resnet20_gn nothing can be cut without changing results."""


@pytest.mark.slow
@pytest.mark.parametrize("own_masks", [False, True], ids=["shared", "own"])
@pytest.mark.parametrize("strategy", ["fedavg", "fedprox"])
@pytest.mark.parametrize("trainer", sorted(TRAINERS))
@pytest.mark.parametrize("name", SLIMMABLE)
def test_slimmed_equals_masked(name: str, trainer: str, strategy: str, own_masks: bool) -> None:
    model = build_model(name, SHAPE, 3)
    program = make_strategy({"name": strategy}).program(SETTINGS)
    # GroupNorm gives up whole groups only: of cnn_small nearly all units go before that happens.
    given = assignments(model, 0.95 if name == "cnn_small" else 0.5, own_masks)
    before = [{**one.params, **one.buffers} for one in given]
    slim, watched = slim_trainer(trainer, model)
    small = train(slim, model, program, given)
    count = [sum(p.numel() for p in m.parameters()) for m in (watched.models[0], model)]
    assert count[0] < 0.8 * count[1]
    for a, b, one in zip(small, train(TRAINERS[trainer](), model, program, given), given, strict=True):
        assert (a.client_id, a.num_examples) == (b.client_id, b.num_examples)
        assert a.train_loss == pytest.approx(b.train_loss, abs=1e-10)
        assert difference(a.params, b.params) < 1e-10
        assert difference(a.buffers, b.buffers) < 1e-10
        assert a.masks is one.masks
    assert all(difference(then, {**now.params, **now.buffers}) == 0 for then, now in zip(before, given, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("trainer", sorted(TRAINERS))
def test_a_step_of_slimmed_mobilenet_equals_one_of_the_masked(trainer: str) -> None:
    """One step of a batch of four: whole runs of such depth amplify any rounding."""
    shape = TRAINING_INPUT["mobilenet_v2"]
    model = build_model("mobilenet_v2", shape, 3)
    program = MaskedSGD(SETTINGS, slimmable=True)
    given = assignments(model, 0.5, own_masks=True)[:2]
    step = [replace(one, order_EN=one.order_EN[:1, :4]) for one in data(model, shape)[:2]]
    watched = Watched(trainer)
    small = SlimTrainer(watched, forward_flops(model, shape)).train(model, program, given, step, CTX)
    count = [sum(p.numel() for p in m.parameters()) for m in (watched.models[0], model)]
    assert count[0] < 0.6 * count[1]
    for a, b, one in zip(small, TRAINERS[trainer]().train(model, program, given, step, CTX), given, strict=True):
        assert a.train_loss == pytest.approx(b.train_loss, abs=1e-10)
        assert difference(a.params, b.params) < 1e-10
        assert difference(a.buffers, b.buffers) < 1e-10
        assert difference(a.params, one.params) > 1e-4


@pytest.mark.parametrize("trainer", sorted(TRAINERS))
def test_networks_for_volumes_are_slimmed_too(trainer: str) -> None:
    shape = VOLUME_MODELS["brain_small"]
    model = build_model("brain_small", shape, 1)
    program = MaskedSGD(replace(SETTINGS, learning_rate=0.001), slimmable=True)
    given, watched = assignments(model, 0.5, True), Watched(trainer)
    small = SlimTrainer(watched, forward_flops(model, shape)).train(model, program, given, data(model, shape), CTX)
    assert [len(layer.weight) for layer in watched.models[0] if isinstance(layer, nn.Conv3d)] == [4, 8, 16, 16, 1]
    whole = TRAINERS[trainer]().train(model, program, given, data(model, shape), CTX)
    for a, b in zip(small, whole, strict=True):
        assert difference(a.params, b.params) < 1e-10
        assert a.train_loss == pytest.approx(b.train_loss, abs=1e-10)


def test_programs_that_do_not_ask_for_it_get_the_whole_model() -> None:
    model = build_model("mlp", SHAPE, 3)
    slim, watched = slim_trainer("loop", model)
    train(slim, model, MaskedSGD(SETTINGS), assignments(model, 0.5, False))
    assert watched.models == [model]


@pytest.mark.parametrize("share", [0.0, 0.03])
def test_a_small_cut_is_not_worth_it(share: float) -> None:
    model = build_model("mlp", SHAPE, 3)
    slim, watched = slim_trainer("fast", model)
    train(slim, model, MaskedSGD(SETTINGS, slimmable=True), assignments(model, share, False))
    assert watched.models == [model]


def test_client_without_examples_returns_what_it_got() -> None:
    model = build_model("cnn6", SHAPE, 3)
    given = assignments(model, 0.5, False)[:1]
    nothing = replace(data(model)[0], order_EN=torch.zeros(2, 0, dtype=torch.int64))
    for name in TRAINERS:
        slim, watched = slim_trainer(name, model)
        (update,) = slim.train(model, MaskedSGD(SETTINGS, slimmable=True), given, [nothing], CTX)
        assert watched.models != [model]
        assert difference(update.params, given[0].params) == difference(update.buffers, given[0].buffers) == 0


FEW = 36
"""Examples of a client: enough for several batches, the last of them not full."""


def records(model: str, trainer: str) -> list[RoundRecord]:
    settings = {
        "strategy.name": "channel-pruning",
        "model.name": model,
        "data.num_clients": 3,
        "federation.rounds": 3,
        "federation.local_epochs": 1,
        "federation.trainer": trainer,
        "federation.momentum": 0.9,
    }
    federation = Federation.of(Experiment().replace(settings))
    few = [indices[:FEW] for indices in federation.data.train_indices]
    narrow = replace(federation.data, dataset=federation.data.dataset.to(torch.float64), train_indices=few)
    federation = replace(federation, data=narrow)
    found = [initial_record(federation)]
    for round in range(1, 4):
        found.append(run_round(federation, found[-1].state, federation.context(round)))
    return found


@pytest.mark.parametrize("trainer", sorted(TRAINERS))
@pytest.mark.parametrize("model", ["mlp", pytest.param("cnn6", marks=pytest.mark.slow)])
def test_whole_runs_are_the_same_with_and_without(model: str, trainer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    slimmed = records(model, trainer)
    monkeypatch.setattr(slimming, "WORTHWHILE", 0.0)
    for a, b in zip(slimmed, records(model, trainer), strict=True):
        assert difference(a.state.params, b.state.params) < 1e-10
        assert difference(a.state.buffers, b.state.buffers) < 1e-10
        assert all(torch.equal(mask, b.state.masks[name]) for name, mask in a.state.masks.items())
        assert (a.upload_bytes, a.download_bytes) == (b.upload_bytes, b.download_bytes)
        assert (a.effective_flops, a.dense_flops) == (b.effective_flops, b.dense_flops)
        assert a.test_accuracy == b.test_accuracy
    assert slimmed[-1].sparsity > 0.85
