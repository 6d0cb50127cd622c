"""What holds for every figure: theme, zoom, sentences, empty states, plain numbers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
import torch

from fedlab_core import plots
from fedlab_core.costs.target import CostsToTarget
from fedlab_core.drift import Drift
from fedlab_core.encodings import message_bytes
from fedlab_core.plots.style import DARK, LIGHT
from fedlab_core.speed import NetworkFlops, Quartiles

from .conftest import MakeRun

Run = Sequence[Mapping[str, Any]]
MASK = torch.arange(12).reshape(3, 4) % 3 > 0
MESSAGE = message_bytes({"fc": torch.ones(3, 4)}, {}, {"fc": MASK})
TOOK = CostsToTarget(3, 300, 200, 5000, 4000)
DRIFT = Drift(
    [1, 1],
    [0, 1],
    torch.tensor([1.0, 2.0]),
    torch.tensor([0.5, float("nan")]),
    torch.eye(2),
    [1],
    torch.ones(1),
    torch.ones(1, 2),
    (0.75, 0.25),
)
NAMES = ["client 0", "client 1"]
ATTACKED = [
    {"sparsity": sparsity, "gap": 0.4 - 0.2 * sparsity, "auc": {"black-box": 0.8, "white-box": 0.8 - 0.1 * sparsity}}
    for sparsity in (0, 0, 0.9)
]

CELLS = [plots.Setting("A", f"{cost}", (cost, cost), (0.8, 0.9)) for cost in (1.0, 2.0)]
SAVINGS = [plots.Saving(0.0, 1.0, 1.0, 1.0), plots.Saving(0.9, 0.12, 0.1, 1.0)]
CHOICES = [plots.Choice("A", 0.5, 0.2, (0.8, 0.9)), plots.Choice("B", 5.0, 0.1, (0.9, 0.95))]

OVER_ROUNDS: dict[str, Callable[[Run, bool], go.Figure]] = {
    "accuracy": lambda run, dark: plots.accuracy_curve(run, dark=dark),
    "accuracy against megabytes": lambda run, dark: plots.accuracy_curve(run, x="megabytes", dark=dark),
    "accuracy compared": lambda run, dark: plots.accuracy_curve(run, compare={"other": run}, dark=dark),
    "loss": lambda run, dark: plots.loss_curve(run, dark=dark),
    "bytes": lambda run, dark: plots.bytes_ledger(run, dense_bytes_per_round=1e6, dark=dark),
    "sparsity": lambda run, dark: plots.sparsity_curve(run, dark=dark),
    "density": lambda run, dark: plots.layer_density_heatmap(run, dark=dark),
    "overlay": lambda run, dark: plots.overlay({"one": [run, run], "other": [run]} if run else {}, dark=dark),
    "overlay of losses": lambda run, dark: plots.overlay({"one": [run, run]}, "loss", x="flops", dark=dark),
    "runs": lambda run, dark: plots.accuracy_against({"a run": run} if run else {}, dark=dark),
    "planned sparsity": lambda run, dark: plots.planned_sparsity(run, dark=dark),
    "planned bytes": lambda run, dark: plots.planned_bytes(run, dense_bytes_per_round=1e6, dark=dark),
    "planned flops": lambda run, dark: plots.planned_flops(run, dark=dark),
}
OTHERS: dict[str, Callable[[bool], go.Figure]] = {
    "mask": lambda dark: plots.mask_map(MASK, dark=dark),
    "change": lambda dark: plots.mask_map(MASK, ~MASK, "change", dark=dark),
    "magnitude": lambda dark: plots.mask_map(MASK, view="magnitude", values=torch.ones(3, 4), dark=dark),
    "changes": lambda dark: plots.kept_changes_bars({"fc": MASK}, {"fc": ~MASK}, dark=dark),
    "overlap": lambda dark: plots.overlap_heatmap(NAMES, [[1, 0.5], [0.5, 1]], dark=dark),
    "gates": lambda dark: plots.open_frequency_heatmap(NAMES, [[1, 0.5, 0], [0, 0.5, 0]], layer="conv", dark=dark),
    "used": lambda dark: plots.used_weights_heatmap(NAMES, [[1, 0.5, 0], [0, 0.5, 0]], layer="conv", dark=dark),
    "turnover": lambda dark: plots.turnover_bars([0.0, 0.3, 0.0], [None, 0.4, None], dark=dark),
    "no turnover": lambda dark: plots.turnover_bars([0.0, 0.0], dark=dark),
    "devices": lambda dark: plots.device_channels_heatmap(NAMES, [[1, 1, 0], [0, 1, 0]], layer="conv", dark=dark),
    "gate curves": lambda dark: plots.gate_curves([0.4, 1.5], dark=dark),
    "share": lambda dark: plots.share_curve({"soft": [1.0, 0.5], "hard": [1.0]}, {"soft": 0.5}, dark=dark),
    "sub-networks": lambda dark: plots.subnetworks(
        NAMES, [[1, 1, 0], [0, 1, 0]], (2, 1), (0.8, 0.4), (0.8, 0.5), dark=dark
    ),
    "network": lambda dark: plots.network_picture({"fc": MASK}, dark=dark),
    "filters": lambda dark: plots.filter_pictures(torch.ones(3, 4), MASK, (1, 2, 2), dark=dark),
    "channels": lambda dark: plots.channel_bars(MASK, dark=dark),
    "votes": lambda dark: plots.vote_bars([[-1, 0, 2], [3, 1, 3]], 3, 2, name="fc", dark=dark),
    "clients": lambda dark: plots.client_bars([0.5, 0.75], dark=dark),
    "confusion": lambda dark: plots.confusion_heatmap([[3, 1], [0, 2]], ["cat", "dog"], dark=dark),
    "errors": lambda dark: plots.error_by_age([20, 40, 60], [30, 40, 50], dark=dark),
    "drift": lambda dark: plots.drift_scatter(DRIFT, dark=dark),
    "drift grid": lambda dark: plots.drift_grid({("alpha 1", "E = 1"): (0.5, 1.2)}, dark=dark),
    "walks": lambda dark: plots.walk_picture([plots.Walker("A", abs, [1, 0.5])], optimum=0, dark=dark),
    "settling": lambda dark: plots.settling_curve({"FedAvg": {1: 3.0, 5: 2.5}}, optimum=3, apart=2, dark=dark),
    "accuracy by density": lambda dark: plots.accuracy_against_density({"A": [(1.0, 0.9)]}, chance=0.1, dark=dark),
    "pruned": lambda dark: plots.pruned_network({"fc": MASK, "out": ~MASK}, "fc", dark=dark),
    "masks": lambda dark: plots.mask_row({"one": MASK, "other": ~MASK}, "Two masks", dark=dark),
    "updates": lambda dark: plots.update_map(DRIFT, {0: "cat"}, dark=dark),
    "participation": lambda dark: plots.participation_heatmap({1: [0], 2: [1]}, 2, dark=dark),
    "labels": lambda dark: plots.label_heatmap([[3, 1], [0, 2]], ["cat", "dog"], dark=dark),
    "sizes": lambda dark: plots.size_bars([4, 2], dark=dark),
    "images": lambda dark: plots.image_grid(np.zeros((2, 4, 4, 1), np.uint8), ["a", "b"], dark=dark),
    "client images": lambda dark: plots.client_images([np.zeros((1, 4, 4, 1), np.uint8)], [["a"]], ["k"], dark=dark),
    "picture": lambda dark: plots.round_picture(dark=dark),
    "schedule": lambda dark: plots.schedule_curve({"cubic": [0.1, 0.9]}, dark=dark),
    "trade-off": lambda dark: plots.trade_off(CELLS, dense=0.9, dark=dark),
    "cells": lambda dark: plots.cell_heatmap({("A", "0 %"): [0.8, 0.9], ("A", ""): []}, dark=dark),
    "attack": lambda dark: plots.attack_against_sparsity(ATTACKED, dark=dark),
    "planned density": lambda dark: plots.density_bars({"fc": 0.5, "head": 1.0}, round=3, about=True, dark=dark),
    "region": lambda dark: plots.feasible_region(
        [0.0, 0.9], [1.0, 0.2], limit=0.5, chosen=(0.6, 0.5), setting="S", cost="flops", dark=dark
    ),
    "encodings": lambda dark: plots.encoding_bars(MESSAGE, dark=dark),
    "sweep": lambda dark: plots.encoding_sweep([MESSAGE], MESSAGE, dark=dark),
    "masks alone": lambda dark: plots.encoding_sweep([MESSAGE], masks_alone=True, dark=dark),
    "flops": lambda dark: plots.flops_bars(NetworkFlops(100, 40.0, 60, 0.6, 0), dark=dark),
    "latency": lambda dark: plots.latency_bars({"dense": Quartiles(1, 2, 3)}, batch=32, dark=dark),
    "target": lambda dark: plots.target_bars(TOOK, TOOK._replace(round=6), said="It took 3 rounds", dark=dark),
    "budget map": lambda dark: plots.budget_map(CHOICES, megabytes=1.0, gigaflops=1.0, dark=dark),
    "paired": lambda dark: plots.paired_runs({"A": {0: 0.8, 1: 0.9}, "B": {0: 0.7}}, title="A and B", dark=dark),
    "three costs": lambda dark: plots.three_costs(SAVINGS, SAVINGS[0], dark=dark),
    "roc": lambda dark: plots.attack_roc({"black-box": [0.5] * 101}, {"black-box": 0.5}, dark=dark),
    "seeds": lambda dark: plots.seed_dots({"equal rounds": {"A": [0.8, 0.9], "B": [0.7]}}, dark=dark),
    "roc by hand": lambda dark: plots.roc_beside_gap({"dense": [(0, 0), (1, 1)]}, {"dense": (1.0, 0.5)}, dark=dark),
}
EMPTY: dict[str, Callable[[], go.Figure]] = {
    **{name: lambda make=make: make([], False) for name, make in OVER_ROUNDS.items()},
    "change": lambda: plots.mask_map(MASK, view="change"),
    "changes": lambda: plots.kept_changes_bars({}, {}),
    "network": lambda: plots.network_picture({}),
    "overlap": lambda: plots.overlap_heatmap([], []),
    "gates": lambda: plots.open_frequency_heatmap([], []),
    "used": lambda: plots.used_weights_heatmap([], []),
    "turnover": lambda: plots.turnover_bars([]),
    "devices": lambda: plots.device_channels_heatmap([], []),
    "gate curves": lambda: plots.gate_curves([]),
    "share": lambda: plots.share_curve({}, {}),
    "sub-networks": lambda: plots.subnetworks([], [], (), (), ()),
    "votes": lambda: plots.vote_bars([[-1, -1]], 3, 2),
    "clients": lambda: plots.client_bars([float("nan")]),
    "confusion": lambda: plots.confusion_heatmap([[0, 0], [0, 0]], ["cat", "dog"]),
    "errors": lambda: plots.error_by_age([], []),
    "drift": lambda: plots.drift_scatter(None),
    "drift grid": lambda: plots.drift_grid({}),
    "walks": lambda: plots.walk_picture([], optimum=0),
    "settling": lambda: plots.settling_curve({}, optimum=3, apart=2),
    "accuracy by density": lambda: plots.accuracy_against_density({}),
    "pruned": lambda: plots.pruned_network({}, "fc"),
    "masks": lambda: plots.mask_row({}, "None"),
    "updates": lambda: plots.update_map(None),
    "participation": lambda: plots.participation_heatmap({}, 2),
    "labels": lambda: plots.label_heatmap([], []),
    "sizes": lambda: plots.size_bars([]),
    "images": lambda: plots.image_grid(np.zeros((0, 4, 4, 1), np.uint8), []),
    "client images": lambda: plots.client_images([], [], []),
    "schedule": lambda: plots.schedule_curve({}),
    "trade-off": lambda: plots.trade_off([]),
    "cells": lambda: plots.cell_heatmap({("A", "0 %"): []}),
    "attack": lambda: plots.attack_against_sparsity([]),
    "planned density": lambda: plots.density_bars({}, round=0),
    "region": lambda: plots.feasible_region([], [], limit=1, chosen=None, setting="", cost="flops"),
    "sweep": lambda: plots.encoding_sweep([]),
    "budget map": lambda: plots.budget_map([], megabytes=1.0, gigaflops=1.0),
    "paired": lambda: plots.paired_runs({}, title="A and B"),
    "three costs": lambda: plots.three_costs([]),
    "latency": lambda: plots.latency_bars({}, batch=32),
    "roc": lambda: plots.attack_roc({}, {}),
    "seeds": lambda: plots.seed_dots({}),
    "roc by hand": lambda: plots.roc_beside_gap({}, {}),
    "schedule of no rounds": lambda: plots.schedule_curve({"cubic": []}),
}


def has_nan(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(has_nan(part) for part in value.values())
    if isinstance(value, list | tuple | np.ndarray) and not isinstance(value, str):
        return any(has_nan(part) for part in value)
    return isinstance(value, float | np.floating) and not np.isfinite(value)


def check(make: Callable[[bool], go.Figure]) -> None:
    for dark, theme in ((False, LIGHT), (True, DARK)):
        figure = make(dark)
        layout = figure.layout
        assert layout.template.layout.paper_bgcolor == layout.template.layout.plot_bgcolor == "rgba(0,0,0,0)"
        assert layout.template.layout.font.color == theme.ink
        assert layout.paper_bgcolor is None
        assert layout.plot_bgcolor is None
        assert layout.uirevision
        assert layout.title.text
        assert not any(has_nan(trace.to_plotly_json()) for trace in figure.data)
    assert make(False).layout.uirevision == make(True).layout.uirevision


@pytest.mark.parametrize("name", OVER_ROUNDS)
@pytest.mark.parametrize("last", [0, 1, 4])
def test_a_figure_over_rounds(name: str, last: int, make_run: MakeRun) -> None:
    run = make_run(last)
    check(lambda dark: OVER_ROUNDS[name](run, dark))


@pytest.mark.parametrize("name", OVER_ROUNDS)
def test_numbers_that_are_none_or_not_finite_leave_gaps(name: str, make_run: MakeRun) -> None:
    nothing = {"test_loss": float("nan"), "train_loss": float("inf"), "target_sparsity": None}
    clients = {f"{which}_client_accuracy": float("nan") for which in ("worst", "mean", "best")}
    check(lambda dark: OVER_ROUNDS[name](make_run(4, **nothing, **clients), dark))


@pytest.mark.parametrize("name", OTHERS)
def test_any_other_figure(name: str) -> None:
    check(OTHERS[name])


@pytest.mark.parametrize("name", EMPTY)
def test_an_empty_figure_says_what_to_do_next(name: str) -> None:
    figure = EMPTY[name]()
    assert not figure.data
    assert len(figure.layout.annotations) == 1
    assert figure.layout.annotations[0].text.split()[0] in {"Press", "Choose", "Run", "Start"}
    assert not figure.layout.xaxis.visible
    assert figure.layout.title.text


def test_long_sentences_are_wrapped_and_have_room() -> None:
    short = plots.schedule_curve({"cubic": [0.1, 0.9]}, "Short")
    long = plots.schedule_curve({"cubic": [0.1, 0.9]}, "word " * 40)
    assert max(map(len, long.layout.title.text.split("<br>"))) <= 66
    assert long.layout.margin.t > short.layout.margin.t


def test_no_word_is_left_over_on_a_line_of_its_own() -> None:
    sentence = "nine nine " * 6 + "nine nine nine over"  # 79 characters: 66 would leave little for the second line
    first, second = plots.schedule_curve({"cubic": [0.1, 0.9]}, sentence).layout.title.text.split("<br>")
    assert abs(len(first) - len(second)) < 10


@pytest.mark.parametrize("together", ["3.1 MB", "90 %", "0.4 points", "2 GFLOPs", "round 12"])
def test_a_number_stays_with_its_unit(together: str) -> None:
    for before in range(1, 12):
        sentence = "x " * before + f"{together} " * 12
        lines = plots.schedule_curve({"cubic": [0.1, 0.9]}, sentence).layout.title.text.split("<br>")
        assert sum(line.count(together) for line in lines) == 12
