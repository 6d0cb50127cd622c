import pytest

from fedlab_core.plots import accuracy_curve, bytes_ledger, loss_curve, sparsity_curve
from fedlab_core.plots.style import DARK, DOWNLINK, LIGHT, PREDICTION, UPLINK, WORST_CLIENT

from .conftest import MakeRun


def by_name(figure):
    return {trace.name: trace for trace in figure.data}


def title(figure) -> str:
    return figure.layout.title.text.replace("<br>", " ")


def test_accuracy_has_the_agreed_lines(make_run: MakeRun) -> None:
    for dark, theme in ((False, LIGHT), (True, DARK)):
        traces = by_name(accuracy_curve(make_run(), dark=dark))
        assert traces["global model"].y == pytest.approx((0.2, 0.28, 0.38, 0.48, 0.58))
        assert traces["global model"].line.color == theme.ink
        assert traces["global model"].line.width > traces["mean client"].line.width
        assert traces["worst client"].line.to_plotly_json() == WORST_CLIENT
        assert traces["worst client"].y[0] == pytest.approx(0.1)


def test_the_dip_of_each_purge_goes_from_before_to_after(make_run: MakeRun) -> None:
    dips = by_name(accuracy_curve(make_run(2)))["just before the purge"]
    assert dips.x == (1, 1, None, 2, 2, None)
    assert dips.y == pytest.approx((0.3, 0.28, None, 0.4, 0.38, None))
    assert dips.marker.size == (7, 0, 0, 7, 0, 0)


def test_a_round_without_a_purge_has_no_dip(make_run: MakeRun) -> None:
    assert "just before the purge" not in by_name(accuracy_curve(make_run(0)))


@pytest.mark.parametrize(
    ("x", "values", "word"),
    [
        ("round", (0, 1, 2), "round"),
        ("megabytes", (0, 1.2, 2.4), "MB"),
        ("flops", (0, 1e9, 2e9), "theoretical"),
        ("sparsity", (0, 0.2, 0.4), "sparsity"),
    ],
)
def test_accuracy_against_what_was_spent(x, values, word: str, make_run: MakeRun) -> None:
    figure = accuracy_curve(make_run(2), x=x)
    assert by_name(figure)["global model"].x == pytest.approx(values)
    assert word in figure.layout.xaxis.title.text
    assert figure.layout.xaxis.range[0] == 0
    assert figure.layout.xaxis.range[1] >= values[-1]
    assert figure.layout.uirevision != accuracy_curve(make_run(2), x="round").layout.uirevision or x == "round"


def test_an_unknown_axis_is_refused(make_run: MakeRun) -> None:
    with pytest.raises(ValueError, match=r"x is 'minutes'; allowed is one of round, megabytes"):
        accuracy_curve(make_run(), x="minutes")  # type: ignore[arg-type]


def test_the_title_of_accuracy(make_run: MakeRun) -> None:
    assert title(accuracy_curve(make_run(0))) == "Before training, the global model is right on 20 % of the test data"
    best = "80 % of weights are gone after round 4; accuracy is 58 %, its best so far"
    assert title(accuracy_curve(make_run())) == best
    fallen = make_run(4, test_accuracy=0.44, sparsity=0.0)
    assert title(accuracy_curve(fallen)) == "After round 4 accuracy is 44 %, 4 points below its best (round 3)"


def test_compared_runs_differ_in_more_than_colour(make_run: MakeRun) -> None:
    others = {"FedAvg": make_run(4, test_accuracy=0.6), "slow": make_run(2), "not started": []}
    figure = accuracy_curve(make_run(), compare=others)
    traces = by_name(figure)
    assert "not started" not in traces
    assert traces["FedAvg"].line.color != traces["slow"].line.color
    assert traces["FedAvg"].line.dash != traces["slow"].line.dash
    assert traces["FedAvg"].marker.symbol != traces["slow"].marker.symbol
    assert traces["worst client"].visible == "legendonly"
    assert title(figure) == "This run is at 58 % after round 4, 2 points below FedAvg"


@pytest.mark.parametrize(("accuracy", "end"), [(0.48, "10 points above other"), (0.58, "level with other")])
def test_the_title_of_a_comparison(accuracy: float, end: str, make_run: MakeRun) -> None:
    assert title(accuracy_curve(make_run(), compare={"other": make_run(4, test_accuracy=accuracy)})).endswith(end)


def test_runs_are_compared_at_the_same_round(make_run: MakeRun) -> None:
    """A fork in its second round beside its finished parent: the same curve so far."""
    assert title(accuracy_curve(make_run(4)[:3], compare={"its parent": make_run(4)})).endswith("level with its parent")
    shorter = title(accuracy_curve(make_run(4), compare={"other": make_run(2)}))
    assert shorter == "This run is at 58 % after round 4, 20 points above other after its round 2"


def test_a_prediction_is_dotted_purple_and_widens_the_axis(make_run: MakeRun) -> None:
    figure = accuracy_curve(make_run(2), predicted=[(0, 0.1), (30, 0.9)])
    prediction = by_name(figure)["your prediction"]
    assert prediction.line.to_plotly_json() == PREDICTION
    assert (prediction.x, prediction.y) == ((0, 30), (0.1, 0.9))
    assert figure.layout.xaxis.range[1] >= 30
    assert "your prediction" not in by_name(accuracy_curve(make_run(2), x="flops", predicted=[(30, 0.9)]))


def test_one_round_is_a_visible_point(make_run: MakeRun) -> None:
    for figure in (accuracy_curve(make_run(0)), loss_curve(make_run(0)), bytes_ledger(make_run(0))):
        assert {trace.mode for trace in figure.data} == {"markers"}
        assert figure.layout.xaxis.range == (0, 1.02)


def test_loss_of_model_and_clients(make_run: MakeRun) -> None:
    figure = loss_curve(make_run())
    test, train = figure.data
    assert test.y == pytest.approx((2.0, 1.7, 1.4, 1.1, 0.8))
    assert train.y[0] is None
    assert figure.layout.yaxis.range[0] == 0
    assert figure.layout.yaxis.range[1] >= 2
    assert title(figure) == "The test loss is 0.8 after round 4, the training loss 0.7"
    assert title(loss_curve(make_run(0))) == "The test loss is 2 after round 0"


def test_divergence_is_said_and_leaves_a_gap(make_run: MakeRun) -> None:
    figure = loss_curve(make_run(3, test_loss=float("inf")))
    assert figure.data[0].y[-1] is None
    assert "diverged" in title(figure)


def test_bytes_add_up_in_their_unit_from_zero(make_run: MakeRun) -> None:
    figure = bytes_ledger(make_run(3))
    traces = by_name(figure)
    assert traces["uplink"].y == pytest.approx((0, 0.4, 0.8, 1.2))
    assert traces["downlink"].y == pytest.approx((0, 0.8, 1.6, 2.4))
    assert traces["uplink"].line.to_plotly_json() == UPLINK
    assert traces["downlink"].line.to_plotly_json() == DOWNLINK
    assert [trace.name for trace in figure.data] == ["downlink", "uplink"]  # the dashed one on top
    assert "encoded" in figure.layout.yaxis.title.text
    assert "(MB)" in figure.layout.yaxis.title.text
    assert figure.layout.yaxis.range[0] == 0
    assert title(figure) == "1.2 MB went up and 2.4 MB down by round 3"


def test_bytes_beside_dense_models(make_run: MakeRun) -> None:
    figure = bytes_ledger(make_run(3), dense_bytes_per_round=1_000_000)
    dense = by_name(figure)["dense, one direction"]
    assert dense.y == pytest.approx((0, 1, 2, 3))
    assert dense.line.color == LIGHT.gray
    assert figure.layout.yaxis.range[1] >= 3
    assert title(figure).endswith("60 % of what dense models take")


def test_small_messages_are_counted_in_kilobytes(make_run: MakeRun) -> None:
    run = make_run(1, upload_bytes=1_500, download_bytes=2_000)
    figure = bytes_ledger(run)
    assert "(kB)" in figure.layout.yaxis.title.text
    assert by_name(figure)["uplink"].y == pytest.approx((0, 1.5))


def test_sparsity_against_its_target(make_run: MakeRun) -> None:
    figure = sparsity_curve(make_run())
    traces = by_name(figure)
    assert traces["global model"].y == pytest.approx((0, 0.2, 0.4, 0.6, 0.8))
    assert traces["target of the schedule"].y[0] is None
    assert traces["target of the schedule"].marker.symbol == "circle-open"
    assert tuple(figure.layout.yaxis.range) == (0, 1.03)
    assert title(figure) == "80 % of prunable weights are gone after round 4, as the schedule asks"


def test_the_title_of_sparsity_says_what_is_missing(make_run: MakeRun) -> None:
    late = sparsity_curve(make_run(4, target_sparsity=0.9))
    assert title(late).endswith("; the schedule asks for 90 %")
    free = sparsity_curve([{**row, "target_sparsity": None} for row in make_run()])
    assert title(free).endswith("; no schedule asks for any")
    assert "target of the schedule" not in by_name(free)


def test_dropped_clients_and_skipped_rounds_are_marked_and_counted(make_run: MakeRun) -> None:
    whole = accuracy_curve(make_run(3))
    assert whole.layout.title.subtitle.text == ""
    assert not {"clients dropped", "round skipped"} & by_name(whole).keys()
    run = make_run(3)
    run[1]["dropped"] = [[2, "<b>late</b>"]]
    run[3] |= {"dropped": [[k, "no answer"] for k in range(4)], "skipped": True}
    figure = accuracy_curve(run, x="megabytes")
    assert figure.layout.title.subtitle.text == "5 updates were dropped in 2 rounds, 1 round was skipped"
    dropped, skipped = (by_name(figure)[name] for name in ("clients dropped", "round skipped"))
    assert (dropped.x, dropped.y, dropped.customdata) == ((1.2,), pytest.approx((0.28,)), ("1 of 4",))
    assert (skipped.x, skipped.y, skipped.customdata) == (pytest.approx((3.6,)), pytest.approx((0.48,)), ("4 of 4",))
    assert dropped.marker.symbol != skipped.marker.symbol
    assert "<b>late" not in figure.to_json()
