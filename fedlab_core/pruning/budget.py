"""FLOPs of a network of which channels are kept, as DWNP counts them; differentiable in the channels.

U_l channels of gated layer l; a_l in [0, 1] says which are kept. Counted are layers that make, filter (depthwise) or
read gated channels: multiplications, and three operations (norm, activation) for each number that comes out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fedlab_core.pruning.units import Units, hidden_units
from fedlab_core.types import Masks, Params

MARGIN = 0.005
"""Within so much of the target, the regulariser does not push."""


class _Layer(NamedTuple):
    """One layer of weights: multiplications, numbers that come out, and which gated layers it reads and makes.

    A depthwise convolution only makes: both its multiplications and its outputs are as many as the channels.
    """

    products: float
    outputs: float
    reads: int | None
    makes: int | None


@dataclass(frozen=True)
class ChannelCosts:
    """T(a) of a model, in units of its own T when all channels are kept."""

    units: tuple[Units, ...]
    sizes: tuple[int, ...]
    layers: tuple[_Layer, ...]

    @classmethod
    def of(
        cls, units: Sequence[Units], shapes: Mapping[str, torch.Size], layer_flops: Mapping[str, int]
    ) -> ChannelCosts:
        """From the model's hidden units, shapes of parameters and forward FLOPs by weight."""
        makes = {name: place for place, one in enumerate(units) for name in (one.weight, *one.more)}
        reads = {one.reader: place for place, one in enumerate(units)}
        layers = []
        for name in dict.fromkeys(name for one in units for name in (one.weight, *one.more, one.reader)):
            if name not in layer_flops:
                continue  # biases and norms are among the three operations
            products = layer_flops[name] / 2
            outputs = products / (shapes[name].numel() / shapes[name][0])
            layers.append(_Layer(products, outputs, reads.get(name), makes.get(name)))
        return cls(tuple(units), tuple(shapes[one.weight][0] for one in units), tuple(layers))

    @classmethod
    def of_model(cls, model: nn.Module, layer_flops: Mapping[str, int]) -> ChannelCosts:
        """Of a model's hidden units.

        Raises:
            ValueError: it has none.
        """
        units = hidden_units(model)
        if not units:
            raise ValueError("strategy.name dwnp needs a model with hidden channels that can be cut; this one has none")
        return cls.of(units, {name: parameter.shape for name, parameter in model.named_parameters()}, layer_flops)

    @property
    def total(self) -> float:
        """T with all channels: multiply-adds, and three operations a number."""
        return sum(layer.products + 3 * layer.outputs for layer in self.layers)

    def share(self, a: Sequence[Tensor]) -> Tensor:
        """rho = T(a) / T."""
        left = [row.mean() for row in a]
        cost = torch.zeros(())
        for layer in self.layers:
            come = 1.0 if layer.reads is None else left[layer.reads]
            go = 1.0 if layer.makes is None else left[layer.makes]
            cost = cost + layer.products * come * go + 3 * layer.outputs * go
        return cost / self.total

    def split(self, flat: Tensor) -> list[Tensor]:
        """One vector of all channels, cut into layers."""
        return list(flat.split(self.sizes))

    def masks(self, a: Sequence[Tensor], like: Masks) -> Masks:
        """Masks of all tensors in `like`: a channel goes with all that is its own, and what reads it."""
        masks = dict(like)
        for one, row in zip(self.units, a, strict=True):
            for name in (one.weight, *one.more):
                masks[name] = masks[name] & row.bool().view(-1, *[1] * (masks[name].dim() - 1))
            masks[one.reader] = masks[one.reader] & by_reader(row.bool(), masks[one.reader])
        return masks

    def alive(self, masks: Masks) -> list[Tensor]:
        """Which channels are there at all: any weight that makes them is kept."""
        return [masks[one.weight].flatten(1).any(1) for one in self.units]

    def read_shares(self, a: Sequence[Tensor], params: Params) -> Params:
        """a, spread over the weights that read the channels: to multiply them is to multiply the channels."""
        return {one.reader: by_reader(row, params[one.reader]) for one, row in zip(self.units, a, strict=True)}

    def gradients(self, grads: Params, params: Params) -> list[Tensor]:
        """dL/da, from the gradients at weights that were multiplied by a: da_u = sum over what reads u of g w."""
        products = {one.reader: grads[one.reader] * params[one.reader] for one in self.units}
        return [
            products[one.reader].view(len(products[one.reader]), size, -1).sum((0, 2))
            for one, size in zip(self.units, self.sizes, strict=True)
        ]


def by_reader(row_U: Tensor, weight: Tensor) -> Tensor:
    """One number a channel, spread over the columns of the weight that reads them, in a shape that broadcasts."""
    spread = weight.shape[1] // len(row_U)
    return row_U.repeat_interleave(spread).view(1, -1, *[1] * (weight.dim() - 2))


def two_sided(share: Tensor, target: float) -> Tensor:
    """R = log(max(rho, p + 0.005) / p) above the target p, log(p / min(rho, p - 0.005)) below; flat close to it."""
    if float(share.detach()) > target:
        return torch.log(share.clamp(min=target + MARGIN) / target)
    return torch.log(target / share.clamp(max=target - MARGIN))
