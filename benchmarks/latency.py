"""Milliseconds that a network takes for a batch: in PyTorch, and as ONNX in onnxruntime; one thread each.

    runners = {"dense": torch_runner(dense, x_BI), "small": onnx_runner("small.onnx", x_BI)}
    median_latency(runners)["small"].processor_ms

Figures of one call to `median_latency` can be compared with each other: runners take turns, so that whatever else the
machine does meets them all.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from os import PathLike

from torch import Tensor

from fedlab_core.speed import TURNS, Runner, Turn, time_in_turns, torch_runner

__all__ = ["Runner", "median_latency", "onnx_runner", "torch_runner"]


def onnx_runner(path: str | PathLike[str], x_BI: Tensor) -> Runner:
    """Calls a file of `save_onnx` on the processor."""
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    images = {session.get_inputs()[0].name: x_BI.numpy()}
    return lambda: session.run(None, images)


def median_latency(runners: Mapping[str, Runner], turns: int = TURNS) -> dict[str, Turn]:
    """How long a call of each takes, by name: medians over the turns."""
    times = time_in_turns(runners, turns)
    return {name: Turn(*map(statistics.median, zip(*each, strict=True))) for name, each in times.items()}
