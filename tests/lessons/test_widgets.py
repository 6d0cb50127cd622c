"""Explorers without a browser: moving a control changes the figure, and what cannot be is said instead of drawn."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from fedlab_core.experiment import Experiment
from fedlab_core.lab import Federation
from fedlab_core.lessons.widgets import Explorer, fedavg_explorer, fedsparsify_explorer, partition_explorer
from fedlab_core.lessons.widgets.explorer import slider, steps
from fedlab_core.lessons.widgets.fedsparsify import levels, rehearsed_bytes
from fedlab_core.simulation import simulate

BASE = Experiment().replace({"model.name": "mlp", "data.num_clients": 5, "federation.rounds": 8})
SPARSE = BASE.replace({"strategy.name": "fedsparsify-global", "strategy.final_sparsity": 0.95})


def title(explorer: Explorer) -> str:
    return explorer.figure.layout.title.text.replace("<br>", " ")


def test_the_partition_follows_its_sliders() -> None:
    explorer = partition_explorer(BASE)
    counts = explorer.figure.data[0].z
    assert counts.shape == (10, 5)
    explorer.controls["alpha"].value = 0.05
    assert (explorer.figure.data[0].z != counts).any()
    explorer.controls["num_clients"].value = 12
    assert explorer.figure.data[0].z.shape == (10, 12)
    assert "bits of at most 1" in explorer.text


def test_only_the_controls_of_the_chosen_partition_are_shown() -> None:
    explorer = partition_explorer(BASE)
    explorer.controls["partition"].value = "shards"
    hidden = {name for name, control in explorer.controls.items() if control.layout.display == "none"}
    assert hidden == {"alpha", "size_power"}
    assert (explorer.figure.data[0].z > 0).sum(0).tolist() == [2] * 5


def test_settings_that_cannot_be_are_said_and_can_be_left_again() -> None:
    explorer = partition_explorer(BASE)
    explorer.controls["partition"].value = "shards"
    explorer.controls["labels_per_client"].value = 1
    assert title(explorer) == "These settings do not go together"
    assert "labels_per_client is 1" in explorer.figure.layout.annotations[0].text
    explorer.controls["labels_per_client"].value = 3
    assert "holds 3.0 of 10 labels" in title(explorer)
    assert not explorer.figure.layout.annotations


def test_fedavg_goes_on_with_the_button_and_starts_anew_with_a_slider() -> None:
    explorer = fedavg_explorer(BASE)
    assert "Round 1 of 8" in explorer.text
    explorer.buttons["Next round"].click()
    (first,) = (trace.y for trace in explorer.figure.data if trace.name == "global model")
    assert "Round 2 of 8" in explorer.text
    explorer.controls["epochs"].value = 1
    assert "E = 1. Round 1 of 8" in explorer.text
    before = next(trace for trace in explorer.figure.data if trace.name == "K = 5, C = 1, E = 2")
    assert before.y == first


def test_fedavg_runs_to_the_end_and_stays_there() -> None:
    explorer = fedavg_explorer(BASE)
    for _ in range(3):
        explorer.buttons["Five more"].click()
    assert "Round 8 of 8" in explorer.text
    assert len(explorer.figure.data[-1].y) == 9


def test_the_schedule_follows_its_sliders() -> None:
    explorer = fedsparsify_explorer(SPARSE)
    (start,) = explorer.figure.data
    assert list(start.y) == levels(SPARSE)
    explorer.controls["frequency"].value = 4
    chosen, reference = explorer.figure.data
    assert list(chosen.y) == [0, 0, 0, chosen.y[3], chosen.y[3], chosen.y[3], chosen.y[3], 0.95]
    assert list(reference.y) == levels(SPARSE)


@pytest.mark.parametrize("participation", [1.0, 0.4])
def test_the_forecast_of_bytes_is_what_a_run_then_takes(participation: float) -> None:
    experiment = SPARSE.replace({"federation.participation": participation})
    sent = sum(record.upload_bytes + record.download_bytes for record in simulate(experiment))
    assert rehearsed_bytes(Federation.of(experiment)) == pytest.approx(sent, rel=0.002)


@pytest.mark.parametrize(
    ("explorer", "base"), [(partition_explorer, BASE), (fedavg_explorer, BASE), (fedsparsify_explorer, SPARSE)]
)
def test_a_cell_leaves_the_widget_and_a_still_picture(
    explorer: Callable[[Experiment], Explorer], base: Experiment
) -> None:
    InteractiveShell.instance()
    try:
        with capture_output() as captured:
            explorer(base)._ipython_display_()
    finally:
        InteractiveShell.clear_instance()
    kinds = [set(output.data) for output in captured.outputs]
    assert "application/vnd.jupyter.widget-view+json" in kinds[0]
    assert "text/markdown" in kinds[1]


def test_sliders_reach_the_value_that_they_start_at() -> None:
    assert (slider("K", 50, 2, 40).max, slider("C", 0.05, 0.1, 1, 0.1).min) == (50, 0.05)
    assert steps("alpha", 0.3, (0.1, 1)).options == (("0.1", 0.1), ("0.3", 0.3), ("1", 1))
    assert not slider("K", 5, 2, 40).continuous_update
