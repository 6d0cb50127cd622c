"""The explorers of notebook 03 without a browser."""

from __future__ import annotations

import time

import pytest

from fedlab_core.experiment import Experiment
from fedlab_core.lessons.widgets import Explorer, drift_explorer, quadratics_explorer

BASE = Experiment().replace(
    {
        "model.name": "mlp",
        "data.num_clients": 5,
        "data.alpha": 0.1,
        "federation.local_epochs": 1,
        "federation.rounds": 3,
    }
)


def title(explorer: Explorer) -> str:
    return explorer.figure.layout.title.text.replace("<br>", " ")


def test_the_quadratics_follow_their_sliders() -> None:
    explorer = quadratics_explorer()
    assert "the server stays. The optimum is 3.00" in title(explorer)
    explorer.controls["local"].value = 2
    assert "w = 2.7273" in explorer.text
    assert explorer.controls["mu"].layout.display == "none"
    explorer.controls["method"].value = "fedprox"
    assert explorer.controls["mu"].layout.display is None
    assert "w = 2.6667" in explorer.text
    explorer.controls["method"].value = "scaffold"
    assert "w = 3.0000: 0.0000 away" in explorer.text
    assert len(explorer._still().data) == 3


@pytest.mark.slow
def test_the_quadratics_answer_at_once() -> None:
    explorer = quadratics_explorer()
    start = time.process_time()
    explorer.controls["local"].value = 50
    assert time.process_time() - start < 1


def test_the_updates_follow_alpha_and_epochs() -> None:
    explorer = drift_explorer(BASE)
    before = explorer.figure.data[0].y
    explorer.controls["alpha"].value = 100
    assert min(explorer.figure.data[0].y) > min(before)
    assert explorer.text.startswith("alpha = 100, E = 1: two clients' updates")
    lengths = explorer.figure.data[0].x
    explorer.controls["epochs"].value = 5
    assert sum(explorer.figure.data[0].x) > sum(lengths)


@pytest.mark.slow
def test_the_still_picture_is_a_grid_of_settings() -> None:
    (grid,) = drift_explorer(BASE)._still().data
    assert [len(row) for row in grid.z] == [3, 3, 3]
    assert grid.z[0][0] < grid.z[-1][0]
