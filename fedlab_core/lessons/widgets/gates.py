"""Notebook 07: which channels an image opens, which weights a threshold leaves, and the FLOPs of one input."""

from __future__ import annotations

from typing import NamedTuple

import plotly.graph_objects as go
import torch
from plotly.subplots import make_subplots
from torch import Tensor, nn

from fedlab_core.experiment import Experiment
from fedlab_core.federation.evaluation import evaluate
from fedlab_core.lab import Federation
from fedlab_core.lessons.widgets.explorer import Explorer, slider, steps
from fedlab_core.models.gating import open_frequency
from fedlab_core.plots.gates import used_weights_heatmap
from fedlab_core.plots.style import format_flops, format_percent
from fedlab_core.plots.theme import sheet
from fedlab_core.simulation import simulate
from fedlab_core.strategies.dynamic_gate import DynamicGate
from fedlab_core.strategies.fedavg import FedAvg
from fedlab_core.types import Buffers, Params

TRAINED_ROUNDS = 3
LAYER = "conv2"
TAUS = (0.0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1)
STILL_RATIO, STILL_TAU = 0.5, 0.05


class Look(NamedTuple):
    """What images use of a layer, share [N, C]; FLOPs of each of them [N]; accuracy on the test data."""

    used_NC: Tensor
    flops_N: Tensor
    accuracy: float


class GateLab:
    """A gated network, trained a little, whose keep ratio and threshold can be changed without training again."""

    def __init__(self, base: Experiment) -> None:
        trained = base.replace({"federation.rounds": TRAINED_ROUNDS})
        self.federation = Federation.of(trained)
        self.state = list(simulate(trained))[-1].state
        self.dense_flops = sum(self.federation.under(FedAvg()).layer_flops.values())
        data = self.federation.data.dataset
        firsts = [int((data.y_test_N == label).nonzero()[0]) for label in range(len(data.class_names))]
        self.x_NI, self.names = data.x_test_NI[firsts], [f"an image of {name}" for name in data.class_names]

    def look(self, ratio: float, tau: float) -> Look:
        """Under another keep ratio, with the weights of convolutions up to tau in magnitude set to zero."""
        federation = self.federation.under(DynamicGate(ratio=ratio))
        params = _cut(self.state.params, tau)
        opened = _opened(federation.model, params, self.state.buffers, self.x_NI)
        read_NI = torch.ones(len(self.x_NI), self.x_NI.shape[1])
        flops_N, used = torch.zeros(len(self.x_NI)), {}
        for name, flops in federation.layer_flops.items():
            weight, layer = params[name], name.removesuffix(".body.conv.weight")
            if name.endswith("gate.weight"):
                flops_N = flops_N + flops
                continue
            used[layer] = _used(weight, read_NI, opened.get(layer))
            flops_N = flops_N + flops * used[layer].mean(1)
            read_NI = opened.get(layer, torch.ones(len(self.x_NI), len(weight)))
        score = evaluate(federation.model, params, self.state.buffers, federation.data).score
        return Look(used[LAYER], flops_N, score)


def gates_explorer(base: Experiment) -> Explorer:
    """Sliders for the keep ratio r and the threshold tau; what ten images use of the second convolution.

    Args:
        base: an experiment with strategy dynamic-gate on a network of two convolutions, conv1 and conv2 (cnn_small on
            digits). It is trained for a few rounds, with its own keep ratio; moving a slider trains nothing.
    """
    lab, strategy = GateLab(base), base.strategy
    assert isinstance(strategy, DynamicGate)
    controls = {
        "ratio": slider("keep ratio r", strategy.ratio, 0.1, 1, 0.1),
        "tau": steps("threshold tau", 0.0, TAUS),
    }

    def draw(ratio: float, tau: float) -> tuple[go.Figure, str]:
        seen = lab.look(ratio, tau)
        return used_weights_heatmap(lab.names, seen.used_NC, layer=LAYER), _text(lab, seen)

    return Explorer(draw, controls, still=lambda: _still(lab))


def _text(lab: GateLab, seen: Look) -> str:
    low, high = float(seen.flops_N.min()), float(seen.flops_N.max())
    each = format_flops(low) if low == high else f"{format_flops(low)} to {format_flops(high)}"
    return (
        f"An input takes {each}, gates included: {format_percent(float(seen.flops_N.mean()) / lab.dense_flops)} of "
        f"dense, on paper. Without training again, {format_percent(seen.accuracy)} of the test images are right."
    )


def _cut(params: Params, tau: float) -> Params:
    """FedDP's threshold looks at convolutions only."""
    return {name: w.masked_fill(w.abs() <= tau, 0) if w.dim() == 4 else w for name, w in params.items()}


def _opened(model: nn.Module, params: Params, buffers: Buffers, x_NI: Tensor) -> dict[str, Tensor]:
    """1 where an image has a channel open, [N, C], by gated layer."""
    each = [open_frequency(model, params, buffers, one_NI) for one_NI in x_NI.split(1)]
    return {layer: torch.stack([opened[layer] for opened in each]).float() for layer in each[0]}


def _used(weight: Tensor, read_NI: Tensor, open_NC: Tensor | None) -> Tensor:
    """Share of each output's weights that is not zero and reads something open, 0 where the output is closed; [N, C].

    What comes out of flattened maps is spread over several inputs each.
    """
    spread = weight[0].numel() // read_NI.shape[1]
    kept_CI = (weight.reshape(len(weight), -1, spread) != 0).float().mean(2)
    used_NC = read_NI @ kept_CI.T / read_NI.shape[1]
    return used_NC if open_NC is None else used_NC * open_NC


def _still(lab: GateLab) -> go.Figure:
    """Gates alone beside a threshold alone."""
    gates, threshold = lab.look(STILL_RATIO, 0.0), lab.look(1.0, STILL_TAU)
    names = [f"gates, r = {STILL_RATIO:g}", f"threshold, tau = {STILL_TAU:g}"]
    row = make_subplots(cols=2, subplot_titles=names, shared_yaxes=True)
    for column, seen in enumerate((gates, threshold), start=1):
        row.add_trace(used_weights_heatmap(lab.names, seen.used_NC, layer=LAYER).data[0], row=1, col=column)
    row.update_traces(showscale=False).update_traces(showscale=True, selector=1)
    row.update_xaxes(title_text="channel (darkest: closed)", showgrid=False, type="category")
    row.update_yaxes(type="category", autorange="reversed", showgrid=False)
    row.update_annotations(font={"size": 13})
    shares = [format_percent(float(seen.used_NC.mean())) for seen in (gates, threshold)]
    sentence = (
        f"With gates every image uses weights of its own, {shares[0]}; a threshold leaves nearly the same to all, "
        f"{shares[1]}"
    )
    look = sheet(sentence, key="still", dark=False, height=380).layout
    margin = {**look.margin.to_plotly_json(), "t": look.margin.t + 20}
    return row.update_layout(template=look.template, title=look.title, height=look.height, margin=margin)
