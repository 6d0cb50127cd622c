"""What notebook 07 says is what its cells give, and what the lab counts."""

from __future__ import annotations

import re

import pytest

from fedlab_core.costs.flops import forward_flops
from fedlab_core.lessons.checks.lesson_07_flops import gated_flops
from fedlab_core.models import build_model
from fedlab_core.models.gating import gated, open_shares

from .answers import RIGHT
from .cells import finished, notebook, text


def test_our_flops_of_a_gated_chain_are_those_of_the_lab() -> None:
    model = gated(build_model("cnn_small", (1, 32, 32), 10), 0.6)
    flops = {n: f for n, f in forward_flops(model, (1, 32, 32)).items() if not n.endswith("gate.weight")}
    shares = open_shares(model)
    kept = [round(0.6 * channels) / channels for channels in (16, 32, 64)]
    wanted = sum(count * shares.get(name, 1.0) for name, count in flops.items())
    assert gated_flops(list(flops.values()), [*kept, 1.0]) == pytest.approx(wanted)


@pytest.mark.parametrize("answer", RIGHT["07.3"])
def test_seven_tenths_leave_half_of_an_interior_layer(answer) -> None:
    assert float(answer([0.0, 1.0, 0.0], [0.7, 0.7])) == pytest.approx(0.49)
    said = text(notebook("07"))
    assert f"$r^2 = 0.5$ gives $r = {0.5**0.5:.2f}$" in said
    assert f"channels ${11 / 16 * 22 / 32:.3f}$" in said


@pytest.mark.slow
def test_the_counts_of_the_text_are_those_of_the_cells() -> None:
    names, said = finished(notebook("07")), text(notebook("07"))
    assert names["left"] / sum(names["vgg"]) == pytest.approx(0.492, abs=0.0005)
    assert "0.492 of 313.2 million" in said
    assert sum(names["vgg"]) / 2e6 == pytest.approx(313.2, abs=0.05)
    assert names["part"] / names["whole"] == pytest.approx(11 / 16 * 22 / 32)
    assert names["same"]
    assert float((names["h2"] - names["theirs"]).abs().max()) < 1e-4
    assert int((names["open1"] > 0).sum(1).max()) <= 11
    assert int((names["open2"] > 0).sum(1).max()) <= 22


@pytest.mark.slow
def test_pytorch_computes_more_with_gates_than_without() -> None:
    names = finished(notebook("07"))
    counts = [
        names["counted"](lambda m=m, p=p: names["functional_call"](m, p, (names["images"],)))
        for m, p in names["now"].values()
    ]
    assert counts[1] > counts[0]


@pytest.mark.slow
def test_what_runs_cost_and_reach_is_what_the_text_says() -> None:
    names, said = finished(notebook("07")), text(notebook("07"))
    up = {name: sum(record.upload_bytes for record in run) for name, run in names["runs"].items()}
    assert up["gates 0.7"] > up["dense"]
    assert up["salient 0.1"] / up["dense"] == pytest.approx(1 / 3, abs=0.05)
    assert "about a third of the upload" in said
    assert up["threshold 0.02"] < up["dense"]
    assert names["gates"][-1].test_accuracy - names["few"][-1].test_accuracy > 0.02
    assert names["moved"][0] == pytest.approx(0.1, abs=0.005)
    later = [after - before for before, after in zip(names["moved"], names["moved"][1:], strict=False)]
    assert max(later) < 0.09
    weights = [w for n, w in names["dense"][-1].state.params.items() if w.dim() > 1]
    small = sum(int((w.abs() <= 0.001).sum()) for w in weights) / sum(w.numel() for w in weights)
    assert small < 0.01


def test_the_seeds_sentence_is_quoted_word_for_word() -> None:
    said = text(notebook("07"))
    quotes = re.findall(r"\"([^\"]*salien[^\"]*)\"", said)
    assert quotes
    assert quotes[0].startswith("evaluate the salience of the model's parameter according to the input training sample")
