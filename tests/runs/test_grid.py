"""Grids: every combination once, in order, checked before anything runs."""

import itertools

import pytest

from fedlab_core.experiment import Experiment, SettingError
from fedlab_core.runs.grid import MAX_CELLS, Grid, parse_axes
from fedlab_core.runs.recipes import recipe

BASE = recipe("fedsparsify-digits")


def test_every_combination_once_and_the_last_setting_changes_fastest():
    axes = {"strategy.final_sparsity": [0.5, 0.9], "data.alpha": [0.1, 1, 10], "federation.seed": [0, 1]}
    grid = Grid.of(BASE, axes)
    assert grid.size == len(grid.cells) == 12
    assert [cell.place for cell in grid.cells] == list(range(12))
    assert [tuple(cell.coordinates.values()) for cell in grid.cells] == list(itertools.product(*axes.values()))
    for cell in grid.cells:
        assert cell.experiment == BASE.replace(cell.coordinates)
    assert len({cell.experiment.hash for cell in grid.cells}) == 12
    assert grid.cells[0].name == "final_sparsity=0.5 alpha=0.1 seed=0"


def test_text_is_read_and_the_values_are_those_of_the_experiments():
    grid = Grid.of(BASE, parse_axes(["strategy.final_sparsity=0.50, 0.9", "federation.seed=0,1", "data.seed=7"]))
    assert grid.axes == {"strategy.final_sparsity": (0.5, 0.9), "federation.seed": (0, 1), "data.seed": (7,)}
    assert grid.cells[-1].name == "final_sparsity=0.9 federation.seed=1 data.seed=7"  # "seed" alone would say little
    names = Grid.of(BASE, {"data.dataset": ["Digits", "shapes"], "model.name": ["mlp"]})
    assert names.axes["data.dataset"] == ("digits", "shapes")


def test_methods_may_be_compared():
    grid = Grid.of(BASE, {"strategy.name": ["fedsparsify-global", "random"], "strategy.final_sparsity": [0.5, 0.9]})
    assert [(c.experiment.strategy.name, c.experiment.strategy.final_sparsity) for c in grid.cells] == [
        ("fedsparsify-global", 0.5),
        ("fedsparsify-global", 0.9),
        ("random", 0.5),
        ("random", 0.9),
    ]


def test_a_setting_that_a_method_lacks_is_left_out_for_it():
    axes = {
        "strategy.name": ["fedavg", "random", "fedprox"],
        "strategy.final_sparsity": [0.5, 0.9],
        "strategy.mu": ["0.1"],
        "federation.seed": [0, 1],
    }
    grid = Grid.of(BASE, axes)
    assert [cell.name for cell in grid.cells] == [
        "name=fedavg seed=0",
        "name=fedavg seed=1",
        "name=random final_sparsity=0.5 seed=0",
        "name=random final_sparsity=0.5 seed=1",
        "name=random final_sparsity=0.9 seed=0",
        "name=random final_sparsity=0.9 seed=1",
        "name=fedprox mu=0.1 seed=0",
        "name=fedprox mu=0.1 seed=1",
    ]
    assert grid.size == 8
    assert len({cell.experiment.hash for cell in grid.cells}) == 8
    assert Grid.parse(grid.to_json()).cells == grid.cells


def test_stored_and_read_it_is_the_same():
    grid = Grid.of(BASE, {"strategy.name": ["fedavg", "random"], "federation.seed": [1, 0]})
    assert Grid.parse(grid.to_json()) == grid
    assert Grid.parse(grid.to_json()).cells == grid.cells
    with pytest.raises(SettingError, match="no setting"):
        Grid.parse(grid.to_json().replace('"alpha"', '"of the future"'))


@pytest.mark.parametrize(
    ("axes", "words"),
    [
        ({"strategy.final_sparsity": ["0.5", "1.5"]}, "strategy.final_sparsity is '1.5'; allowed is a number with 0"),
        ({"strategy.final_sparsty": ["0.5"]}, "did you mean strategy.final_sparsity"),
        ({"federation.seed": ["0", ""]}, "federation.seed is ''; allowed is a whole number"),
        ({"federation.seed": [0, 1, "0"]}, "the grid has federation.seed=0 twice"),
        ({"strategy.final_sparsity": ["0.5", "0.50"]}, "strategy.final_sparsity=0.5 twice"),
        ({"data.dataset": ["digits", "DIGITS"]}, "data.dataset=digits twice"),
        ({"strategy.name": ["fedavg", "fedprox"], "strategy.final_sparsity": [0.5]}, "no setting .* strategy fedavg"),
        ({"strategy.name": ["random"], "strategy.mu": [0.5]}, "no setting .* strategy random"),
        ({"strategy.name": ["pigeons", "random"], "strategy.final_sparsity": [0.5]}, "strategy.name is 'pigeons'"),
        ({"federation.seed": []}, "federation.seed has no values"),
        ({}, "the grid has no settings"),
        (
            {"federation.seed": range(200), "data.seed": range(100)},
            f"the grid has 20000 runs \\(200 x 100\\); allowed are at most {MAX_CELLS}",
        ),
        ({"federation.seed": range(10**9), "data.seed": range(10**9)}, "the grid has 10{18} runs"),
    ],
)
def test_a_bad_grid_is_refused_in_one_sentence(axes, words):
    with pytest.raises(SettingError, match=words) as refusal:
        Grid.of(Experiment() if axes == {} else BASE, axes)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("text", ["federation.seed", "=1,2", ""])
def test_what_is_typed_must_be_a_setting_and_values(text):
    with pytest.raises(SettingError, match=r"--grid is .*; allowed is KEY=VALUE,VALUE"):
        parse_axes([text])
    with pytest.raises(SettingError, match=r"--grid has federation.seed twice"):
        parse_axes(["federation.seed=1", " federation.seed = 2"])
