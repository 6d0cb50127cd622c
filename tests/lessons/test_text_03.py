"""What notebook 03 says is what its cells give, and what pencil and paper give."""

from __future__ import annotations

import re
from itertools import pairwise
from statistics import mean

import pytest

from fedlab_core import simulate

from .cells import cells, finished, notebook, run, text


def test_the_numbers_of_the_derivation_are_printed() -> None:
    part = [cell for cell in cells(notebook("03")) if "a hundred steps" in cell]
    names: dict[str, object] = {"my_answer": 3.0}
    run(["from fedlab_core.lessons.quadratics import PAIR, fixed_point"], names)
    printed = run(part, names)["printed"]
    assert "one step: 3.0000, two steps: 2.7273\na hundred steps: 2.0000" in printed
    assert r"\frac{30}{11} \approx 2.73" in text(notebook("03"))


def test_the_length_of_the_mean_in_the_quiz() -> None:
    squared = (10 + 10 * 9 * 0.05) / 100
    assert f"= {squared:.3f}$, so the length is about {squared**0.5:.2f}" in text(notebook("03"))


@pytest.mark.slow
def test_your_functions_settle_where_the_text_says() -> None:
    ends = finished(notebook("03"))["ends"]
    assert ends["FedAvg"][2] == pytest.approx(30 / 11, abs=1e-3)
    assert ends["FedProx, mu = 1"][2] == pytest.approx(8 / 3, abs=1e-3)
    assert ends["FedProx, mu = 1"][20] == pytest.approx(2.4, abs=1e-3)
    assert list(ends["SCAFFOLD"].values()) == pytest.approx([3] * 6, abs=1e-3)


@pytest.mark.slow
def test_the_cosine_falls_with_alpha_and_a_pull_shortens_the_walk() -> None:
    printed = finished(notebook("03"))["printed"].splitlines()
    rows = [[float(c) for c in re.findall(r"E = \d+: (-?[\d.]+)", line)] for line in printed if "alpha =" in line]
    assert len(rows) == 3
    for skewed, alike in pairwise(rows):
        assert all(a < b for a, b in zip(skewed, alike, strict=True))
    assert max(rows[0]) < 0.5
    assert all(row[0] < row[-1] for row in rows)
    walks = re.findall(r"mu = .*: distance ([\d.]+), loss on its own data ([\d.]+)", "\n".join(printed))
    distances, losses = zip(*((float(distance), float(loss)) for distance, loss in walks), strict=True)
    assert len(distances) == 4
    assert list(distances) == sorted(distances, reverse=True)
    assert list(losses) == sorted(losses)


@pytest.mark.slow
def test_scaffold_leads_in_every_split_that_was_tried_and_less_so_for_the_same_bytes() -> None:
    names = finished(notebook("03"))
    fedavg, others = _scores(names["fedavg"]), {name: _scores(run) for name, run in names["others"].items()}
    scaffold = others["SCAFFOLD"]
    assert scaffold[0] == pytest.approx(fedavg[0], abs=0.01)
    assert mean(scaffold) > mean(fedavg) + 0.02
    assert mean(others["FedProx, mu = 0.1"]) < mean(fedavg) + 0.01
    assert mean(others["FedProx, mu = 1"]) < mean(fedavg) - 0.02
    same_rounds = mean(ours - theirs for ours, theirs in zip(scaffold[:6], fedavg[:6], strict=True))
    same_bytes = mean(ours - theirs for ours, theirs in zip(scaffold[:6], fedavg[1::2], strict=True))
    assert same_bytes < same_rounds
    for seed in (0, 2):
        split = names["experiment"].replace({"data.seed": seed})
        runs = [_run(split, name) for name in ("fedavg", "scaffold")]
        assert mean(runs[1]) > mean(runs[0])


def _scores(run) -> list[float]:
    return [row["test_accuracy"] for row in run[1:]]


def _run(experiment, strategy: str) -> list[float]:
    return [record.test_accuracy for record in simulate(experiment.replace({"strategy.name": strategy}))][1:]
