"""Where a model can lose units: output channels of a convolution, outputs of a linear layer.

Read from the model itself, for chains of layers (`nn.Sequential`), also inside of residual blocks: there, what a block
gives out is added to what others give out, so that only its inner channels can go. I inputs and O outputs of a layer,
U units.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from fedlab_core.models.base import InputDropout
from fedlab_core.models.blocks import Residual

_POOLS = (nn.MaxPool2d, nn.MaxPool3d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)
_BY_UNIT = (nn.ReLU, nn.ReLU6, *_POOLS, nn.Flatten, InputDropout)
_CONVOLUTIONS = (nn.Conv2d, nn.Conv3d)


class Link(NamedTuple):
    """Units on their way from the layer that makes them to the layer that reads them.

    Attributes:
        source, target: names of the two layers of weights.
        units: U, outputs of `source`.
        spread: inputs of `target` for each unit, side by side: more than one where maps were flattened.
        bias: whether `source` adds one.
        between: names and layers that are made for so many units, in their order: norms, and depthwise convolutions,
            which filter every unit by itself.
        dropouts: names of the dropouts in between.
    """

    source: str
    target: str
    units: int
    spread: int
    bias: bool
    between: tuple[tuple[str, nn.BatchNorm2d | nn.GroupNorm | nn.InstanceNorm3d | nn.Conv2d], ...]
    dropouts: tuple[str, ...]

    @property
    def group(self) -> int:
        """Units that GroupNorm mixes: they can only be cut together."""
        norms = [layer for _, layer in self.between if isinstance(layer, nn.GroupNorm)]
        return math.lcm(*(norm.num_channels // norm.num_groups for norm in norms))


class Chain(NamedTuple):
    """Layers one after the other, and what comes before their names in the model's."""

    prefix: str
    layers: nn.Sequential


def chains(model: nn.Module, prefix: str = "") -> list[Chain]:
    """The model itself and every chain inside of it; none if it is no chain, or uses a layer twice."""
    # A class derived from it may connect its layers otherwise, and a layer that is used twice is listed only once.
    if type(model) is not nn.Sequential or len(list(model.children())) < len(model):
        return []
    found = [Chain(prefix, model)]
    for name, layer in model.named_children():
        inner = ("body.", layer.body) if isinstance(layer, Residual) else ("", layer)
        found += chains(inner[1], f"{prefix}{name}.{inner[0]}")
    return found


def links(chain: Chain) -> list[Link | None]:
    """From each layer of weights to the next. None where it is not known how the units pass: nothing is cut there.

    Known are ReLU, pooling, flattening, `InputDropout`, norms that see the units themselves (BatchNorm2d or GroupNorm,
    with weight and bias; InstanceNorm3d without) and depthwise convolutions, between convolutions without groups and
    linear layers.
    """
    layers = [(chain.prefix + name, layer) for name, layer in chain.layers.named_children()]
    weighted = [place for place, (_, layer) in enumerate(layers) if _mixes_units(layer)]
    return [_link(layers[start : end + 1]) for start, end in pairwise(weighted)]


def is_depthwise(layer: nn.Module) -> bool:
    """Whether it is a convolution that makes each output from the input of the same number alone."""
    return isinstance(layer, nn.Conv2d) and 1 < layer.groups == layer.in_channels == layer.out_channels


def _mixes_units(layer: nn.Module) -> bool:
    return isinstance(layer, (*_CONVOLUTIONS, nn.Linear)) and not is_depthwise(layer)


def _link(layers: Sequence[tuple[str, nn.Module]]) -> Link | None:
    (source, makes), *passed, (target, reads) = layers
    units, inputs = len(cast(Tensor, makes.weight)), cast(Tensor, reads.weight).shape[1]
    between = tuple((name, layer) for name, layer in passed if _keeps_units(layer, units))
    others = [layer for name, layer in passed if name not in dict(between)]
    known = all(type(layer) in _BY_UNIT for layer in others)
    flat = [layer for layer in others if isinstance(layer, nn.Flatten)]
    kinds = (type(makes), type(reads), bool(flat))
    fits = kinds == (nn.Linear, nn.Linear, False)
    fits = fits or any(kinds in ((conv, conv, False), (conv, nn.Linear, True)) for conv in _CONVOLUTIONS)
    plain = all(getattr(layer, "groups", 1) == 1 for layer in (makes, reads))
    plain = plain and all((layer.start_dim, layer.end_dim) == (1, -1) for layer in flat)
    spread = inputs // units
    if not (known and fits and plain and inputs == units * spread and (flat or spread == 1)):
        return None
    dropouts = tuple(name for name, layer in passed if isinstance(layer, InputDropout))
    return Link(source, target, units, spread, makes.bias is not None, between, dropouts)  # type: ignore[arg-type]


def _keeps_units(layer: nn.Module, units: int) -> bool:
    """Whether it is a layer made for so many units that gives out as many, in their order."""
    if type(layer) is nn.InstanceNorm3d:
        return not layer.affine and not layer.track_running_stats and layer.num_features == units
    if type(layer) is nn.GroupNorm:
        return layer.affine and layer.num_channels == units
    if type(layer) is nn.BatchNorm2d:
        # Without momentum, BatchNorm averages over all batches so far; that is not used here.
        return layer.affine and layer.num_features == units and bool(layer.momentum)
    return is_depthwise(layer)


def smaller(layer: nn.Module, inputs: int | None, outputs: int | None) -> nn.Module:
    """The same layer for fewer inputs or outputs, without weights; None: as many as before.

    Raises:
        TypeError: a layer of which it is not known how.
    """
    with torch.device("meta"):
        if isinstance(layer, nn.Linear):
            return nn.Linear(inputs or layer.in_features, outputs or layer.out_features, layer.bias is not None)
        if isinstance(layer, nn.Conv2d):
            left = outputs or layer.out_channels
            read, groups = (left, left) if is_depthwise(layer) else (inputs or layer.in_channels, layer.groups)
            how = (layer.kernel_size, layer.stride, layer.padding, layer.dilation, groups, layer.bias is not None)
            return nn.Conv2d(read, left, *how, layer.padding_mode)  # type: ignore[arg-type]
        if isinstance(layer, nn.Conv3d):
            size = (inputs or layer.in_channels, outputs or layer.out_channels, layer.kernel_size, layer.stride)
            more = (layer.padding, layer.dilation, layer.groups, layer.bias is not None, layer.padding_mode)
            return nn.Conv3d(*size, *more)  # type: ignore[arg-type]
        if isinstance(layer, nn.InstanceNorm3d):
            return nn.InstanceNorm3d(outputs or layer.num_features, layer.eps)
        if isinstance(layer, nn.GroupNorm):
            left = outputs or layer.num_channels
            groups = left * layer.num_groups // layer.num_channels
            return nn.GroupNorm(groups, left, layer.eps, layer.affine)
        if isinstance(layer, nn.BatchNorm2d):
            left = outputs or layer.num_features
            norm = nn.BatchNorm2d(left, layer.eps, layer.momentum, layer.affine, layer.track_running_stats)
            norm.num_batches_tracked = layer.num_batches_tracked
            return norm
        if isinstance(layer, InputDropout):
            return InputDropout(layer.p, inputs or layer.features)
    raise TypeError(f"do not know how to make a {type(layer).__name__} smaller")
