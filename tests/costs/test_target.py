"""Costs until an accuracy is reached."""

import pytest

from fedlab_core.costs.target import costs_to_target

ROWS = [
    {"round": r, "test_accuracy": a, "upload_bytes": 10, "download_bytes": 100, "dense_flops": 7, "effective_flops": r}
    for r, a in enumerate([0.1, 0.5, 0.4, 0.8])
]


def test_everything_up_to_the_first_round_that_reaches_it() -> None:
    found = costs_to_target(ROWS, 0.5)
    assert found == (1, 20, 200, 14, 1)
    assert found.bytes == 220  # type: ignore[union-attr]
    assert costs_to_target(ROWS, 0.51) == (3, 40, 400, 28, 6)
    assert costs_to_target(ROWS, 0.1) == (0, 10, 100, 7, 0)


def test_never() -> None:
    assert costs_to_target(ROWS, 0.81) is None
    assert costs_to_target([], 0.5) is None


@pytest.mark.parametrize("accuracy", [0.0, 1.1])
def test_targets_that_cannot_be(accuracy: float) -> None:
    with pytest.raises(ValueError, match="allowed is 0 < accuracy <= 1"):
        costs_to_target(ROWS, accuracy)


ERRORS = [{**row, "test_accuracy": None, "test_mae": 6.0 - row["round"]} for row in ROWS]


def test_a_low_error_reaches_the_target() -> None:
    assert costs_to_target(ERRORS, 4.5) == (2, 30, 300, 21, 3)
    assert costs_to_target(ERRORS, 6.0) == (0, 10, 100, 7, 0)
    assert costs_to_target(ERRORS, 2.9) is None
    with pytest.raises(ValueError, match="allowed is 0 < mean absolute error <= inf"):
        costs_to_target(ERRORS, 0.0)
