"""Figures of a regression: years where accuracies would be percent, and a low error is the good one."""

from collections.abc import Sequence
from typing import Any

import pytest

from fedlab_core.plots import accuracy_against, accuracy_curve
from fedlab_core.plots.records import rows as to_rows

from .conftest import MakeRun, record

NO_ACCURACY: dict[str, Any] = dict.fromkeys(
    ("test_accuracy", "accuracy_before_purge", *(f"{which}_client_accuracy" for which in ("worst", "mean", "best")))
)


def brain_run(errors: Sequence[float], **changes: Any) -> list[dict[str, Any]]:
    """Rounds with these errors; a tenth of a year less before each purge, the worst client two years more."""
    return to_rows(
        record(
            at,
            **NO_ACCURACY,
            test_mae=error,
            mae_before_purge=error - 0.1,
            worst_client_mae=error + 2,
            mean_client_mae=error + 1,
            best_client_mae=error - 1,
            **changes,
        )
        for at, error in enumerate(errors)
    )


def title(figure: Any) -> str:
    return figure.layout.title.text.replace("<br>", " ")


def test_the_curve_is_in_years_from_zero() -> None:
    figure = accuracy_curve(brain_run([6.0, 5.0, 4.0]), predicted=[(0, 6.0), (12, 2.5)])
    traces = {trace.name: trace for trace in figure.data}
    assert list(traces["global model"].y) == [6.0, 5.0, 4.0]
    assert list(traces["worst client"].y) == [8.0, 7.0, 6.0]
    assert list(traces["mean client"].y) == [7.0, 6.0, 5.0]
    assert traces["just before the purge"].y[0] == pytest.approx(5.9)
    assert figure.layout.yaxis.title.text == "mean absolute error on test data (years)"
    assert figure.layout.yaxis.range[0] == 0
    assert figure.layout.yaxis.range[1] >= 8
    assert all("years" in trace.hovertemplate and "%}" not in trace.hovertemplate for trace in figure.data)


def test_the_lowest_error_is_the_best() -> None:
    assert (
        title(accuracy_curve(brain_run([6.07]))) == "Before training, the global model is off by 6.07 years on average"
    )
    best = "After round 2 the mean absolute error is 4 years, its best so far"
    assert title(accuracy_curve(brain_run([6, 5, 4], sparsity=0.0))) == best
    risen = "After round 2 the mean absolute error is 4.5 years, 0.5 years above its best (round 1)"
    assert title(accuracy_curve(brain_run([6, 4, 4.5], sparsity=0.0))) == risen


def test_runs_are_compared_with_their_like_only(make_run: MakeRun) -> None:
    others = {"digits": make_run(), "FedAvg": brain_run([6, 5, 3.5]), "slow": brain_run([6, 6, 5])}
    figure = accuracy_curve(brain_run([6, 5, 4]), compare=others)
    assert title(figure) == "This run is at 4 years after round 2, 0.5 years above FedAvg"
    assert "digits" not in {trace.name for trace in figure.data}
    alone = accuracy_curve(brain_run([6, 5, 4], sparsity=0.0), compare={"digits": make_run()})
    assert title(alone).startswith("After round 2 the mean absolute error")


def test_where_runs_end(make_run: MakeRun) -> None:
    runs = {"long": brain_run([6, 5, 3, 2.5]), "short": brain_run([6, 2.6]), "digits": make_run()}
    figure = accuracy_against(runs)
    assert title(figure) == "long ends lowest, at 2.5 years; short is 0.1 years above with 33.3 % of its megabytes"
    assert [trace.name for trace in figure.data] == ["long", "short"]
    assert figure.layout.yaxis.title.text == "mean absolute error on test data, last round (years)"
