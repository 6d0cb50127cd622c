"""The explorer of notebook 09: masks change as often and as much as its sliders say."""

from __future__ import annotations

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from fedlab_core.experiment import Experiment
from fedlab_core.lessons.widgets import regrow_explorer
from fedlab_core.lessons.widgets.regrow import course

BASE = Experiment().replace(
    {
        "model.name": "mlp",
        "data.num_clients": 3,
        "federation.rounds": 8,
        "federation.local_epochs": 1,
        "federation.batch_size": 64,
        "strategy.name": "feddst",
        "strategy.final_sparsity": 0.9,
        "strategy.exchange": 0.5,
    }
)


def test_masks_change_in_rounds_of_exchange_and_at_most_as_much() -> None:
    seen = course(BASE, 0.5, 2)
    assert [t for t, share in enumerate(seen.asked_T, start=1) if share is not None] == [2, 4]
    assert all((share > 0) == (t in (2, 4)) for t, share in enumerate(seen.turnover_T, start=1))
    assert 0.1 < seen.explored < 0.25


def test_without_an_exchange_nothing_is_new() -> None:
    seen = course(BASE, 0.0, 2)
    assert seen.turnover_T == [0.0] * 8
    assert seen.asked_T == [None] * 8
    assert seen.explored == pytest.approx(0.1, abs=0.002)


def test_the_picture_follows_the_sliders_and_a_still_one_stays() -> None:
    explorer = regrow_explorer(BASE)
    before, text = list(explorer.figure.data[0].y), explorer.text
    explorer.controls["exchange"].value = 0.1
    assert list(explorer.figure.data[0].y) != before
    assert "were kept at some time" in explorer.text
    explorer.controls["exchange"].value = 0.5
    assert (list(explorer.figure.data[0].y), explorer.text) == (before, text)
    explorer.controls["every"].value = 3
    assert [t for t, share in enumerate(explorer.figure.data[0].y, start=1) if share] == [3]
    InteractiveShell.instance()
    try:
        with capture_output() as captured:
            explorer._ipython_display_()
    finally:
        InteractiveShell.clear_instance()
    assert "application/vnd.jupyter.widget-view+json" in captured.outputs[0].data
