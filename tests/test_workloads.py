"""The workloads on which speed is compared: right networks, and clients that share out all examples."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from fedlab_core.models import build_model


def _module() -> ModuleType:
    """benchmarks/workloads.py, which is no part of a package."""
    spec = importlib.util.spec_from_file_location(
        "benchmark_workloads", Path(__file__).parents[1] / "benchmarks" / "workloads.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


workloads = _module()


@pytest.mark.parametrize(("name", "parameters"), [("W1a", 38_282), ("W2", 1_609_930), ("W3", 118_282)])
def test_networks_have_the_papers_numbers_of_parameters(name: str, parameters: int) -> None:
    model = workloads.initial_model(workloads.WORKLOADS[name])
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


@pytest.mark.parametrize("name", ["W2", "W3"])
def test_networks_are_those_of_the_package(name: str) -> None:
    workload = workloads.WORKLOADS[name]
    ours = build_model(workload.model, workload.input_shape, workload.num_classes)
    theirs = workloads.initial_model(workload)
    shapes = [{name: p.shape for name, p in model.named_parameters()} for model in (ours, theirs)]
    assert shapes[0] == shapes[1]
    running = {name for name, _ in theirs.named_buffers() if "running" in name}
    assert running <= {name for name, _ in ours.named_buffers()}


def test_clients_share_out_all_examples_and_the_file_keeps_them(tmp_path: Path) -> None:
    workload = workloads.WORKLOADS["W1b"]
    drawn = workloads.draw_examples(workload)
    workloads.save(drawn, tmp_path / "data.npz")
    read = workloads.load(tmp_path / "data.npz")
    assert torch.equal(torch.cat(read.indices).sort().values, torch.arange(workload.num_examples))
    assert len(read.indices) == workload.num_clients
    assert min(map(len, read.indices)) >= 2
    assert read.cohort_RC.shape[1] == workload.clients_per_round
    assert all(torch.equal(a, b) for a, b in zip(vars(drawn).values(), vars(read).values(), strict=False))
