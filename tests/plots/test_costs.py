"""Figures of costs: each says which cost it is, and how it is known."""

import pytest

from fedlab_core.costs.target import CostsToTarget
from fedlab_core.encodings import BOUND, CODED, DENSE, NOMINAL, SHORTEST, MessageBytes
from fedlab_core.metrics import ACCURACY, MAE
from fedlab_core.plots import costs, encoding_bars, encoding_sweep, flops_bars, latency_bars, target_bars
from fedlab_core.plots.costs import target_sentence
from fedlab_core.speed import NetworkFlops, Quartiles

OWN = CostsToTarget(round=5, upload_bytes=300_000, download_bytes=200_000, dense_flops=10**9, effective_flops=4 * 10**8)
DENSE_RUN = CostsToTarget(4, 500_000, 500_000, 10**9, 10**9)


def message(sparsity: float, sent: float, bound: float) -> MessageBytes:
    forms = dict.fromkeys(CODED, 2.0 * sent)
    return MessageBytes(sparsity, {DENSE: 4000.0, **forms, SHORTEST: sent, NOMINAL: 0.9 * bound, BOUND: bound})


def title(figure) -> str:
    return figure.layout.title.text.replace("<br>", " ")


def test_names_of_encodings_are_those_of_the_core() -> None:
    assert (costs._DENSE, costs._SENT, costs._NOMINAL, costs._BOUND) == (DENSE, SHORTEST, NOMINAL, BOUND)


def test_encodings_beside_the_bound() -> None:
    figure = encoding_bars(message(0.9, 1010.0, 1000.0))
    assert title(figure) == "At 90 % sparsity the model takes 1 kB, 25.2 % of dense; 1 % above the entropy bound"
    shapes = dict(zip(figure.data[0].y, figure.data[0].marker.pattern.shape, strict=True))
    assert [name for name, shape in shapes.items() if shape] == [NOMINAL, BOUND]
    structured = encoding_bars(message(0.9, 900.0, 1000.0))
    assert "10 % below the entropy bound" in title(structured)
    assert "structure" in structured.layout.title.subtitle.text


def test_the_sweep_and_the_masks_alone() -> None:
    points = [message(0.5, 2000.0, 1800.0), message(0.9, 1000.0, 800.0)]
    whole = encoding_sweep(points, points[1])
    lines = {trace.name: trace for trace in whole.data}
    assert lines[SHORTEST].y == (2.0, 1.0)
    assert lines["this model"].x == (0.9,)
    assert title(whole) == "At 90 % sparsity the message has 25 % of its dense bytes"
    alone = {trace.name: trace for trace in encoding_sweep(points, masks_alone=True).data}
    assert DENSE not in alone
    assert alone[SHORTEST].y == pytest.approx((0.38, 0.28))  # kB: 2000 - 1620, 1000 - 720


def test_flops_are_named() -> None:
    figure = flops_bars(NetworkFlops(dense=1000, weighted=250.0, slimmed=500, sparsity=0.75, empty_units=3))
    assert title(figure) == "Theoretical FLOPs are 25 % of dense ones, those of the slimmed network 50 %"
    assert figure.data[0].customdata[0] == ["1 kFLOPs", "500 MACs"]
    assert "theoretical" in figure.data[0].y[1]


def test_whiskers_reach_from_quartile_to_quartile() -> None:
    figure = latency_bars({"dense": Quartiles(0.9, 1.0, 1.3), "slimmed": Quartiles(0.4, 0.5, 0.5)}, batch=32)
    assert title(figure) == "Dense 1 ms, slimmed 0.5 ms"
    assert figure.data[0].error_x.array == pytest.approx((0.3, 0.0))
    assert figure.data[0].error_x.arrayminus == pytest.approx((0.1, 0.1))


def test_what_a_target_took_beside_the_dense_run() -> None:
    figure = target_bars(OWN, DENSE_RUN, said="It took five rounds")
    assert dict(zip(figure.data[0].x, figure.data[0].y, strict=True)) == pytest.approx(
        {"rounds": 1.25, "bytes up": 0.6, "bytes down": 0.4, "FLOPs (theoretical)": 0.4}
    )


def test_sentences_on_a_target() -> None:
    assert target_sentence(ACCURACY, 0.9, OWN, DENSE_RUN) == (
        "An accuracy of 90 % took 5 rounds, 500 kB and 400 MFLOPs (theoretical): 50 % of the dense run's bytes"
    )
    assert target_sentence(MAE, 8.0, OWN) == (
        "A mean absolute error of at most 8 years took 5 rounds, 500 kB and 400 MFLOPs (theoretical)"
    )
    assert target_sentence(ACCURACY, 0.99, None) == "This run never reaches an accuracy of 99 %"
