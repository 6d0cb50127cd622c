"""The slimmed network is the masked one: same outputs, same training, to 1e-10 in float64, on chains of every kind."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.func import functional_call

from fedlab_core.data.cohort import LocalData
from fedlab_core.federation.programs import LocalSettings, MaskedSGD
from fedlab_core.federation.trainer import LoopTrainer
from fedlab_core.models import InputDropout, batch_norm, build_model, init_params, noise_shapes
from fedlab_core.models.gates import Chain, chains, links, smaller
from fedlab_core.pruning.masks import apply_masks
from fedlab_core.pruning.slim import Slimmed, slim
from fedlab_core.types import Assignment, Buffers, Masks, Params, RoundContext, Update, seeded_generator

LOCAL = LocalSettings(local_epochs=2, batch_size=4, learning_rate=0.05, momentum=0.9)
CTX = RoundContext(3, 10, 7)


def chain(seed: int, norms: tuple[str, ...]) -> nn.Sequential:
    """Two convolutions, flattened, two linear layers; norms and their places differ.

    With a fourth norm, there is a depthwise convolution between the two convolutions, and the norm is behind it.
    """
    before_relu = bool(seed % 2)

    def norm(kind: str, units: int) -> list[nn.Module]:
        return {"none": [], "batch": [batch_norm(units)], "group": [nn.GroupNorm(2, units)]}[kind]

    def act(kind: str, units: int) -> list[nn.Module]:
        return [*norm(kind, units), nn.ReLU()] if before_relu else [nn.ReLU(), *norm(kind, units)]

    with torch.device("meta"):
        depthwise = [nn.Conv2d(6, 6, 3, padding=1, groups=6, bias=seed % 5 > 2)] if len(norms) > 3 else []
        return nn.Sequential(
            nn.Conv2d(2, 6, 3, padding=1, bias=seed % 3 > 0),
            *act(norms[0], 6),
            *depthwise,
            *(act(norms[3], 6) if depthwise else []),
            nn.Conv2d(6, 4, 3, stride=1, padding=1),
            *act(norms[1], 4),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(16, 6),
            *act("none" if norms[2] == "batch" else norms[2], 6),
            InputDropout(0.3, 6),
            nn.Linear(6, 3),
        )


def start(model: nn.Module, seed: int) -> tuple[Params, Buffers]:
    """Weights, biases and running statistics that are all different from zero and one."""
    params, buffers = init_params(model, seeded_generator("slim", seed))
    generator = seeded_generator("slim-vectors", seed)

    def shaken(tensor: Tensor) -> Tensor:
        return tensor.double() + 0.3 * torch.rand(tensor.shape, generator=generator, dtype=torch.float64)

    return {n: shaken(t) for n, t in params.items()}, {n: shaken(t) for n, t in buffers.items()}


def unit_masks(params: Params, seed: int, share: float = 0.5) -> Masks:
    """Units lose what makes them, or what reads them, or both, or neither; single weights go here and there.

    Masks of some tensors are missing altogether, as most strategies do not prune vectors.
    """
    generator = seeded_generator("slim-masks", seed)

    def chance(p: float, *shape: int) -> Tensor:
        return torch.rand(shape, generator=generator) < p

    masks = {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in params.items()}
    names = list(params)
    weights = [name for name in names if params[name].dim() > 1]
    depthwise = [name for name in weights if params[name].shape[1] == 1]
    for source, target in pairwise(name for name in weights if name not in depthwise):
        units = len(params[source])
        made, read = chance(share, units), chance(share, units)
        masks[source][made] = False
        for between in names[names.index(source) + 1 : names.index(target)]:
            masks[between][made & chance(0.8, units)] = False
            if between in depthwise:
                masks[between][chance(share / 2, units)] = False
        masks[target].view(len(params[target]), units, -1)[:, read] = False
    for name in weights:
        masks[name] &= ~chance(0.1, *params[name].shape)
    return {name: mask for name, mask in masks.items() if not bool(chance(0.05))}


def local(model: nn.Module, size: int = 10) -> LocalData:
    generator = seeded_generator("slim-data")
    x_NI = torch.randn(size, 2, 4, 4, generator=generator, dtype=torch.float64)
    y_N = torch.randint(0, 3, (size,), generator=generator)
    return LocalData.of(0, (x_NI, y_N, torch.arange(size)), 2, 4, noise_shapes(model), CTX)


def masked(model: nn.Module, params: Params, buffers: Buffers, masks: Masks) -> Update:
    given_ = [Assignment(0, apply_masks(params, masks), buffers, masks)]
    return LoopTrainer().train(model, MaskedSGD(LOCAL), given_, [local(model)], CTX)[0]


def slimmed_training(slimmed: Slimmed, model: nn.Module, params: Params, buffers: Buffers, masks: Masks) -> Update:
    params = apply_masks(params, masks)
    given_ = [Assignment(0, slimmed.cut(params), slimmed.cut(buffers), slimmed.cut(masks))]
    data = replace(local(model), noise_places=slimmed.columns)
    update = LoopTrainer().train(slimmed.model, MaskedSGD(LOCAL), given_, [data], CTX)[0]
    return replace(
        update,
        params=slimmed.restore(update.params, params),
        buffers=slimmed.restore(update.buffers, buffers, steps=len(data.batch_sizes)),
        masks=masks,
    )


def difference(left: Update, right: Update) -> float:
    pairs = [(left.params, right.params), (left.buffers, right.buffers)]
    assert all(a.keys() == b.keys() for a, b in pairs)
    return max(
        abs(left.train_loss - right.train_loss), *(float((a[n] - b[n]).abs().max()) for a, b in pairs for n in a)
    )


KINDS = st.sampled_from(["none", "batch", "group"])
NORMS = st.lists(KINDS, min_size=3, max_size=4).map(tuple)


@pytest.mark.slow
@settings(max_examples=100)
@given(seed=st.integers(0, 10**6), norms=NORMS, share=st.sampled_from([0.3, 0.6, 0.9]))
def test_any_masks_train_to_the_same_numbers(seed: int, norms: tuple[str, ...], share: float) -> None:
    model = chain(seed, norms)
    params, buffers = start(model, seed)
    masks = unit_masks(params, seed, share)
    slimmed = slim(model, [masks])
    if slimmed is None:
        return
    dense = masked(model, params, buffers, masks)
    assert difference(dense, slimmed_training(slimmed, model, params, buffers, masks)) < 1e-10
    x_BI = local(model).x_NI
    before, params = {**apply_masks(params, masks), **buffers}, slimmed.cut(apply_masks(params, masks))
    whole = functional_call(model.eval(), before, (x_BI,))
    small = functional_call(slimmed.model.eval(), {**params, **slimmed.cut(buffers)}, (x_BI,))
    assert (whole - small).abs().max() < 1e-10


def small_mlp() -> nn.Sequential:
    with torch.device("meta"):
        return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))


def kept(model: nn.Module, *names: str) -> Masks:
    params = dict(model.named_parameters())
    return {name: torch.ones(params[name].shape, dtype=torch.bool) for name in names}


WEIGHTS = ("0.weight", "2.weight", "4.weight")


def test_silence_goes_back_through_layers() -> None:
    """Nobody reads unit 1 of the second layer; unit 2 of the first is read by that one alone, so it is silent, too."""
    model = small_mlp()
    masks = kept(model, *WEIGHTS)
    masks["4.weight"][:, 1] = False
    masks["2.weight"][:, 2] = False
    masks["2.weight"][1, 2] = True
    slimmed = slim(model, [masks])
    assert slimmed is not None
    assert slimmed.rows["0.weight"].tolist() == [0, 1]
    assert slimmed.rows["2.bias"].tolist() == slimmed.columns["4.weight"].tolist() == [0, 2, 3, 4]
    assert [tuple(p.shape) for p in slimmed.model.parameters()] == [(2, 4), (2,), (4, 2), (4,), (2, 4), (2,)]


def test_zeros_go_forward_through_layers() -> None:
    """Unit 0 of the first layer is zero; unit 3 of the second reads nothing else. A kept bias stops it."""
    model = small_mlp()
    masks = kept(model, *WEIGHTS, "0.bias", "2.bias")
    masks["0.weight"][0] = masks["0.bias"][0] = masks["2.bias"][3] = masks["2.weight"][3, 1:] = False
    slimmed = slim(model, [masks])
    assert slimmed is not None
    assert slimmed.rows["0.weight"].tolist() == [1, 2]
    assert slimmed.rows["2.weight"].tolist() == [0, 1, 2, 4]
    assert slim(model, [{name: mask for name, mask in masks.items() if name != "0.bias"}]) is None


def test_only_what_is_dead_under_all_masks_is_cut() -> None:
    model = small_mlp()
    one, other = kept(model, *WEIGHTS), kept(model, *WEIGHTS)
    one["4.weight"][:, [1, 2]] = False
    other["4.weight"][:, [2, 3]] = False
    slimmed = slim(model, [one, other])
    assert slimmed is not None
    assert slimmed.rows["2.weight"].tolist() == [0, 1, 3, 4]
    assert slim(model, [one, kept(model, *WEIGHTS)]) is None


def test_a_unit_stays_where_all_are_dead() -> None:
    model = small_mlp()
    masks = kept(model, *WEIGHTS)
    masks["4.weight"][:] = False
    slimmed = slim(model, [masks])
    assert slimmed is not None
    assert len(slimmed.rows["2.weight"]) == len(slimmed.rows["0.weight"]) == 1


def filtered(norm: bool) -> nn.Sequential:
    """Three channels, each with its own filter, between a layer that makes them and one that reads them."""
    with torch.device("meta"):
        norms = [batch_norm(3)] if norm else []
        ends = nn.Conv2d(2, 3, 1, bias=False), nn.Conv2d(3, 2, 1)
        return nn.Sequential(ends[0], *norms, nn.ReLU6(), nn.Conv2d(3, 3, 3, groups=3, bias=False), ends[1])


def test_a_channel_goes_with_the_filter_of_its_own() -> None:
    """Channel 0 is not read, channel 1 has no filter: both go, from all four tensors."""
    model = filtered(norm=False)
    masks = kept(model, "0.weight", "2.weight", "3.weight")
    masks["3.weight"][:, 0] = masks["2.weight"][1] = False
    slimmed = slim(model, [masks])
    assert slimmed is not None
    assert {name: rows.tolist() for name, rows in slimmed.rows.items()} == {"0.weight": [2], "2.weight": [2]}
    assert {name: columns.tolist() for name, columns in slimmed.columns.items()} == {"3.weight": [2]}
    assert [tuple(p.shape) for p in slimmed.model.parameters()] == [(1, 2, 1, 1), (1, 1, 3, 3), (2, 1, 1, 1), (2,)]


def test_a_norm_before_the_filter_sees_what_the_filter_drops() -> None:
    """A norm's running statistics depend on the data as long as anything comes in."""
    model = filtered(norm=True)
    masks = kept(model, "0.weight", "3.weight", "4.weight")
    masks["3.weight"][[0, 1]] = False
    assert slim(model, [masks]) is None
    masks["0.weight"][1] = False
    slimmed = slim(model, [masks])
    assert slimmed is not None
    assert slimmed.rows["3.weight"].tolist() == slimmed.rows["1.running_var"].tolist() == [0, 2]
    assert slimmed.fading == {"1.running_mean": 0.9, "1.running_var": 0.9}


class Backwards(nn.Sequential):
    """Looks like a chain, and is none."""

    def forward(self, x: Tensor) -> Tensor:
        for layer in reversed(list(self)):
            x = layer(x)
        return x


def test_nothing_to_cut() -> None:
    model = small_mlp()
    single = kept(model, *WEIGHTS)
    single["2.weight"][0, 0] = False
    assert slim(model, [kept(model, *WEIGHTS)]) is None
    assert slim(model, [{}]) is None
    assert slim(model, [single]) is None
    single["4.weight"][:, 0] = False
    assert slim(model, [single]) is not None
    assert slim(nn.Identity(), [single]) is None
    assert slim(Backwards(*model), [single]) is None
    relu = nn.ReLU()
    assert slim(nn.Sequential(model[0], relu, model[2], relu, model[4]), [single]) is None


@pytest.mark.parametrize(
    "between",
    [
        [nn.Tanh()],
        [nn.LayerNorm(6)],
        [nn.ReLU(), nn.Flatten(2)],
        [nn.Conv2d(6, 6, 3, padding=1, groups=6), nn.Tanh()],
        [nn.BatchNorm2d(6, momentum=None)],
        [nn.BatchNorm2d(6, affine=False)],
        [nn.Flatten(), nn.GroupNorm(2, 24)],
    ],
)
def test_units_stay_where_it_is_not_known_how_they_pass(between: list[nn.Module]) -> None:
    reader = nn.Linear(24, 3) if any(isinstance(layer, nn.Flatten) for layer in between) else nn.Conv2d(6, 3, 1)
    model = nn.Sequential(nn.Conv2d(2, 6, 1), *between, reader)
    name = f"{len(model) - 1}.weight"
    masks = kept(model, "0.weight", name)
    masks["0.weight"][:] = masks[name][:, :4] = False
    assert links(Chain("", model)) == [None]
    assert slim(model, [masks]) is None


@pytest.mark.parametrize(
    "layers",
    [
        (nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1, groups=2)),
        (nn.Conv2d(2, 4, 1), nn.Conv2d(4, 8, 1, groups=4), nn.Conv2d(8, 2, 1)),
        (nn.Conv2d(2, 4, 1), nn.ReLU(), nn.Linear(4, 2)),
        (nn.Linear(2, 4), nn.Flatten(), nn.Linear(8, 2)),
    ],
)
def test_grouped_convolutions_and_linear_layers_on_maps_are_left_alone(layers: tuple[nn.Module, ...]) -> None:
    assert set(links(Chain("", nn.Sequential(*layers)))) == {None}


@pytest.mark.parametrize("name", ["mlp", "cnn_small", "cnn6", "vgg11", "vgg16"])
def test_chains_can_be_cut_everywhere(name: str) -> None:
    (chain,) = chains(build_model(name, (3, 32, 32), 10))
    assert None not in links(chain)


@pytest.mark.parametrize(("name", "inner"), [("resnet20", 9), ("resnet34", 16), ("resnet56", 27), ("mobilenet_v2", 17)])
def test_residual_blocks_can_be_cut_inside(name: str, inner: int) -> None:
    found = [links(chain) for chain in chains(build_model(name, (3, 32, 32), 10))]
    assert sum(link is not None for chain in found for link in chain) == inner
    assert found[0][0] is None  # from the stem on: blocks are in between


def test_only_layers_of_which_it_is_known_how_become_smaller() -> None:
    with pytest.raises(TypeError, match="Tanh"):
        smaller(nn.Tanh(), 1, 1)


def test_a_cut_that_should_not_be_is_seen() -> None:
    """The comparison of these tests can fail: a living unit cut, statistics that do not fade, rows in another order."""
    model = chain(3, ("batch", "none", "none"))
    params, buffers = start(model, 3)
    masks = {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in params.items()}
    for name, mask in masks.items():
        if name.startswith(("0.", "1.", "2.")):
            mask[0] = False
    masks["3.weight"][:, 0] = False
    slimmed = slim(model, [masks])
    assert slimmed is not None
    dense = masked(model, params, buffers, masks)

    def off(wrong: Slimmed) -> float:
        return difference(dense, slimmed_training(wrong, model, params, buffers, masks))

    assert off(slimmed) < 1e-10
    assert off(replace(slimmed, fading={})) > 1e-3
    assert off(replace(slimmed, columns={name: place.flip(0) for name, place in slimmed.columns.items()})) > 1e-3
    living = {**masks, "3.weight": masks["3.weight"].clone(), "0.weight": masks["0.weight"].clone()}
    living["3.weight"][:, 1] = living["0.weight"][1] = False
    more = slim(model, [living])
    assert more is not None
    assert off(more) > 1e-3
