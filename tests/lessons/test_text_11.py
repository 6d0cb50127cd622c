"""What notebook 11 says it measured is what its cells, and the benchmarks that it names, give."""

from __future__ import annotations

import json
import re
from pathlib import Path
from statistics import fmean

import pytest

from .cells import cells, finished, notebook, run, text

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"


def numbers(row: str) -> list[float]:
    """What the text's table has in a row."""
    line = re.search(rf"^# \| {row} \|(.*)\|$", notebook("11").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert line
    return [float(cell.replace("%", "")) for cell in line[1].split("|")]


def test_the_attack_on_brain_age_is_what_the_benchmark_measured() -> None:
    runs = [
        run for run in json.loads((RESULTS / "membership.json").read_text())["runs"] if run["setting"] == "brain age"
    ]
    sparsities = numbers("sparsity")
    for name, read in (("gap in years", lambda run: run["gap"]), ("AUC", lambda run: run["auc"]["black-box"])):
        for sparsity, said in zip(sparsities, numbers(name), strict=True):
            seeds = [read(run) for run in runs if run["target_sparsity"] == sparsity / 100]
            assert len(seeds) == 2
            assert said == pytest.approx(fmean(seeds), abs=0.0051)


def test_the_longer_run_is_what_the_benchmark_measured() -> None:
    measured = json.loads((RESULTS / "brain_age.json").read_text())["runs"]
    errors = {round(run["sparsity"], 2): run["mae"] for run in measured if run["environment"] == "uniform IID"}
    said = re.search(r"came to ([\d.]+) years and the one with 90 % sparsity to ([\d.]+)", text(notebook("11")))
    assert said
    assert (float(said[1]), float(said[2])) == pytest.approx((errors[0.0], errors[0.9]), abs=0.0051)


def test_the_prediction_is_one_half_and_half_of_the_gap() -> None:
    said = re.search(r"right on (\d+) % of its training examples and on (\d+) % of unseen ones", text(notebook("11")))
    assert said
    tpr, fpr = int(said[1]) / 100, int(said[2]) / 100
    (cell,) = (cell for cell in cells(notebook("11")) if cell.startswith("gap = "))
    printed = run([cell], {"my_accuracy": 0.5})["printed"]
    assert f"you are right in {(tpr + 1 - fpr) / 2:.1%}" in printed


@pytest.mark.slow
def test_what_the_cells_show_is_what_the_text_expects() -> None:
    names = finished(notebook("11"))
    errors = [record.test_mae for record in names["run"]]
    assert errors[0] == pytest.approx(6.1, abs=0.2)
    assert 3.3 < errors[-1] < 5.2
    dense, rate = names["dense"], names["result_low"].function
    assert names["result_gap"].function(1 - dense.score_N, dense.member_N) == pytest.approx(dense.gap)
    assert names["result_gap"].function(dense.loss_N, dense.member_N) > dense.gap
    assert rate(-dense.loss_N, dense.member_N, 0.5) > 0.65
    assert rate(-dense.loss_N, dense.member_N, 0.01) < 0.1
    assert abs(names["report"].auc - names["area_under"](names["points"])) < 0.05


@pytest.mark.slow
def test_the_attack_falls_with_the_gap_and_not_before() -> None:
    measured = finished(notebook("11"))["measured"]

    def mean(sparsity: float, name: str) -> float:
        rows = [row for row in measured if round(row["sparsity"], 2) == sparsity]
        return fmean(row["auc"]["black-box"] if name == "auc" else row[name] for row in rows)

    assert mean(0.5, "auc") > mean(0.0, "auc") - 0.015
    assert mean(0.5, "gap") > mean(0.0, "gap") - 0.02
    assert mean(0.9, "gap") < mean(0.0, "gap") - 0.05
    assert mean(0.9, "auc") < mean(0.0, "auc") - 0.02
    assert 0.35 < mean(0.95, "lead") / mean(0.0, "lead") < 0.65
    assert mean(0.95, "accuracy") > mean(0.0, "accuracy") - 0.02
    assert mean(0.99, "accuracy") < mean(0.0, "accuracy") - 0.08
