"""What a figure says as words and tables: its numbers, and nothing that only decorates."""

from __future__ import annotations

import re

import pytest
import torch

from fedlab_core import plots
from fedlab_core.plots.tables import figure_page, figure_tables, figure_words

from .conftest import MakeRun
from .test_every_figure import ATTACKED, EMPTY, OTHERS, OVER_ROUNDS


def test_curves_share_a_table(make_run: MakeRun) -> None:
    """Round r: accuracy 0.2 + 0.1 r, 0.02 less after the first purge; the worst client 0.1 below that."""
    (table,) = figure_tables(plots.accuracy_curve(make_run(2)))
    assert [row["round"] for row in table] == [0, 1, 2]
    assert [row["global model"] for row in table] == pytest.approx([0.2, 0.28, 0.38])
    assert [row["worst client"] for row in table] == pytest.approx([0.1, 0.2, 0.3])


def test_a_heatmap_is_a_table_of_its_cells() -> None:
    (table,) = figure_tables(plots.label_heatmap([[3, 1], [0, 2]], ["cat", "dog"]))
    assert [list(row.values()) for row in table] == [["cat", 3, 0], ["dog", 1, 2]]


def test_cells_that_stand_for_blocks_are_at_their_middles() -> None:
    """256 x 256 weights as blocks of 2 x 2: the first is at 0.5, the next at 2.5."""
    mask = torch.ones(256, 256, dtype=torch.bool)
    (table,) = figure_tables(plots.mask_map(mask))
    assert list(table[1])[1:3] == ["0.5", "2.5"]
    assert next(iter(table[1].values())) == 2.5


def test_bars_without_names_are_numbered() -> None:
    (table,) = figure_tables(plots.size_bars([4, 2]))
    assert [list(row.values()) for row in table] == [[0, 4], [1, 2]]


def test_places_are_called_as_on_the_axis() -> None:
    """The axis of the attack is 1 / (1 - sparsity); a reader wants the sparsity. Bands are left out."""
    (table,) = figure_tables(plots.attack_against_sparsity(ATTACKED))
    assert [next(iter(row.values())) for row in table] == ["0 %", "90 %"]
    assert [row["white-box"] for row in table] == pytest.approx([0.8, 0.71])
    assert set(table[0]) == {next(iter(table[0])), "black-box", "white-box", "generalisation gap"}


def test_points_above_each_other_are_all_listed() -> None:
    figure = plots.size_bars([])
    figure.add_scatter(name="a", x=[1, 1, 0], y=[5, 6, 7])
    (table,) = figure_tables(figure)
    assert [list(row.values()) for row in table] == [[0, 7], [1, 5], [1, 6]]


def test_words_are_the_title_the_axes_and_the_labels(make_run: MakeRun) -> None:
    words = figure_words(plots.sparsity_curve(make_run(2)))
    assert words[0].startswith("40 % of prunable weights are gone after round 2")
    assert "x axis: round" in words
    picture = " ".join(figure_words(plots.round_picture(make_run(2)[-1], num_clients=4)))
    assert "5 purge: 40 % are gone now" in picture
    assert "<" not in picture


@pytest.mark.parametrize("name", [*OVER_ROUNDS, *OTHERS])
def test_every_figure_has_an_alternative(name: str, make_run: MakeRun) -> None:
    figure = OVER_ROUNDS[name](make_run(3), False) if name in OVER_ROUNDS else OTHERS[name](False)
    assert figure_words(figure)
    tables = figure_tables(figure)
    assert bool(tables) == any(trace.hoverinfo != "skip" for trace in figure.data)
    assert all(len({next(iter(row)) for row in table}) == 1 for table in tables), "one first column"


@pytest.mark.parametrize("name", EMPTY)
def test_an_empty_figure_has_words_only(name: str) -> None:
    assert figure_tables(EMPTY[name]()) == []
    assert len(figure_words(EMPTY[name]())) == 2


def test_a_page_needs_nothing_else(make_run: MakeRun) -> None:
    page = figure_page(plots.accuracy_curve(make_run(2)), dark=True)
    assert len(page) > 1_000_000, "plotly.js is in it"
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=", page), "nothing is fetched"
    assert '"paper_bgcolor":"#262730"' in page
    assert '"format": "svg"' in page
