from fedlab_core.plots import Walker, drift_grid, settling_curve, walk_picture


def title(figure) -> str:
    return figure.layout.title.text.replace("<br>", " ")


def square(w: float) -> float:
    return w * w


def test_a_walk_is_drawn_on_the_client_s_own_curve() -> None:
    figure = walk_picture([Walker("A", square, [2, 1]), Walker("B", square, [2, 3])], optimum=0)
    walked = next(trace for trace in figure.data if trace.name == "A: 1 local step")
    assert (walked.x, walked.y) == ((2, 1), (4, 1))
    assert "1 local step moves A by −1.00 and B by +1.00: the server stays" in title(figure)


def test_a_server_that_does_not_stay_is_said() -> None:
    figure = walk_picture([Walker("A", square, [2, 1, 0.5]), Walker("B", square, [2, 2, 2])], optimum=0)
    assert "2 local steps move A by −1.50 and B by 0: the server goes to 1.25" in title(figure)


def test_where_it_settles_is_said_for_few_and_many_steps() -> None:
    figure = settling_curve({"FedAvg": {1: 3.0, 20: 2.25}, "other": {1: 3.0}}, optimum=3, apart=2)
    assert title(figure).startswith("FedAvg settles at 3.00 with 1 local step, and at 2.25 with 20 local steps")
    assert figure.data[0].y == (3.0, 2.25)


def test_the_grid_names_its_ends() -> None:
    cells = {("alpha = 1", "E = 1"): (0.5, 1.0), ("alpha = 1", "E = 5"): (0.25, 2.0)}
    figure = drift_grid(cells)
    assert (
        title(figure) == "Two clients' updates have cosine 0.25 with alpha = 1, E = 5, and 0.50 with alpha = 1, E = 1"
    )
    assert list(figure.data[0].text[0]) == ["cosine 0.50<br>spread 1.00", "cosine 0.25<br>spread 2.00"]
