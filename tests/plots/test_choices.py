"""Choosing among settings: what fits, what is best, and runs paired by seed."""

from fedlab_core.plots.choices import Choice, best_choice, budget_map, front_of, paired_runs

DEAR = Choice("dear", 8.0, 1.0, (0.9, 1.0))
THRIFTY = Choice("thrifty", 1.0, 2.0, (0.7, 0.9))
TWIN = Choice("twin", 2.0, 1.0, (0.8, 0.8))
ALL = [DEAR, THRIFTY, TWIN]


def test_the_best_fits_and_of_equals_it_has_fewer_bytes() -> None:
    assert best_choice(ALL, 10, 10) is DEAR
    assert best_choice(ALL, 2, 2) is THRIFTY
    assert best_choice(ALL, 2, 1) is TWIN
    assert best_choice(ALL, 1, 1) is None


def test_each_cost_has_its_own_front() -> None:
    assert front_of(ALL, "megabytes") == [THRIFTY, DEAR]
    assert front_of(ALL, "gigaflops") == [DEAR]


def test_bars_go_from_the_worst_to_the_best_seed() -> None:
    figure = budget_map([THRIFTY], megabytes=1, gigaflops=2)
    (trace,) = (trace for trace in figure.data if trace.name == "keeps both budgets")
    assert [round(size, 6) for size in (*trace.y, *trace.error_y.array, *trace.error_y.arrayminus)] == [0.8, 0.1, 0.1]


def test_a_budget_beyond_every_setting_ends_the_region_with_the_axis() -> None:
    region = budget_map(ALL, megabytes=1e9, gigaflops=1).data[0]
    assert max(region.x) < 20


def test_every_seed_has_a_line_and_every_method_its_mean() -> None:
    figure = paired_runs({"A": {0: 0.8, 1: 0.9}, "B": {1: 0.7}}, title="pairs")
    lines = {trace.name: tuple(trace.y) for trace in figure.data}
    assert lines["seed 0"] == (0.8, None)
    assert lines["seed 1"] == (0.9, 0.7)
    assert [round(value, 6) for value in lines["mean"]] == [0.85, 0.7]
