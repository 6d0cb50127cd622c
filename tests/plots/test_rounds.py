import pytest

from fedlab_core.plots import round_picture
from fedlab_core.plots.style import DARK, DOWNLINK, LIGHT, UPLINK

from .conftest import MakeRun


def texts(figure) -> str:
    return " | ".join(note.text for note in figure.layout.annotations)


def mask_cells(figure) -> list[str]:
    return [shape.fillcolor for shape in figure.layout.shapes if shape.fillcolor]


def test_the_five_steps_are_named() -> None:
    for step in ("1 send", "2 train", "3 return", "4 merge", "5 purge"):
        assert step in texts(round_picture())


def test_arrows_go_down_solid_and_up_dashed() -> None:
    figure = round_picture()
    down = [trace for trace in figure.data if trace.name == "downlink"]
    up = [trace for trace in figure.data if trace.name == "uplink"]
    assert len(down) == len(up) == 3
    assert all(trace.y[1] < trace.y[0] and trace.line.to_plotly_json() == DOWNLINK for trace in down)
    assert all(trace.y[1] > trace.y[0] and trace.line.to_plotly_json() == UPLINK for trace in up)
    assert [trace.showlegend for trace in down] == [True, False, False]


def test_the_numbers_are_those_of_the_round(make_run: MakeRun) -> None:
    figure = round_picture(make_run(3)[3], num_clients=20)
    assert "the global model<br>200 kB each" in texts(figure)  # down: 800,000 bytes to 4 clients
    assert "what was learned<br>100 kB each" in texts(figure)
    assert "60 % are gone now" in texts(figure)
    title = figure.layout.title.text.replace("<br>", " ")
    assert title == "Round 3: 4 of 20 clients trained, 1.2 MB travelled, 60 % of weights are gone"


@pytest.mark.parametrize(("dark", "theme"), [(False, LIGHT), (True, DARK)])
@pytest.mark.parametrize("sparsity", [0.0, 0.25, 0.5, 0.9375, 1.0])
def test_the_small_mask_is_as_sparse_as_the_model(dark: bool, theme, sparsity: float, make_run: MakeRun) -> None:
    cells = mask_cells(round_picture(make_run(1, sparsity=sparsity)[1], dark=dark))
    assert len(cells) == 16
    assert cells.count(theme.pruned) == 16 * sparsity
    assert cells.count(theme.kept) == 16 * (1 - sparsity)


def test_one_weight_is_left_while_any_is(make_run: MakeRun) -> None:
    assert mask_cells(round_picture(make_run(1, sparsity=0.99)[1])).count(LIGHT.kept) == 1


@pytest.mark.parametrize(("num_clients", "idle"), [(4, 0), (20, 2), (None, 2)])
def test_clients_sit_out_only_where_some_did(num_clients: int | None, idle: int, make_run: MakeRun) -> None:
    figure = round_picture(make_run(3)[3], num_clients=num_clients)
    assert texts(figure).count("not sampled") == idle
    assert len(figure.data) == 2 * (5 - idle)
    assert sum(bool(trace.showlegend) for trace in figure.data) == 2


def test_before_training_there_are_no_numbers(make_run: MakeRun) -> None:
    assert round_picture(make_run(0)[0]) == round_picture()
    assert "each" not in texts(round_picture()).replace("each client", "")


def test_without_the_number_of_clients(make_run: MakeRun) -> None:
    assert "Round 1: 1 client trained" in round_picture(make_run(1, clients=(7,))[1]).layout.title.text
