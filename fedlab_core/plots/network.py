"""The network as its layers: as wide as the units that are left, in the outline of what it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import plotly.graph_objects as go

from fedlab_core.plots.style import format_percent, theme
from fedlab_core.plots.theme import nothing_yet, sheet
from fedlab_core.pruning.masks import layer_density, sparsity
from fedlab_core.pruning.units import alive_units

if TYPE_CHECKING:
    from fedlab_core.types import Masks

NAMED = 12
"""Up to so many layers have their numbers written on them; of more, the mouse tells."""


def network_picture(masks: Masks, *, dark: bool = False) -> go.Figure:
    """Layers from input (left) to output, each as tall as it has units alive; dashed, what it had.

    A unit (output channel, output of a dense layer) is gone when all weights that make it are pruned: what it gives out
    is the same for every input.

    Args:
        masks: of the model, in its own order.
        dark: for a dark background.
    """
    alive = {name: (int(left_O.sum()), len(left_O)) for name, left_O in alive_units(masks).items()}
    if not alive:
        step = "Choose a strategy that prunes, and a model with weight matrices or kernels."
        return nothing_yet("No layer carries a mask here", step, key="network", dark=dark)
    density, look, tall = layer_density(masks), theme(dark), max(units for _, units in alive.values())
    subtitle = "Height: units with any weight left. Dashed: all units of the layer."
    figure = sheet(_sentence(alive, sparsity(masks)), key="network", dark=dark, subtitle=subtitle, height=380)
    names, left = list(alive), [kept for kept, _ in alive.values()]
    for place in range(len(names) - 1):
        figure.add_shape(path=_band(place, left[place], left[place + 1]), fillcolor=look.pruned, line={"width": 0})
    figure.add_bar(
        name="alive",
        x=list(range(len(names))),
        y=left,
        base=[-kept / 2 for kept in left],
        width=0.5,
        marker={"color": look.kept},
        customdata=[[name, units, density[name]] for name, (_, units) in alive.items()],
        hovertemplate="%{customdata[0]}: %{y} of %{customdata[1]} units alive, "
        "%{customdata[2]:.1%} of the weights kept<extra></extra>",
    )
    for place, (_, units) in enumerate(alive.values()):
        box = {"x0": place - 0.25, "x1": place + 0.25, "y0": -units / 2, "y1": units / 2}
        figure.add_shape(type="rect", line={"color": look.gray, "dash": "dash", "width": 1.5}, **box)
    if len(names) <= NAMED:
        ticks = [_label(name, *alive[name], density[name]) for name in names]
        figure.update_xaxes(tickvals=list(range(len(names))), ticktext=ticks)
    figure.update_xaxes(range=[-0.6, len(names) - 0.4], showgrid=False, showticklabels=len(names) <= NAMED)
    figure.update_yaxes(visible=False, range=[-0.55 * tall, 0.55 * tall])
    return figure.update_layout(showlegend=False)


def _label(name: str, kept: int, units: int, density: float) -> str:
    return f"{name.removesuffix('.weight')}<br>{kept}/{units} units<br>{format_percent(density)} kept"


def _band(place: int, here: int, there: int) -> str:
    """What joins two layers: a trapezoid between their sides."""
    left, right = place + 0.25, place + 0.75
    return f"M {left},{-here / 2} L {left},{here / 2} L {right},{there / 2} L {right},{-there / 2} Z"


def _sentence(alive: dict[str, tuple[int, int]], gone: float) -> str:
    """How many units are gone, and where most; or that pruning single weights leaves a network its width."""
    kept, units = (sum(numbers) for numbers in zip(*alive.values(), strict=True))
    if kept == units:
        if not gone:
            return f"Nothing is pruned: all {units:,} units of {len(alive)} layers are there"
        return (
            f"{format_percent(gone)} of the weights are gone, but no unit has lost them all: every layer is as wide "
            "as before"
        )
    thin = min(alive, key=lambda name: alive[name][0] / alive[name][1])
    here, all_here = alive[thin]
    lost = units - kept
    return (
        f"With {format_percent(gone)} of the weights, {lost:,} of {units:,} units {'is' if lost == 1 else 'are'} gone; "
        f"{thin.removesuffix('.weight')} is the thinnest, {here} of {all_here} left"
    )
