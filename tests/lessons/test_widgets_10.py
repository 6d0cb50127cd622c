"""The budget explorer: two budgets over settings that have been run, without training anything."""

from __future__ import annotations

import pytest

from fedlab_core.lessons.widgets import Explorer, budget_explorer

MB, GFLOPS = 10**6, 10**9


def setting(name: str, megabytes: float, gigaflops: float, *accuracies: float) -> dict[str, object]:
    half = int(megabytes * MB / 2)
    return {
        "name": name,
        "upload_bytes": half,
        "download_bytes": half,
        "flops": gigaflops * GFLOPS,
        "accuracies": list(accuracies),
    }


SETTINGS = [
    setting("dense", 10, 3, 0.95, 0.97),
    setting("few rounds", 1, 2, 0.8, 0.9),
    setting("sparse", 0.5, 0.2, 0.7, 0.8),
    setting("useless", 5, 3, 0.5, 0.5),
]


def title(explorer: Explorer) -> str:
    return explorer.figure.layout.title.text.replace("<br>", " ")


def places(explorer: Explorer, name: str) -> list[float]:
    return [at for trace in explorer.figure.data if trace.name == name for at in trace.x]


@pytest.fixture
def explorer() -> Explorer:
    return budget_explorer(SETTINGS)


def test_both_budgets_decide_what_is_best(explorer: Explorer) -> None:
    assert "2 of 4 settings keep to 1 MB and 5 GFLOPs; best is few rounds, at 85 %" in title(explorer)
    assert explorer.text == "Accuracy: without the budget of bytes it would be 11.0 points more."
    explorer.controls["gigaflops"].value = 1.0
    assert "best is sparse, at 75 %" in title(explorer)
    assert "without the budget of FLOPs it would be 10.0 points more" in explorer.text
    explorer.controls["gigaflops"].value = 5.0
    explorer.controls["megabytes"].value = 20.0
    assert "4 of 4 settings" in title(explorer)
    assert explorer.text == "Neither budget by itself costs accuracy."


def test_a_budget_that_nothing_keeps_is_said(explorer: Explorer) -> None:
    explorer.controls["megabytes"].value = 0.1
    assert title(explorer) == "None of 4 settings keeps to 0.1 MB and 5 GFLOPs"
    assert explorer.text == "Nothing fits: loosen a budget."


def test_the_axis_is_bytes_or_flops(explorer: Explorer) -> None:
    assert places(explorer, "keeps both budgets") == [1.0, 0.5]
    assert places(explorer, "Pareto front") == [0.5, 1.0, 10.0]
    explorer.controls["x"].value = "gigaflops"
    assert places(explorer, "keeps both budgets") == [2.0, 0.2]
    assert places(explorer, "best") == [2.0]


def test_the_still_picture_has_both_fronts(explorer: Explorer) -> None:
    still = explorer._still()
    assert [note.text for note in still.layout.annotations] == ["by bytes", "by FLOPs"]
    assert still.layout.title.text.startswith("Of 3 settings on the front of bytes 3 are on")
