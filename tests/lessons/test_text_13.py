"""What notebook 13 says is what its cells give."""

from __future__ import annotations

import pytest
import torch

from fedlab_core.lessons.checks.lesson_13_robust import krum, trimmed_mean

from .cells import CLOSE, finished, notebook, percent, text


def test_one_client_moves_the_mean_to_where_it_likes_and_not_the_trimmed_mean() -> None:
    said = text(notebook("13"))
    values = torch.tensor([1.0, 1, 1, 1, 5 * -1 - 4])[:, None]
    assert f"5 \\cdot (-1) - 4 = {float(values[4]):.0f}$" in said
    assert f"$(4 - 9) / 5 = {float(values.mean()):.0f}$" in said
    assert float(trimmed_mean(values, 1)) == 1


def test_krum_by_hand_and_the_recap_on_twelve_clients() -> None:
    assert krum(torch.tensor([0.0, 4, 5, 7, 100])[:, None], 1) == 2
    twelve = torch.arange(12.0)[:, None]
    assert float(trimmed_mean(twelve, 5)) == 5.5
    assert krum(twelve, 5) is None


@pytest.mark.slow
def test_the_figures_are_what_the_text_expects() -> None:
    names, said = finished(notebook("13")), text(notebook("13"))
    last = {name: run[-1]["test_accuracy"] for name, run in names["runs"].items()}
    assert last["mean, all honest"] == pytest.approx(percent(r"together and reach (\d+) %", said), abs=CLOSE)
    assert last["trimmed mean, all honest"] == pytest.approx(last["mean, all honest"], abs=0.03)
    assert last["mean, two lie"] < 0.25
    assert names["share"] == pytest.approx(percent(r"here \$p\$ is (\d+) %", said), abs=0.005)
    assert names["share"] > 1 / 6
    assert 0.75 < last["trimmed mean, two lie"] < last["trimmed mean, all honest"]


@pytest.mark.slow
def test_the_other_machine_sends_the_same_bytes() -> None:
    names = finished(notebook("13"))
    assert [one.payload for one in names["theirs"]] == [one.payload for one in names["answers"]]
    assert names["here"].test_accuracy == names["there"].test_accuracy


@pytest.mark.slow
def test_six_faults_are_seen_and_two_are_not() -> None:
    names = finished(notebook("13"))
    round_with, fault = names["round_with"], names["Fault"]
    merged = {
        kind
        for kind in names["KINDS"]
        if not round_with({3: fault(kind, 5.0)})(names["federation"], names["server"], names["ctx"]).dropped
    }
    assert merged == {"flipped", "scaled"}
    assert len(names["KINDS"]) == 8
    away = names["away"]
    assert min(float(away[k]) for k in (3, 7)) > 2 * names["honest"]
    assert [names["result_krum"].function(names["values"], f) is None for f in range(5)] == [False] * 4 + [True]
