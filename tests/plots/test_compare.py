import pytest

from fedlab_core.plots import accuracy_against, schedule_curve
from fedlab_core.plots.style import LIGHT

from .conftest import MakeRun


def title(figure) -> str:
    return figure.layout.title.text.replace("<br>", " ")


def test_one_schedule_is_thick_and_starts_in_round_one() -> None:
    figure = schedule_curve({"cubic": [0.0, 0.5, 0.8, 0.9]})
    assert figure.data[0].x == (1, 2, 3, 4)
    assert figure.data[0].y == (0.0, 0.5, 0.8, 0.9)
    assert figure.data[0].line.to_plotly_json() == LIGHT.global_model
    assert title(figure) == "cubic asks for 90 % sparsity in round 4, and for half of that in round 2 already"
    assert title(schedule_curve({"none": [0.0, 0.0]})) == "none asks for no sparsity in round 2"


def test_several_schedules_differ_in_colour_and_dash() -> None:
    first, second = schedule_curve({"n = 3": [0.1, 0.9], "n = 6": [0.2, 0.9]}, "Faster with n").data
    assert first.line.color != second.line.color
    assert first.line.dash != second.line.dash
    assert first.showlegend
    assert title(schedule_curve({"n = 3": [0.1]}, "Faster with n")) == "Faster with n"


@pytest.mark.parametrize(("x", "cost"), [("megabytes", 4.8), ("flops", 4e9), ("sparsity", 0.8), ("round", 4)])
def test_runs_end_where_they_cost(x, cost: float, make_run: MakeRun) -> None:
    figure = accuracy_against({"sparse": make_run(), "short": make_run(2), "not started": []}, x)
    ends = {trace.name: (trace.x[0], trace.y[0]) for trace in figure.data}
    assert ends["sparse"] == pytest.approx((cost, 0.58))
    assert set(ends) == {"sparse", "short"}
    assert len({trace.marker.symbol for trace in figure.data}) == 2
    assert figure.layout.xaxis.range[0] == 0
    assert figure.layout.yaxis.range[0] == pytest.approx(0.28)


def test_the_title_names_the_cheapest_that_comes_close(make_run: MakeRun) -> None:
    runs = {"long": make_run(), "short": make_run(2, test_accuracy=0.57), "poor": make_run(1)}
    assert (
        title(accuracy_against(runs)) == "long ends highest, at 58 %; short is 1 point below with 50 % of its megabytes"
    )
    assert title(accuracy_against(runs, "flops")).endswith("50 % of its FLOPs")
    assert title(accuracy_against(runs, "sparsity")) == "long ends highest, at 58 %"
    assert title(accuracy_against({"poor": make_run(1)})) == "poor ends highest, at 28 %"
