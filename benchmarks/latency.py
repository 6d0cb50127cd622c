"""Milliseconds that a network takes for a batch: in PyTorch, and as ONNX in onnxruntime; one thread each.

    runners = {"dense": torch_runner(dense, x_BI), "small": onnx_runner("small.onnx", x_BI)}
    median_ms(runners)  # {"dense": 1.9, "small": 0.4}

Figures of one call to `median_ms` can be compared with each other: runners take turns, so that whatever else the
machine does meets them all.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from os import PathLike

import torch
from torch import Tensor, nn

from fedlab_core.processes import one_thread

Runner = Callable[[], object]

TURNS = 21
TURN_S = 0.02
"""A turn has as many calls as fit into so many seconds, at least one."""


def torch_runner(model: nn.Module, x_BI: Tensor) -> Runner:
    """Calls a model in evaluation mode; without gradients."""

    def run() -> object:
        with torch.inference_mode():
            return model(x_BI)

    return run


def onnx_runner(path: str | PathLike[str], x_BI: Tensor) -> Runner:
    """Calls a file of `save_onnx` on the processor."""
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    images = {session.get_inputs()[0].name: x_BI.numpy()}
    return lambda: session.run(None, images)


def median_ms(runners: Mapping[str, Runner], turns: int = TURNS) -> dict[str, float]:
    """Median over the turns of the mean milliseconds of a call, by name. One call each goes before, to warm up."""
    times: dict[str, list[float]] = {name: [] for name in runners}
    with one_thread():
        calls = {name: max(1, int(TURN_S / _seconds(run, 1))) for name, run in runners.items()}
        for _ in range(turns):
            for name, run in runners.items():
                times[name].append(1000 * _seconds(run, calls[name]))
    return {name: statistics.median(each) for name, each in times.items()}


def _seconds(run: Runner, calls: int) -> float:
    """Mean of some calls after one that brings the network back into the caches."""
    run()
    start = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - start) / calls
