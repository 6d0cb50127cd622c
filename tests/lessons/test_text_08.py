"""Numbers in the text of notebook 08: by arithmetic where they are derived, else against its cells."""

from __future__ import annotations

import math
import re

import pytest
import torch

from fedlab_core import Experiment, Federation, RoundRecord, simulate
from fedlab_core.lessons.checks import exercises
from fedlab_core.pruning.budget import ChannelCosts

from .cells import Names, finished, notebook, text


def test_a_gate_is_dropped_as_often_as_the_text_says() -> None:
    said = text(notebook("08"))
    told = re.search(r"the formula gives ([\d., e-]+)\. A logit", said)
    assert told
    values = [math.exp(-math.exp(o + 3)) for o in (0, -1, -2, -3, -4)]
    assert [float(value) for value in told[1].split(", ")] == pytest.approx(values, rel=0.03)
    assert "twice in a thousand million times" in said  # 1.9e-9


def test_the_slopes_of_the_gate_by_hand() -> None:
    y = 1 / (1 + math.exp(-(0 - math.log(-math.log(0.5)) + 3) / 0.4))
    said = text(notebook("08"))
    assert f"at $o = 0$ it is {y * (1 - y) / 0.4:.4f}" in said
    assert f"1 / (4 \\tau) = {1 / (4 * 0.4):.3f}" in said


def test_flops_of_the_small_network_by_hand() -> None:
    federation = Federation.of(Experiment().replace({"model.name": "mlp"}))
    costs = ChannelCosts.of_model(federation.model, federation.layer_flops)
    for c1, c2 in ((128, 128), (64, 32), (10, 100)):
        total = 64 * c1 + c1 * c2 + 10 * c2 + 3 * (c1 + c2 + 10)
        kept = [(torch.arange(128) < c).float() for c in (c1, c2)]
        assert float(costs.share(kept)) * costs.total == pytest.approx(total)


def test_numbers_of_the_recap() -> None:
    said = text(notebook("08"))
    assert f"$\\log (0.8 / 0.5) = {math.log(0.8 / 0.5):.2f}$" in said
    assert "have 833 392 numbers, the model has 853 018" in said
    assert 408_560 + 424_832 == 833_392
    regulariser = exercises()["08.3"].ours
    assert float(regulariser(torch.tensor(0.5), 0.8)) == pytest.approx(math.log(0.8 / 0.5))


@pytest.mark.slow
def test_the_run_meets_its_budgets_and_own_channels_are_better() -> None:
    names = finished(notebook("08"))
    server, *devices = _shares(names, names["records"])
    assert server == pytest.approx(0.8, abs=0.01)
    assert devices == pytest.approx([0.25] * 6, abs=0.01)
    first, *others = (float(names["costs"].share([row.float() for row in layers])) for layers in names["networks"])
    assert first == pytest.approx(0.85, abs=0.15)
    assert others == pytest.approx([0.25] * 6, abs=0.15)
    assert sum(names["own"]) / 6 > names["another"] + 0.01
    kept = names["channels"].float().mean(1)
    assert (kept > torch.tensor(_shares(names, names["runs"]["unequal devices"]))).all()


@pytest.mark.slow
def test_learning_starts_late_and_ends_at_the_budget() -> None:
    curves = finished(notebook("08"))["curves"]
    assert set(curves["the hard gate alone"]) == {1.0}
    learnt = curves["straight-through"]
    assert learnt[10] > 0.95
    assert sum(learnt[-40:]) / 40 == pytest.approx(0.5, abs=0.06)


@pytest.mark.slow
def test_own_networks_come_out_ahead_of_one_for_all() -> None:
    names = finished(notebook("08"))
    runs = names["runs"]
    ahead = [runs["DWNP"][-1].mean_client_accuracy - runs["one network for all"][-1].mean_client_accuracy]
    other = names["experiment"].replace({"data.seed": 3, "federation.seed": 3})
    ends = [list(simulate(other.replace(change)))[-1] for change in ({}, names["changes"]["one network for all"])]
    ahead.append(ends[0].mean_client_accuracy - ends[1].mean_client_accuracy)
    assert min(ahead) > 0
    assert max(ahead) < 0.08
    sent = {name: sum(r.upload_bytes + r.download_bytes for r in run) for name, run in runs.items()}
    assert 0.7 < sent["DWNP"] / sent["dense"] < 1


def _shares(names: Names, records: list[RoundRecord]) -> list[float]:
    costs = names["costs"]
    return [float(costs.share(costs.split(row.float()))) for row in records[-1].state.state["channels"]]
