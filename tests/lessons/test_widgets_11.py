"""The explorer of notebook 11: one trained model a sparsity, attacked by its loss."""

import pytest

from fedlab_core.experiment import Experiment
from fedlab_core.lessons.attacked import ask, trained
from fedlab_core.lessons.widgets import membership_explorer
from fedlab_core.lessons.widgets.membership import SPARSITIES

BASE = Experiment().replace(
    {
        "data.partition": "iid",
        "data.num_clients": 2,
        "model.name": "mlp",
        "federation.rounds": 2,
        "federation.batch_size": 20,
        "strategy.name": "fedsparsify-global",
    }
)


def title(figure) -> str:
    return figure.layout.title.text.replace("<br>", " ")


def test_the_slider_chooses_a_model_and_the_dense_one_stays() -> None:
    explorer = membership_explorer(BASE)
    assert [value for _, value in explorer.controls["sparsity"].options] == list(SPARSITIES)
    assert title(explorer.figure).startswith("90 % sparse: the attack has an AUC of")
    assert [trace.name for trace in explorer.figure.data[:3]] == ["guessing", "90 % sparse", "dense"]
    dense = explorer.figure.data[2].y
    explorer.controls["sparsity"].value = 0.99
    assert explorer.figure.data[1].name == "99 % sparse"
    assert explorer.figure.data[2].y == dense
    assert "80 non-members were shown: 1 % of them is 0.8" in explorer.text
    explorer.controls["sparsity"].value = 0.0
    assert [trace.name for trace in explorer.figure.data[:2]] == ["guessing", "dense"]
    assert explorer.figure.data[1].y == dense


def test_the_still_picture_is_dense_beside_sparse() -> None:
    explorer = membership_explorer(BASE.replace({"federation.rounds": 1}))
    names = [trace.name for trace in explorer._still().data]
    assert names == ["guessing", "dense", "95 % sparse", "training examples", "unseen examples"]


def test_members_are_as_many_as_the_others_and_the_gap_is_theirs() -> None:
    federation, last = trained(BASE, examples=30)
    assert federation.data.sizes.tolist() == [30, 30]
    assert trained(BASE, examples=30)[1] is last, "trained once"
    shown = ask(federation, last.state)
    assert shown.member_N.sum() == (~shown.member_N).sum() == 60
    seen, unseen = shown.scores
    assert shown.gap == pytest.approx(seen - unseen)
    right = shown.score_N[shown.member_N]
    assert seen == pytest.approx(float(right.mean()))
    assert set(right.tolist()) <= {0.0, 1.0}
