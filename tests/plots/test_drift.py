import pytest
import torch

from fedlab_core.drift import Drift
from fedlab_core.plots import drift_scatter, update_map


def title(figure) -> str:
    return figure.layout.title.text.replace("<br>", " ")


def drift(**changes) -> Drift:
    """Two clients in rounds 4 and 5, client 7 in the second only."""
    fields = {
        "rounds_N": [4, 4, 5, 5, 5],
        "clients_N": [0, 2, 0, 2, 7],
        "norm_N": torch.tensor([1.0, 1.0, 2.0, 4.0, 3.0]),
        "cosine_N": torch.tensor([0.1, 0.2, 0.9, 0.6, 0.3]),
        "point_N2": torch.arange(10.0).view(5, 2),
        "rounds_R": [4, 5],
        "step_norm_R": torch.tensor([1.0, 1.5]),
        "step_point_R2": torch.tensor([[0.0, 0.0], [1.0, 1.0]]),
        "explained_2": (0.5, 0.25),
    }
    return Drift(**{**fields, **changes})


def test_the_last_round_is_drawn_and_summed_up() -> None:
    figure = drift_scatter(drift())
    assert figure.data[0].x == (2, 4, 3)
    assert figure.data[0].y == pytest.approx((0.9, 0.6, 0.3))
    assert figure.data[0].text == ("0", "2", "7")
    assert figure.layout.shapes[0].x0 == 1.5
    assert title(figure) == (
        "In round 5 an update has cosine 0.60 with the server's step on average, that of client 7 the lowest, 0.30; "
        "updates are 2.0 times as long as that step"
    )


def test_numbers_that_would_lie_on_each_other_are_for_the_pointer_only() -> None:
    close = drift(norm_N=torch.tensor([1.0, 1.0, 4.0, 3.9, 3.9]), cosine_N=torch.tensor([0.1, 0.2, 0.9, 0.88, 0.3]))
    (points,) = drift_scatter(close).data
    assert points.text == ("", "", "7")
    assert points.customdata == (0, 2, 7)
    assert "client %{customdata}:" in points.hovertemplate


def test_nobody_has_moved() -> None:
    still = drift(cosine_N=torch.full((5,), float("nan")), norm_N=torch.zeros(5), step_norm_R=torch.zeros(2))
    assert title(drift_scatter(still)) == "In round 5 nobody has moved"
    assert title(update_map(drift(explained_2=(0.0, 0.0)))) == "The updates of rounds 4 to 5 do not differ"


def test_clients_of_one_label_have_one_symbol_and_a_line_joins_their_rounds() -> None:
    figure = update_map(drift(), {0: "3", 2: "10", 7: "3"})
    assert [trace.name for trace in figure.data] == ["mostly 3", "mostly 10", "server's step"]
    three, ten, step = figure.data
    assert three.x == (0, 4, None, 8, None)
    assert ten.x == (2, 6, None)
    assert three.marker.symbol != ten.marker.symbol
    assert [tuple(known) for known in three.customdata][:2] == [(0, 4), (0, 5)]
    assert "mostly 3" in three.hovertemplate
    assert step.x == (0, 1)
    assert title(figure) == "Two axes hold 75 % of what the 5 updates of rounds 4 to 5 differ by"
    assert figure.layout.xaxis.title.text == "first axis (50 %)"
    assert update_map(drift()).data[0].name == "clients"
