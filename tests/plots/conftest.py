"""A small run, made up so that every sentence and every point can be worked out by hand."""

from collections.abc import Callable
from typing import Any

import pytest

from fedlab_core.plots import rows as to_rows
from fedlab_core.types import RoundRecord, ServerState

MakeRun = Callable[..., list[dict[str, Any]]]


def record(round: int, **changes: Any) -> RoundRecord:
    """Round r: accuracy 0.2 + 0.1 r before the purge, 0.02 less after it, sparsity 0.2 r; round 0 sends nothing."""
    sent = round > 0
    values: dict[str, Any] = {
        "round": round,
        "clients": (0, 1, 2, 3) if sent else (),
        "test_accuracy": 0.2 + 0.1 * round - 0.02 * sent,
        "test_loss": 2.0 - 0.3 * round,
        "accuracy_before_purge": 0.2 + 0.1 * round,
        "worst_client_accuracy": 0.1 + 0.1 * round,
        "mean_client_accuracy": 0.15 + 0.1 * round,
        "best_client_accuracy": 0.3 + 0.1 * round,
        "train_loss": 1.9 - 0.3 * round if sent else None,
        "sparsity": 0.2 * round,
        "target_sparsity": 0.2 * round if sent else None,
        "layer_density": {"fc1.weight": 1 - 0.2 * round, "head.weight": 1 - 0.1 * round},
        "upload_bytes": 400_000 * sent,
        "download_bytes": 800_000 * sent,
        "dense_flops": 2_000_000_000 * sent,
        "effective_flops": 1_000_000_000 * sent,
        "round_s": 0.5,
        "state": ServerState({}, {}, {}),
    }
    return RoundRecord(**{**values, **changes})


@pytest.fixture
def make_run() -> MakeRun:
    """Rows of rounds 0 to `last`; `changes` go into the last round."""

    def run(last: int = 4, **changes: Any) -> list[dict[str, Any]]:
        return to_rows([record(at, **(changes if at == last else {})) for at in range(last + 1)])

    return run
