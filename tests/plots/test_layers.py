import numpy as np
import pytest
import torch

from fedlab_core.plots import (
    device_channels_heatmap,
    kept_changes_bars,
    layer_density_heatmap,
    open_frequency_heatmap,
    overlap_heatmap,
)
from fedlab_core.plots.style import GROWN_SINCE, LIGHT, PRUNED_SINCE

from .conftest import MakeRun


def title(figure) -> str:
    return figure.layout.title.text.replace("<br>", " ")


def test_density_of_layers_over_rounds(make_run: MakeRun) -> None:
    figure = layer_density_heatmap(make_run(2))
    heat = figure.data[0]
    assert heat.y == ("fc1.weight", "head.weight")
    assert heat.x == (0, 1, 2)
    assert np.array(heat.z) == pytest.approx(np.array([[1, 0.8, 0.6], [1, 0.9, 0.8]]))
    assert (heat.zmin, heat.zmax) == (0, 1)
    assert figure.layout.yaxis.autorange == "reversed"
    assert title(figure) == (
        "After round 2 fc1.weight keeps 60 % of its weights, the least; head.weight keeps 80 %, the most"
    )


def test_a_layer_that_was_cut_leaves_a_gap(make_run: MakeRun) -> None:
    heat = layer_density_heatmap(make_run(1, layer_density={"head.weight": 0.9})).data[0]
    assert list(heat.z[0]) == [1, None]


def test_a_model_without_masks_is_told_apart_from_no_rounds(make_run: MakeRun) -> None:
    bare = layer_density_heatmap(make_run(1, layer_density={}))
    assert title(bare) != title(layer_density_heatmap([]))
    assert bare.layout.annotations[0].text.startswith("Choose a strategy that prunes")


def test_changes_by_layer() -> None:
    before = {"fc1": torch.tensor([True, True, True, False]), "head": torch.tensor([False, True])}
    after = {"fc1": torch.tensor([True, False, False, False]), "head": torch.tensor([True, True])}
    figure = kept_changes_bars(before, after)
    bars = {trace.name: trace for trace in figure.data}
    counts = {name: tuple(bar.customdata) for name, bar in bars.items()}
    assert counts == {"kept": (1, 1), "grown since": (0, 1), "pruned since": (2, 0), "pruned before": (1, 0)}
    assert bars["pruned since"].x == (0.5, 0)
    assert bars["pruned since"].marker.color == PRUNED_SINCE
    assert bars["pruned since"].marker.pattern.shape == "x"
    assert bars["grown since"].marker.color == GROWN_SINCE
    assert bars["grown since"].marker.pattern.shape == "+"
    assert (bars["kept"].marker.color, bars["pruned before"].marker.color) == (LIGHT.kept, LIGHT.pruned)
    assert np.sum([bar.x for bar in figure.data], axis=0) == pytest.approx(1)
    assert bars["kept"].y == ("fc1<br>−2 +0", "head<br>−0 +1")
    assert title(figure) == "2 weights were pruned and 1 grown; 50 % of all are kept"
    assert kept_changes_bars(after, after).data[0].y[0] == "fc1<br>unchanged"
    alone = kept_changes_bars(None, after)
    assert alone.data[0].y[0] == "fc1"
    assert "pruned and" not in alone.layout.title.text


def test_overlap_names_the_pair_that_agrees_least() -> None:
    iou_KK = np.array([[1, 0.5, 0.7], [0.5, 1, 0.3], [0.7, 0.3, 1]])
    figure = overlap_heatmap(["a", "b", "c"], iou_KK)
    assert (figure.data[0].z == iou_KK).all()
    assert (figure.data[0].zmin, figure.data[0].zmax) == (0, 1)
    assert title(figure) == (
        "Of the weights that either of two clients keeps, both keep 50 % on average; b and c the fewest, 30 %"
    )


def test_overlap_of_one_and_of_a_hundred_clients() -> None:
    assert "nothing to compare" in title(overlap_heatmap(["a"], [[1.0]]))
    many = overlap_heatmap([f"client {k}" for k in range(100)], np.eye(100))
    assert many.data[0].z.shape == (100, 100)


def test_overlap_wants_one_row_a_client() -> None:
    with pytest.raises(ValueError, match=r"iou_KK has shape \(2, 2\); allowed is \(3, 3\)"):
        overlap_heatmap(["a", "b", "c"], np.eye(2))


def test_sub_networks_are_counted_in_the_title() -> None:
    figure = device_channels_heatmap(["server", "a", "b"], [[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0]], layer="conv1")
    assert "Of 4 channels of conv1, the server keeps 3; a device 1.5 on average, and 1 are in all" in title(figure)
    with pytest.raises(ValueError, match=r"allowed is \(1, C\)"):
        device_channels_heatmap(["server"], [[1, 0], [1, 1]])


def test_open_channels_are_counted_in_the_title() -> None:
    figure = open_frequency_heatmap(["a", "b"], [[1, 0.5, 0, 1], [0, 0.5, 0, 1]], layer="conv1")
    said = title(figure)
    assert "50 % of the channels of conv1" in said
    assert "1 are never open, 1 always" in said
    assert "differs by 25 % on average" in said
    with pytest.raises(ValueError, match=r"allowed is \(2, C\)"):
        open_frequency_heatmap(["a", "b"], [[1, 0]])
