"""The cost explorer: three costs follow what is pruned, how the mask is encoded, and how much of it."""

from __future__ import annotations

import pytest

from fedlab_core.experiment import Experiment
from fedlab_core.lessons.widgets import Explorer, cost_explorer

BASE = Experiment().replace({"model.name": "mlp", "data.num_clients": 5})


def title(explorer: Explorer) -> str:
    return explorer.figure.layout.title.text.replace("<br>", " ")


def curves(explorer: Explorer) -> dict[str, tuple[float, ...]]:
    return {trace.name: tuple(trace.y) for trace in explorer.figure.data if trace.name}


@pytest.fixture(scope="module")
def explorer() -> Explorer:
    return cost_explorer(BASE)


def test_scattered_zeros_save_bytes_and_no_computing(explorer: Explorer) -> None:
    explorer.controls["structure"].value = "single weights"
    explorer.controls["sparsity"].value = 0.75
    drawn = curves(explorer)
    at = next(trace.x for trace in explorer.figure.data if trace.name).index(0.75)
    assert drawn["FLOPs as computed"][at] > 0.95
    assert drawn["FLOPs as counted"][at] == pytest.approx(0.25, abs=0.001)
    assert 0.25 < drawn["bytes of the message"][at] < 0.35


def test_whole_units_save_all_three(explorer: Explorer) -> None:
    explorer.controls["structure"].value = "whole units"
    explorer.controls["sparsity"].value = 0.9
    drawn = curves(explorer)
    assert drawn["FLOPs as computed"] == pytest.approx(drawn["FLOPs as counted"])
    assert "as computed" in title(explorer)


def test_the_encoding_decides_on_the_bytes_alone(explorer: Explorer) -> None:
    explorer.controls["structure"].value = "single weights"
    seen = {}
    for encoding in ("dense", "indices", "bitmap", "shortest form"):
        explorer.controls["encoding"].value = encoding
        seen[encoding] = curves(explorer)
    assert set(seen["dense"]["bytes of the message"]) == {1.0}
    assert max(seen["indices"]["bytes of the message"]) > 1
    shortest = seen["shortest form"]["bytes of the message"]
    assert all(a <= b for a, b in zip(shortest, seen["bitmap"]["bytes of the message"], strict=True))
    assert len({one["FLOPs as counted"] for one in seen.values()}) == 1


def test_the_still_picture_sets_scattered_zeros_beside_whole_units(explorer: Explorer) -> None:
    still = explorer._still()
    assert len(still.data) == 6
    assert [note.text for note in still.layout.annotations] == ["scattered weights", "whole units"]
    assert "whole units" in still.layout.title.text.replace("<br>", " ")
