"""Milliseconds that a network takes for a batch: in PyTorch, and as ONNX in onnxruntime; one thread each.

    runners = {"dense": torch_runner(dense, x_BI), "small": onnx_runner("small.onnx", x_BI)}
    median_latency(runners)["small"].processor_ms

Figures of one call to `median_latency` can be compared with each other: runners take turns, so that whatever else the
machine does meets them all.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from os import PathLike
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fedlab_core.processes import one_thread

Runner = Callable[[], object]

TURNS = 21
TURN_S = 0.02
"""A turn has as many calls as fit into so many seconds, at least one."""


class Latency(NamedTuple):
    """Median over the turns of the mean milliseconds of a call.

    Attributes:
        processor_ms: that the thread was computing. On an idle machine it is what a clock says; on a busy one it leaves
            out the time in which others had the processor.
        wall_ms: what a clock says.
    """

    processor_ms: float
    wall_ms: float


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


def median_latency(runners: Mapping[str, Runner], turns: int = TURNS) -> dict[str, Latency]:
    """How long a call of each takes, by name. Each is called before its first turn, to warm up."""
    times: dict[str, list[Latency]] = {name: [] for name in runners}
    with one_thread():
        calls = {name: max(1, int(1000 * TURN_S / _turn(run, 1).wall_ms)) for name, run in runners.items()}
        for _ in range(turns):
            for name, run in runners.items():
                times[name].append(_turn(run, calls[name]))
    return {name: Latency(*map(statistics.median, zip(*each, strict=True))) for name, each in times.items()}


def _turn(run: Runner, calls: int) -> Latency:
    """Means of some calls after one that brings the network back into the caches."""
    run()
    processor_s, wall_s = time.process_time(), time.perf_counter()
    for _ in range(calls):
        run()
    processor_s, wall_s = time.process_time() - processor_s, time.perf_counter() - wall_s
    return Latency(1000 * processor_s / calls, 1000 * wall_s / calls)
