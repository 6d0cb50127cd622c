"""Metrics: which way is better, and what a record was measured by."""

from fedlab_core.metrics import ACCURACY, MAE, metric_of
from fedlab_core.types import RoundRecord


def test_a_high_accuracy_and_a_low_error_are_good() -> None:
    assert ACCURACY.gain(0.9, 0.7) > 0 > ACCURACY.gain(0.7, 0.9)
    assert MAE.gain(3.0, 4.5) == 1.5 == -MAE.gain(4.5, 3.0)
    rows = [{"round": at, "test_accuracy": value, "test_mae": value} for at, value in enumerate((0.5, 0.2, 0.9, 0.2))]
    assert ACCURACY.best(rows)["round"] == 2
    assert MAE.best(rows)["round"] == 1


def test_a_row_says_what_it_was_measured_by() -> None:
    assert metric_of({"test_accuracy": 0.5}) is ACCURACY  # of a store from before there were errors
    assert metric_of({"test_accuracy": 0.5, "test_mae": None}) is ACCURACY
    assert metric_of({"test_accuracy": None, "test_mae": 0.0}) is MAE


def test_metrics_name_fields_of_a_record() -> None:
    fields = RoundRecord.__dataclass_fields__
    for metric in (ACCURACY, MAE):
        assert len(set(metric.fields)) == 5
        assert all(fields[name].default is None for name in metric.fields)
