"""The explorer of notebook 04 without a browser."""

from __future__ import annotations

import time

import pytest

from fedlab_core.lessons.one_network import trained
from fedlab_core.lessons.widgets import Explorer, pruning_explorer

from .test_one_network import BASE


@pytest.fixture(scope="module")
def explorer() -> Explorer:
    return pruning_explorer(trained(BASE))


def title(explorer: Explorer) -> str:
    return explorer.figure.layout.title.text.replace("<br>", " ")


def kept(explorer: Explorer) -> float:
    """Mean of the map that is drawn, in percent."""
    return float(explorer.figure.data[0].z.mean()) / 100


def test_the_mask_follows_sparsity_score_scope_and_layer(explorer: Explorer) -> None:
    assert title(explorer).startswith("2,586 of 25,856 weights are left (10 %)")
    before = kept(explorer)
    explorer.controls["sharing"].value = "layer"
    assert title(explorer).endswith("the same share in every layer")
    assert kept(explorer) != before
    explorer.controls["sparsity"].value = 0.5
    assert kept(explorer) == pytest.approx(0.5, abs=0.01)
    text = explorer.text
    explorer.controls["score"].value = "random"
    assert explorer.text != text
    explorer.controls["layer"].value = "fc3.weight"
    assert explorer.figure.data[0].z.shape == (10, 128)
    assert len(explorer._still().data) == 3


@pytest.mark.slow
def test_it_answers_within_a_second(explorer: Explorer) -> None:
    start = time.process_time()
    explorer.controls["sparsity"].value = 0.98
    assert time.process_time() - start < 1
