"""Without Flower, these tests are skipped, and say so."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _inside_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages ask in which run they are made: Flower tells its own processes, and nobody tells a test."""
    identity = pytest.importorskip("flwr.supercore.task_identity").TaskIdentity
    for name in ("_task_id", "_run_id", "_node_id"):
        monkeypatch.setattr(identity, name, 1)
