"""A store, made-up records with everything that real ones have, and a way to wait for other processes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from fedlab_core.experiment import Experiment
from fedlab_core.pruning.masks import layer_density, sparsity
from fedlab_core.runs.store import RunStore
from fedlab_core.types import RoundRecord, ServerState, seeded_generator

MakeState = Callable[..., ServerState]
MakeRecord = Callable[..., RoundRecord]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    with RunStore(tmp_path / "runs.sqlite") as opened:
        yield opened


@pytest.fixture(scope="session")
def tiny() -> Experiment:
    """Six rounds that take well under a second together."""
    return Experiment().replace(
        {
            "data.num_clients": 4,
            "model.name": "mlp",
            "federation.rounds": 6,
            "federation.participation": 0.5,
            "federation.local_epochs": 1,
            "federation.batch_size": 32,
            "strategy.name": "fedsparsify-global",
        }
    )


@pytest.fixture(scope="session")
def make_state() -> MakeState:
    def make(seed: int = 0, shape: tuple[int, ...] = (5, 7), memory: dict[str, Tensor] | None = None) -> ServerState:
        generator = seeded_generator("test-state", seed)
        mask = torch.rand(shape, generator=generator) < 0.4
        weight = torch.where(mask, torch.randn(shape, generator=generator), torch.zeros(()))
        bias = torch.randn(3, generator=generator)
        running = torch.rand(4, generator=generator, dtype=torch.float64)
        params = {"fc.weight": weight, "fc.bias": bias}  # an order that sorting would change
        return ServerState(params, {"norm.running_mean": running}, {"fc.weight": mask}, memory or {})

    return make


@pytest.fixture(scope="session")
def make_record(make_state: MakeState) -> MakeRecord:
    def make(round: int, state: ServerState | None = None, **changes: object) -> RoundRecord:
        state = state or make_state(round)
        fields: dict[str, object] = {
            "round": round,
            "clients": (0, 3),
            "test_accuracy": 0.5,
            "test_loss": 1.25,
            "accuracy_before_purge": 0.5,
            "worst_client_accuracy": 0.25,
            "mean_client_accuracy": 0.5,
            "best_client_accuracy": 0.75,
            "train_loss": None if round == 0 else 1.5,
            "sparsity": sparsity(state.masks),
            "target_sparsity": None,
            "layer_density": layer_density(state.masks),
            "upload_bytes": 100,
            "download_bytes": 200,
            "dense_flops": 1000,
            "effective_flops": 400,
            "round_s": 0.125,
            "state": state,
        }
        return RoundRecord(**{**fields, **changes})  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def wait_until() -> Callable[..., None]:
    """Wait for something that another process does; fails after some minutes instead of hanging."""

    def wait(condition: Callable[[], bool], what: str = "it happens", seconds: float = 240.0) -> None:
        never, end = threading.Event(), time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"waited {seconds} s until {what}"
            never.wait(0.01)

    return wait
