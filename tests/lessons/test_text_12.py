"""What notebook 12 says is what its cells give."""

from __future__ import annotations

import math
import re
from statistics import fmean

import pytest
import torch

from fedlab_core.lessons.comparison import accuracy_at

from .cells import finished, notebook, text


def test_the_noise_of_a_test_set_is_computed_rightly() -> None:
    said = text(notebook("12"))
    deviation = math.sqrt(0.9 * 0.1 / 359)
    assert f"= {deviation:.4f}$, that is {100 * deviation:.1f} points" in said
    assert f"has $\\sqrt{{2}} \\cdot 1.6 = {100 * math.sqrt(2) * deviation:.1f}$ points" in said


@pytest.mark.parametrize("n", [3, 5])
def test_the_best_of_n_is_ahead_by_luck(n: int) -> None:
    """The expectation of the largest of n normal numbers: the integral of x times its density."""
    x = torch.linspace(-8, 8, 20_001, dtype=torch.float64)
    density = n * torch.special.ndtr(x) ** (n - 1) * torch.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    ahead = float(torch.trapezoid(x * density, x))
    assert f"${ahead:.2f}\\, \\sigma$ for $n = {n}$" in text(notebook("12"))


@pytest.mark.slow
def test_the_figures_are_what_the_text_expects() -> None:
    names = finished(notebook("12"))
    assert 0.6 < float(names["apart"]) < 0.72
    runs, budget = names["runs"], names["budget"]
    last = {name: fmean(values) for name, values in names["last"].items()}
    paid = {name: fmean(values) for name, values in names["paid"].items()}
    assert last["FedAvg"] > last["FedSparsify"] > max(last["OneShot"], last["SNIP"])
    assert paid["SNIP"] > max(value for name, value in paid.items() if name != "SNIP") + 0.1
    totals = {name: [names["total_bytes"](run.rows) for run in runs if run.method == name] for name in last}
    assert max(totals["SNIP"]) < 2e6
    assert max(totals["FedSparsify"]) < 4e6
    assert fmean(totals["FedAvg"]) / fmean(totals["SNIP"]) == pytest.approx(4, abs=0.5)
    assert {run.trial(budget).rounds for run in runs if run.method != "SNIP"} == {1}
    spent = max(totals["FedSparsify"])
    at = {name: fmean(accuracy_at(run.rows, spent) for run in runs if run.method == name) for name in last}
    assert at["FedSparsify"] > at["FedAvg"]
    assert {run.trial(spent).rounds for run in runs if run.method == "FedAvg"} == {4}


@pytest.mark.slow
def test_two_reports_are_fair_two_are_not_and_the_last_one_is_complete() -> None:
    names = finished(notebook("12"))
    verdicts = re.findall(r" (fair|NOT fair)\n", names["printed"])
    judged = [names["result_fair"].function(trials) for trials in names["reports"].values()]
    assert judged == [True, True, False, False], verdicts
    assert names["missing"](names["report"]) == []
    assert len(names["missing"](names["draft"])) >= 5


@pytest.mark.slow
def test_each_of_the_three_systems_saves_something_else() -> None:
    seen = finished(notebook("12"))["seen"]
    dense, sparse, adaptive, device = (seen[name] for name in ("FedAvg", "FedSparsify", "adaptive", "device-wise"))
    model, own, up, down, flops = range(5)
    assert device[model] < min(one[model] for one in (dense, sparse, adaptive)) - 0.03
    assert device[own] == pytest.approx(dense[own], abs=0.03)
    assert sparse[up] / dense[up] == pytest.approx(sparse[down] / dense[down], abs=0.02)
    assert sparse[up] / dense[up] == pytest.approx(0.55, abs=0.06)
    assert (adaptive[up] / dense[up], adaptive[down] / dense[down]) == pytest.approx((0.5, 1), abs=0.06)
    assert device[up] / dense[up] > 0.75
    assert (sparse[flops], device[flops], adaptive[flops]) == pytest.approx((0.2, 0.2, 1), abs=0.02)
