"""Where a model can lose units: output channels of a convolution, outputs of a linear layer.

Read from the model itself, for chains of layers (`nn.Sequential`), also inside of residual blocks: there, what a block
gives out is added to what others give out, so that only its inner channels can go. I inputs and O outputs of a layer,
U units.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from fedlab_core.models.base import InputDropout
from fedlab_core.models.blocks import Residual

_BY_UNIT = (nn.ReLU, nn.ReLU6, nn.MaxPool2d, nn.AdaptiveAvgPool2d, nn.Flatten, InputDropout)


class Link(NamedTuple):
    """Units on their way from the layer that makes them to the layer that reads them.

    Attributes:
        source, target: names of the two layers of weights.
        units: U, outputs of `source`.
        spread: inputs of `target` for each unit, side by side: more than one where maps were flattened.
        bias: whether `source` adds one.
        norm: name and layer of the norm in between, if there is one.
        dropouts: names of the dropouts in between.
    """

    source: str
    target: str
    units: int
    spread: int
    bias: bool
    norm: tuple[str, nn.BatchNorm2d | nn.GroupNorm] | None
    dropouts: tuple[str, ...]

    @property
    def group(self) -> int:
        """Units that GroupNorm mixes: they can only be cut together."""
        norm = self.norm[1] if self.norm else None
        return norm.num_channels // norm.num_groups if isinstance(norm, nn.GroupNorm) else 1


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

    Known are ReLU, pooling, flattening, `InputDropout`, and at most one norm that sees the units themselves
    (BatchNorm2d or GroupNorm, with weight and bias), between convolutions without groups and linear layers.
    """
    layers = [(chain.prefix + name, layer) for name, layer in chain.layers.named_children()]
    weighted = [place for place, (_, layer) in enumerate(layers) if isinstance(layer, nn.Conv2d | nn.Linear)]
    return [_link(layers[start : end + 1]) for start, end in pairwise(weighted)]


def _link(layers: Sequence[tuple[str, nn.Module]]) -> Link | None:
    (source, makes), *between, (target, reads) = layers
    units, inputs = len(cast(Tensor, makes.weight)), cast(Tensor, reads.weight).shape[1]
    norms = [(name, layer) for name, layer in between if type(layer) in (nn.BatchNorm2d, nn.GroupNorm)]
    others = [layer for _, layer in between if not any(layer is norm for _, norm in norms)]
    known = all(type(layer) in _BY_UNIT for layer in others) and all(_sees_units(layer, units) for _, layer in norms)
    flat = [layer for layer in others if isinstance(layer, nn.Flatten)]
    kinds = (type(makes), type(reads), bool(flat))
    fits = kinds in ((nn.Conv2d, nn.Conv2d, False), (nn.Linear, nn.Linear, False), (nn.Conv2d, nn.Linear, True))
    plain = all(getattr(layer, "groups", 1) == 1 for layer in (makes, reads))
    plain = plain and all((layer.start_dim, layer.end_dim) == (1, -1) for layer in flat)
    spread = inputs // units
    if not (known and fits and plain and len(norms) <= 1 and inputs == units * spread and (flat or spread == 1)):
        return None
    dropouts = tuple(name for name, layer in between if isinstance(layer, InputDropout))
    return Link(source, target, units, spread, makes.bias is not None, norms[0] if norms else None, dropouts)  # type: ignore[arg-type]


def _sees_units(norm: nn.Module, units: int) -> bool:
    if isinstance(norm, nn.GroupNorm):
        return norm.affine and norm.num_channels == units
    # Without momentum, BatchNorm averages over all batches so far; that is not used here.
    return isinstance(norm, nn.BatchNorm2d) and norm.affine and norm.num_features == units and bool(norm.momentum)


def smaller(layer: nn.Module, inputs: int | None, outputs: int | None) -> nn.Module:
    """The same layer for fewer inputs or outputs, without weights; None: as many as before.

    Raises:
        TypeError: a layer of which it is not known how.
    """
    with torch.device("meta"):
        if isinstance(layer, nn.Linear):
            return nn.Linear(inputs or layer.in_features, outputs or layer.out_features, layer.bias is not None)
        if isinstance(layer, nn.Conv2d):
            size = (inputs or layer.in_channels, outputs or layer.out_channels, layer.kernel_size)
            how = (layer.stride, layer.padding, layer.dilation, layer.groups, layer.bias is not None)
            return nn.Conv2d(*size, *how, layer.padding_mode)  # type: ignore[arg-type]
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
