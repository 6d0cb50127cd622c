"""Cut for real the units that masks have switched off for good: a smaller network that trains to the same numbers.

A unit is an output channel of a convolution, or an output of a linear layer. Training under masks cannot tell whether a
unit is there, where the unit is

- *silent*: every weight that reads it is masked, or belongs to a silent unit. No gradient comes back to it, so neither
  it nor the weights that make it change; or
- *zero*: its bias is masked, and every weight that makes it is masked or reads a zero unit. Its output is zero and
  stays so: the weights that read it get no gradient, and those that make it are held at zero.

Between two layers of weights, ReLU, pooling, flattening, dropout and InstanceNorm without weights treat every unit by
itself: zero stays zero, and silent stays silent. Other norms and depthwise convolutions do not:

- BatchNorm turns a zero into its own bias: the unit is zero behind it only where the norm's weight and bias are masked,
  too. And it keeps running statistics of what goes in. They depend on the data, so that only units that go in as zero
  are cut: their statistics fade by (1 - momentum) in every step, and `Slimmed.restore` lets them fade as well.
- GroupNorm mixes the channels of a group: only whole groups are cut.
- A depthwise convolution has a filter for every unit: what comes out is zero where its bias is masked, and the filter
  is masked or reads a zero.

Everywhere else (see `models.gates.links`) all units stay. Our own derivation; tests compare every model with training
under masks. U units of a link, O outputs and I input units of a layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from fedlab_core.models.blocks import Residual
from fedlab_core.models.gates import Link, chains, links, smaller
from fedlab_core.types import Masks


@dataclass(frozen=True)
class Slimmed:
    """A smaller network, and the way there and back.

    Attributes:
        model: the network, without weights; its layers have the names they had.
        rows, columns: the places that are left along the first and the second axis, int64, by name of the tensor:
            parameters, running statistics, uniform numbers of dropout. Where a name is missing, all are left.
        fading: for running statistics of units that were cut, what one step multiplies them by.
    """

    model: nn.Sequential
    rows: Mapping[str, Tensor]
    columns: Mapping[str, Tensor]
    fading: Mapping[str, float]

    def cut(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What is left of parameters, buffers or masks. A tensor that loses nothing is not copied."""
        small = {}
        for name, tensor in tensors.items():
            if name in self.rows:
                tensor = tensor.index_select(0, self.rows[name])
            small[name] = tensor.index_select(1, self.columns[name]) if name in self.columns else tensor
        return small

    def restore(self, small: Mapping[str, Tensor], came: Mapping[str, Tensor], steps: int = 0) -> dict[str, Tensor]:
        """Put trained tensors back in their places. What was cut stays as it came, as it does in masked training.

        Args:
            small: tensors of the small network after training.
            came: the whole ones before it, masked weights zero. They are left as they are.
            steps: training steps in between, in which running statistics of what was cut have faded.
        """
        return {name: self._put_back(name, small[name], tensor, steps) for name, tensor in came.items()}

    def _put_back(self, name: str, small: Tensor, came: Tensor, steps: int) -> Tensor:
        rows, columns = self.rows.get(name), self.columns.get(name)
        if rows is None and columns is None:
            return small
        whole = came * self.fading[name] ** steps if name in self.fading else came.clone()
        if columns is None:
            whole[rows] = small
        elif rows is None:
            whole[:, columns] = small
        else:
            whole[rows.unsqueeze(1), columns] = small
        return whole


def slim(model: nn.Module, masks: Sequence[Masks]) -> Slimmed | None:
    """The network without the units that are dead under every one of `masks`; None where there is nothing to cut.

    One unit of a layer (with GroupNorm: one group) always stays.

    Args:
        model: a chain of layers, in which there may be residual blocks. Of any other model nothing is cut.
        masks: at least one; several for clients that are to share one small network.
    """
    # Nothing is masked in most runs: find out at the price of one look at every mask.
    if any(_nothing_masked(kept) for kept in masks):
        return None
    kept_units: list[tuple[Link, Tensor]] = []
    for chain in map(links, chains(model)):
        found = [_dead_units(chain, kept) for kept in masks]
        for link, *dead in zip(chain, *found, strict=True):
            if link is None:
                continue
            dead_U = torch.stack([one.expand(link.units) for one in dead]).all(0)
            if dead_U.all():
                dead_U[: link.group] = False
            if dead_U.any():
                kept_units.append((link, (~dead_U).nonzero().flatten()))
    return _slimmed(cast(nn.Sequential, model), kept_units) if kept_units else None


def _dead_units(chain: Sequence[Link | None], masks: Masks) -> list[Tensor]:
    """The units that can be cut under `masks`, bool [U] by link; meaningless where that is None."""
    steady, arriving = _zero_units(chain, masks)
    dead: list[Tensor] = []
    silent_O = _NONE
    for link, steady_U, zero_read_U in reversed(list(zip(chain, steady, arriving, strict=True))):
        silent_U = dead_U = _NONE
        if link is not None:
            live_OU = _live(masks, link.target, link.units)
            silent_U = ~_any(live_OU & ~silent_O.unsqueeze(1), 0)
            silent_U = _whole_groups(link, silent_U & steady_U)
            dead_U = silent_U | _whole_groups(link, zero_read_U & steady_U)
        dead.append(dead_U)
        silent_O = silent_U
    return dead[::-1]


_NONE = torch.zeros(1, dtype=torch.bool)
"""No unit, whatever their number: broadcast against all of them."""


def _zero_units(chain: Sequence[Link | None], masks: Masks) -> tuple[list[Tensor], list[Tensor]]:
    """Units whose running statistics fade, whatever the data, and units that are zero where the next layer reads them.

    Both bool [U] by link. Without BatchNorm, there are no statistics, and all units are steady.
    """
    steady, arriving = [], []
    zero_I = _NONE
    for link in chain:
        steady_U, zero_U = ~_NONE, _NONE
        if link is not None:
            live_UI = _live(masks, link.source, len(zero_I))
            zero_U = ~_any(live_UI & ~zero_I, 1)
            if link.bias:
                zero_U = zero_U & _masked(masks, f"{link.source}.bias")
            for name, layer in link.between:
                if isinstance(layer, nn.BatchNorm2d):
                    steady_U = steady_U & zero_U
                zero_U = _zero_behind(name, layer, zero_U, masks)
            zero_U = _whole_groups(link, zero_U)
        steady.append(steady_U)
        arriving.append(zero_U)
        zero_I = zero_U
    return steady, arriving


def _zero_behind(name: str, layer: nn.Module, zero_U: Tensor, masks: Masks) -> Tensor:
    """Units that are zero behind a norm or a depthwise convolution, from those that go in as zero."""
    if isinstance(layer, nn.InstanceNorm3d):
        return zero_U
    weight_U = _masked(masks, f"{name}.weight")
    if isinstance(layer, nn.Conv2d):
        zero_U = zero_U | weight_U
        return zero_U if layer.bias is None else zero_U & _masked(masks, f"{name}.bias")
    return zero_U & weight_U & _masked(masks, f"{name}.bias")


def _live(masks: Masks, layer: str, units: int) -> Tensor:
    """Whether output o keeps any weight for input unit i, bool [O, units]; without a mask it keeps all, [1, 1]."""
    mask = masks.get(f"{layer}.weight")
    if mask is None:
        return ~_NONE.unsqueeze(1)
    return mask if mask.shape == (len(mask), units) else _any(mask.reshape(len(mask), units, -1), 2)


def _nothing_masked(masks: Masks) -> bool:
    return all(mask.view(torch.uint8).amin() for mask in masks.values() if mask.numel())


def _any(mask: Tensor, axis: int) -> Tensor:
    """`mask.any(axis)`; as the largest of bytes it takes a tenth of the time."""
    return mask.view(torch.uint8).amax(axis).bool()


def _masked(masks: Masks, name: str) -> Tensor:
    """Units of which everything in this tensor is masked, [U]; without a mask none, [1]."""
    mask = masks.get(name)
    return _NONE if mask is None else ~_any(mask.reshape(len(mask), -1), 1)


def _whole_groups(link: Link, marked_U: Tensor) -> Tensor:
    """Marked units whose whole group is marked."""
    if link.group == 1 or len(marked_U) == 1:
        return marked_U
    return marked_U.view(-1, link.group).all(1).repeat_interleave(link.group)


def _slimmed(model: nn.Sequential, kept_units: Sequence[tuple[Link, Tensor]]) -> Slimmed:
    outputs: dict[str, Tensor] = {}  # what is left of each layer's outputs and inputs
    inputs: dict[str, Tensor] = {}
    fading: dict[str, float] = {}
    for link, kept_U in kept_units:
        spread = (kept_U.unsqueeze(1) * link.spread + torch.arange(link.spread)).flatten()
        outputs[link.source], inputs[link.target] = kept_U, spread
        inputs |= dict.fromkeys(link.dropouts, spread)
        for name, layer in link.between:
            outputs[name] = kept_U
            if isinstance(layer, nn.BatchNorm2d) and layer.momentum:
                fading |= {f"{name}.{part}": 1 - layer.momentum for part in ("running_mean", "running_var")}
    rows, columns = {}, {}
    for name, layer in model.named_modules():
        for part, tensor in (*layer.named_parameters(recurse=False), *layer.named_buffers(recurse=False)):
            if name in outputs and tensor.dim():
                rows[f"{name}.{part}"] = outputs[name]
            if name in inputs and tensor.dim() > 1:
                columns[f"{name}.{part}"] = inputs[name]
    return Slimmed(_smaller_chain(model, "", inputs, outputs), rows, columns, fading)


def _smaller_chain(
    chain: nn.Sequential, prefix: str, inputs: Mapping[str, Tensor], outputs: Mapping[str, Tensor]
) -> nn.Sequential:
    """The same layers with as many inputs and outputs as are left."""
    small = nn.Sequential()
    for name, layer in chain.named_children():
        full = prefix + name
        if isinstance(layer, Residual):
            layer = Residual(_smaller_chain(layer.body, f"{full}.body.", inputs, outputs), layer.shortcut)
        elif isinstance(layer, nn.Sequential):
            layer = _smaller_chain(layer, f"{full}.", inputs, outputs)
        elif full in inputs or full in outputs:
            read, left = (len(places[full]) if full in places else None for places in (inputs, outputs))
            layer = smaller(layer, read, left)
        small.add_module(name, layer)
    return small
