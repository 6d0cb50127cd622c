"""The explorer of notebook 08: budgets are learnt, and moving a slider redraws."""

from __future__ import annotations

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from fedlab_core.experiment import Experiment
from fedlab_core.lab import Federation
from fedlab_core.lessons.widgets import Explorer, hypernetwork_explorer
from fedlab_core.lessons.widgets.hypernetwork import EVERY, STEPS, learn_budgets, networks_of
from fedlab_core.pruning.budget import ChannelCosts

BASE = Experiment().replace(
    {"model.name": "mlp", "data.num_clients": 6, "strategy.name": "dwnp", "strategy.width": 8, "strategy.rate": 0.05}
)


@pytest.fixture(scope="module")
def costs() -> ChannelCosts:
    federation = Federation.of(BASE)
    return ChannelCosts.of_model(federation.model, federation.layer_flops)


def bars(explorer: Explorer) -> list[float]:
    (shares,) = (trace.x for trace in explorer.figure.data if trace.type == "bar")
    return list(shares)


def test_the_steps_go_from_the_full_network_to_the_budgets(costs: ChannelCosts) -> None:
    budgets = (0.8, 0.25, 0.5, 0.7)
    snapshots = learn_budgets(costs, budgets, width=8, seed=0)
    assert len(snapshots) == STEPS // EVERY + 1
    first, last = (
        [float(costs.share(costs.split(row.float()))) for row in networks_of(costs, o)]
        for o in (snapshots[0], snapshots[-1])
    )
    assert first == pytest.approx([1] * 4, abs=0.01)
    # Without noise a few more gates are open than in a draw.
    assert last == pytest.approx(budgets, abs=0.15)


def test_devices_are_parts_of_the_servers_network(costs: ChannelCosts) -> None:
    server, *devices = networks_of(costs, learn_budgets(costs, (0.3, 0.1, 0.6, 0.9), width=8, seed=1)[-1])
    assert all(not (device & ~server).any() for device in devices)
    assert all(part.any() for device in devices for part in costs.split(device))


def test_sliders_change_the_networks() -> None:
    explorer = hypernetwork_explorer(BASE)
    before = bars(explorer)
    explorer.controls["p_1"].value = 0.2
    assert bars(explorer)[2] < before[2] - 0.1
    explorer.controls["steps"].value = 0
    assert bars(explorer) == pytest.approx([1] * 4, abs=0.01)
    assert "Before learning" in explorer.text
    explorer.controls["steps"].value = STEPS
    explorer.controls["p_s"].value = 0.3
    assert "out of reach" in explorer.text


def test_the_cell_leaves_a_still_picture() -> None:
    InteractiveShell.instance()
    try:
        with capture_output() as captured:
            hypernetwork_explorer(BASE)._ipython_display_()
    finally:
        InteractiveShell.clear_instance()
    assert "application/vnd.jupyter.widget-view+json" in captured.outputs[0].data
