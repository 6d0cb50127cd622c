"""Figures of the clients."""

import math

from fedlab_core.metrics import MAE
from fedlab_core.plots import client_bars, participation_heatmap

SCORES = [0.9, 0.5, math.nan, 1.0]


def said(figure) -> str:
    return figure.layout.title.text.replace("<br>", " ")


def test_the_worst_client_comes_first_and_stands_out() -> None:
    figure = client_bars(SCORES)
    worst, others = figure.data
    assert list(worst.x) == ["1"]
    assert list(others.x) == ["0", "3"]
    assert list(figure.layout.xaxis.categoryarray) == ["1", "0", "3"]
    assert "80 % on average, from 50 % (client 1) to 100 % (client 3)" in said(figure)


def test_of_an_error_the_largest_is_the_worst() -> None:
    figure = client_bars([3.0, 7.5, 4.5], metric=MAE, worst_first=False)
    assert list(figure.data[0].x) == ["1"]
    assert list(figure.layout.xaxis.categoryarray) == ["0", "1", "2"]
    assert "5.00 years on average, from 7.50 years (client 1) to 3.00 years (client 0)" in said(figure)


def test_equal_clients_are_not_ranked_in_words() -> None:
    assert said(client_bars([0.5, 0.5])) == "The accuracy of every client is 50 %"


def test_participation_counts_rounds_by_client() -> None:
    figure = participation_heatmap({3: [0, 2], 4: [0]}, 4)
    assert figure.data[0].z.tolist() == [[1, 1], [0, 0], [1, 0], [0, 0]]
    assert list(figure.data[0].x) == [3, 4]
    assert said(participation_heatmap({1: [0, 1]}, 2)) == "In 1 round every client took part each time"
    assert "In 2 rounds a client took part 0.8 times on average, 0 to 2; 2 of 4 never" in said(figure)


def test_a_dropped_update_is_a_cross_with_its_reason_as_plain_text() -> None:
    figure = participation_heatmap({1: [0], 2: [0, 1]}, 2, dropped_T={1: {1: "<b>&late"}, 2: {}})
    grid, crosses = figure.data
    assert grid.z.tolist() == [[1, 1], [0, 1]]
    assert (crosses.x, crosses.y, crosses.customdata) == ((1,), (1,), ("&lt;b&gt;&amp;late",))
    assert said(figure).endswith("; 1 update was dropped")
    assert "cross: its update was dropped" in figure.layout.xaxis.title.text
    assert len(participation_heatmap({1: [0]}, 1, dropped_T={1: {}}).data) == 1
