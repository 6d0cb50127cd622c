"""The explorer of notebook 12: methods, seeds, and a budget."""

import pytest

from fedlab_core.experiment import Experiment
from fedlab_core.lessons.widgets import comparison_explorer

BASE = Experiment().replace(
    {
        "model.name": "mlp",
        "data.num_clients": 2,
        "federation.rounds": 2,
        "federation.local_epochs": 1,
        "federation.batch_size": 128,
        "strategy.name": "fedsparsify-global",
        "strategy.final_sparsity": 0.8,
    }
)


@pytest.mark.slow
def test_methods_seeds_and_budget_are_chosen() -> None:
    explorer = comparison_explorer(BASE)
    shown = list(explorer.figure.layout.xaxis.ticktext)
    assert shown == ["FedAvg", "FedSparsify-Global", "OneShot", "SNIP"]
    assert len(explorer.figure.data) == 2 * 2 * len(shown)
    assert len(explorer.figure.data[1].y) == 3
    explorer.controls["seeds"].value = 1
    assert len(explorer.figure.data[1].y) == 1
    explorer.controls["share"].value = 100
    assert "Done before it was spent: " in explorer.text
    left, right = explorer.figure.data[0].y, explorer.figure.data[8].y
    assert left == right, "who may spend all that the dense run spends reads its last round"
    explorer.controls["third"].value = "one-shot"
    assert list(explorer.figure.layout.xaxis.ticktext) == shown[:3], "a method that is chosen twice is shown once"
    names = [axis.title.text for axis in (explorer._still().layout.xaxis, explorer._still().layout.xaxis2)]
    assert names[0] == "equal rounds (2)"
    assert names[1].startswith("equal bytes (")
