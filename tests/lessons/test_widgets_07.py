"""The explorer of notebook 07: what images use follows r and tau, and the FLOPs with it."""

from __future__ import annotations

import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from fedlab_core.experiment import Experiment
from fedlab_core.lessons.widgets import gates_explorer
from fedlab_core.lessons.widgets.gates import GateLab
from fedlab_core.models.gating import open_shares
from fedlab_core.strategies.dynamic_gate import DynamicGate

BASE = Experiment().replace(
    {
        "data.num_clients": 3,
        "federation.rounds": 8,
        "federation.local_epochs": 1,
        "federation.batch_size": 64,
        "strategy.name": "dynamic-gate",
        "strategy.ratio": 0.5,
    }
)


@pytest.fixture(scope="module")
def lab() -> GateLab:
    return GateLab(BASE)


def test_without_a_threshold_an_image_uses_the_shares_of_the_model(lab: GateLab) -> None:
    seen = lab.look(0.5, 0.0)
    federation = lab.federation.under(DynamicGate(ratio=0.5))
    shares = open_shares(federation.model)
    wanted = sum(flops * shares.get(name, 1.0) for name, flops in federation.layer_flops.items())
    # Where ReLU has closed more than the choice would, an image takes less.
    assert float(seen.flops_N.max()) <= wanted * (1 + 1e-6)
    assert float(seen.flops_N.max()) == pytest.approx(wanted, rel=0.05)
    assert float(seen.used_NC.mean()) == pytest.approx(0.25, abs=0.02)
    assert int((seen.used_NC > 0).sum(1).max()) <= 16


def test_a_threshold_takes_its_share_of_the_weights(lab: GateLab) -> None:
    weight = lab.state.params["conv2.body.conv.weight"]
    kept = float((weight.abs() > 0.05).float().mean())
    assert 0.2 < kept < 0.8
    assert float(lab.look(1.0, 0.05).used_NC.mean()) == pytest.approx(kept, abs=0.1)
    assert float(lab.look(1.0, 0.05).flops_N.mean()) < float(lab.look(1.0, 0.0).flops_N.mean())


def test_images_differ_under_gates(lab: GateLab) -> None:
    used_NC = lab.look(0.3, 0.0).used_NC
    assert len(torch.unique(used_NC > 0, dim=0)) > 3


def test_the_picture_follows_the_sliders_and_a_still_one_stays() -> None:
    explorer = gates_explorer(BASE)
    before, text = explorer.figure.data[0].z, explorer.text
    explorer.controls["ratio"].value = 0.2
    assert (explorer.figure.data[0].z != before).any()
    assert explorer.text != text
    explorer.controls["ratio"].value = 1.0
    explorer.controls["tau"].value = 0.1
    assert "of dense, on paper" in explorer.text
    InteractiveShell.instance()
    try:
        with capture_output() as captured:
            explorer._ipython_display_()
    finally:
        InteractiveShell.clear_instance()
    assert "application/vnd.jupyter.widget-view+json" in captured.outputs[0].data
