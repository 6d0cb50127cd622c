"""What notebook 09 says is what its cells give, and its exercises are what the lab computes."""

from __future__ import annotations

import re

import pytest
import torch

from fedlab_core.federation.programs import LocalSettings
from fedlab_core.lessons.checks.lesson_09_feedback import Together, feedback_step
from fedlab_core.strategies.dpf import FeedbackSGD
from fedlab_core.strategies.prunefl import fastest
from fedlab_core.types import Assignment, Batch, Gradient, Params, RoundContext

from .cells import cells, finished, notebook, run, text


def test_our_step_with_feedback_is_the_labs() -> None:
    dense, mask, gradient = torch.tensor([1.0, 5.0, -2.0]), torch.tensor([True, False, True]), Together(3.0)
    program = FeedbackSGD(LocalSettings(1, 1, learning_rate=0.5, momentum=0.0))
    state = program.begin(Assignment(0, {"w": dense * mask}, {}, {"w": mask}, {"w": dense[~mask]}), 1)

    def grad(params: Params, buffers: Params, batch: Batch, onto: Params, decay: float) -> Gradient:
        onto["w"].mul_(decay).add_(gradient(params["w"]))
        return Gradient(torch.tensor(0.0), onto, {})

    batch = Batch(torch.zeros(1), torch.zeros(1), torch.ones(1), {})
    after = program.step(state, batch, grad, RoundContext(1, 1, 0))  # type: ignore[arg-type]
    assert torch.allclose(after.params["w"], feedback_step(dense, mask, gradient, 0.5))


def test_weights_are_added_while_they_pay_as_often_as_the_text_says() -> None:
    (cell,) = (cell for cell in cells(notebook("09")) if "gammas" in cell)
    printed = run([cell], {"torch": torch, "fastest": fastest})["printed"]
    assert re.findall(r"c =\s+([\d.]+).*kept (\d)", printed) == [("0.5", "1"), ("4.0", "2"), ("100.0", "4")]
    for gammas, kept in re.findall(r"\[(.*)\], kept (\d)", printed):
        tried = [float(gamma) for gamma in gammas.split(", ")]
        assert max(tried) == tried[int(kept) - 1]
    assert "($c = 0.5$) one weight is best, at $c = 4$ two, at $c = 100$ all four" in text(notebook("09"))


@pytest.mark.slow
def test_the_mask_moves_and_the_density_does_not() -> None:
    names, said = finished(notebook("09")), text(notebook("09"))
    assert min(names["everywhere"]) == max(names["everywhere"])
    tried = names["explored"]([record.state.masks for record in names["feddst"]])
    assert tried == pytest.approx(0.08, abs=0.01)
    assert "but 8 % or so" in said
    ends = {name: run[-1].test_accuracy for name, run in names["runs"].items()}
    assert ends["FedDST"] > ends["fixed mask"] + 0.1
    assert ends["server regrows"] > ends["fixed mask"] + 0.1
    assert ends["dense"] > max(ends["FedDST"], ends["server regrows"])


@pytest.mark.slow
def test_the_bytes_are_those_of_the_text() -> None:
    names = finished(notebook("09"))
    up = {name: sum(record.upload_bytes for record in run) for name, run in names["runs"].items()}
    assert up["FedDST"] == pytest.approx(up["fixed mask"], rel=0.02)
    assert up["dense"] / up["FedDST"] == pytest.approx(14, abs=1)
    assert up["server regrows"] > 4 * up["FedDST"]
    assert sum(record.upload_bytes for record in names["sparsify"]) > 3 * up["FedDST"]
    assert names["sparsify"][-1].test_accuracy > names["feddst"][-1].test_accuracy + 0.05
    by_round = [record.upload_bytes for record in names["prunefl"]]
    assert set(sorted(range(17), key=by_round.__getitem__)[-3:]) == {5, 10, 15}


@pytest.mark.slow
def test_feedback_does_what_the_text_says() -> None:
    names, said = finished(notebook("09")), text(notebook("09"))
    toy, step = names["two_weights"], names["result_feedback"].function
    assert "never; loss at the end 2.000" in toy(lambda w, m, slope, rate: (w - rate * slope(w * m)) * m, 1)
    assert re.search(r"step 20 with the value 4\.90", toy(step, 20))
    assert "it returns with 4.9" in said
    ends = {key: run[-1].test_accuracy for key, run in names["fair"].items()}
    assert ends["dpf", 1] > ends["dpf", 4] + 0.1
    assert abs(ends["fedsparsify-global", 1] - ends["fedsparsify-global", 4]) < 0.04
    assert ends["fedsparsify-global", 4] > ends["dpf", 4] + 0.2
