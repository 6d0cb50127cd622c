"""How fast this machine multiplies matrices and convolves, and how many FLOPs the exact work of a workload has.

    python benchmarks/peers/rates.py matrix
    python benchmarks/peers/rates.py convolution

measures one thread; `machine_rates` starts one such process for each core at the same time and adds them up.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

sys.path.append(str(Path(__file__).parents[1]))

from workloads import MODELS, Examples, Workload

SECONDS = 0.7
"""How long each shape is repeated."""

SQUARES = (256, 512, 1024)
LINEARS = ((32, 784, 128), (512, 784, 128), (512, 2048, 512))
"""Examples, inputs, outputs."""
CONVOLUTIONS = ((16, 16, 32, 8), (20, 64, 64, 32), (20, 128, 128, 16), (64, 64, 128, 16))
"""Examples, channels in and out, height and width."""


def machine_rates(cores: int) -> dict[str, float]:
    """GFLOP/s of all cores together, one thread each: best of several shapes."""
    rates = {}
    for kind in ("matrix", "convolution"):
        processes = [
            subprocess.Popen([sys.executable, __file__, kind], stdout=subprocess.PIPE, text=True) for _ in range(cores)
        ]
        rates[kind] = sum(float(process.communicate()[0]) for process in processes)
    return rates


def matrix_rate() -> float:
    """FLOP/s of the best of `mm`, `bmm` and `linear`, forward only."""
    generator = torch.Generator().manual_seed(0)
    best = 0.0
    for n in SQUARES:
        a, b = torch.randn(n, n, generator=generator), torch.randn(n, n, generator=generator)
        best = max(best, _rate(lambda a=a, b=b: torch.mm(a, b), 2 * n**3))
        stack = torch.randn(8, n, n, generator=generator)
        best = max(best, _rate(lambda stack=stack: torch.bmm(stack, stack), 16 * n**3))
    for examples, inputs, outputs in LINEARS:
        x, weight = (
            torch.randn(examples, inputs, generator=generator),
            torch.randn(outputs, inputs, generator=generator),
        )
        best = max(best, _rate(lambda x=x, weight=weight: F.linear(x, weight), 2 * examples * inputs * outputs))
    return best


def convolution_rate() -> float:
    """FLOP/s of the best 3 x 3 convolution, forward and backward."""
    generator = torch.Generator().manual_seed(0)
    best = 0.0
    for examples, inputs, outputs, side in CONVOLUTIONS:
        for layout in (torch.contiguous_format, torch.channels_last):
            x = torch.randn(examples, inputs, side, side, generator=generator).to(memory_format=layout).requires_grad_()
            weight = torch.randn(outputs, inputs, 3, 3, generator=generator).to(memory_format=layout).requires_grad_()
            flops = 3 * 2 * examples * inputs * outputs * 9 * side * side
            best = max(best, _rate(lambda x=x, weight=weight: _there_and_back(x, weight), flops))
    return best


def _there_and_back(x: Tensor, weight: Tensor) -> None:
    y = F.conv2d(x, weight, padding=1)
    torch.autograd.grad(y, (x, weight), y)


def _rate(call: Callable[[], object], flops: int) -> float:
    call()
    start, calls = time.perf_counter(), 0
    while time.perf_counter() - start < SECONDS:
        call()
        calls += 1
    return calls * flops / (time.perf_counter() - start)


def forward_flops(workload: Workload) -> dict[str, int]:
    """FLOPs of one example by layer: two for each weight at each position."""
    model, flops = MODELS[workload.model]().eval(), {}
    x = torch.zeros(1, *workload.input_shape)
    with torch.no_grad():
        for name, layer in model.named_children():
            x = layer(x)
            if isinstance(layer, nn.Linear | nn.Conv2d):
                flops[name] = 2 * layer.weight.numel() * x.numel() // layer.weight.shape[0]
    return flops


def training_flops(workload: Workload) -> dict[str, int]:
    """FLOPs of one training step on one example, for "convolution" and "matrix": three forward passes.

    The first layer needs no gradient of its inputs, and so only two.
    """
    flops = {"convolution": 0, "matrix": 0}
    for place, (name, forward) in enumerate(forward_flops(workload).items()):
        flops["convolution" if name.startswith("conv") else "matrix"] += forward * (3 if place else 2)
    return flops


def round_flops(workload: Workload, examples: Examples, rounds: range) -> dict[str, float]:
    """FLOPs of the median round."""
    sizes_K = examples.owner_N.bincount(minlength=workload.num_clients)
    counts = torch.tensor([int(sizes_K[examples.cohort(round)].sum()) for round in rounds], dtype=torch.float64)
    steps = float(counts.quantile(0.5)) * workload.local_epochs
    return {kind: steps * flops for kind, flops in training_flops(workload).items()}


if __name__ == "__main__":
    torch.set_num_threads(1)
    print({"matrix": matrix_rate, "convolution": convolution_rate}[sys.argv[1]]() / 1e9)
