"""How fast the codec is and how close its payloads come to the entropy bound: VGG-16 with random masks.

    python benchmarks/codec.py

One thread. MB/s are megabytes of the dense float32 model per second, medians of 5 after one run to warm up.
"""

from __future__ import annotations

import itertools
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import psutil
import torch
from machine import machine
from torch import Tensor

from fedlab_core.costs.codec import decode, describe, encode, nominal_bytes
from fedlab_core.types import seeded_generator

RESULTS = Path(__file__).parent / "results" / "codec.json"
SPARSITIES = (0.0, 0.5, 0.8, 0.95, 0.99)
REPEATS = 5
CHANNELS = (3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)

T = TypeVar("T")


def vgg16() -> dict[str, Tensor]:
    """Weights and biases of VGG-16 for CIFAR-100 without its norms: 14.8 million numbers."""
    generator = seeded_generator("vgg16")
    shapes: dict[str, tuple[int, ...]] = {}
    for i, (inputs, outputs) in enumerate(itertools.pairwise(CHANNELS), start=1):
        shapes |= {f"conv{i}.weight": (outputs, inputs, 3, 3), f"conv{i}.bias": (outputs,)}
    shapes |= {"fc.weight": (100, 512), "fc.bias": (100,)}
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def random_masks(tensors: dict[str, Tensor], sparsity: float) -> dict[str, Tensor]:
    """Each weight is pruned with probability `sparsity`, whatever the others do: the masks that cost most."""
    generator = seeded_generator("masks", str(sparsity))
    return {
        name: torch.rand(tensor.shape, generator=generator) >= sparsity
        for name, tensor in tensors.items()
        if tensor.dim() > 1
    }


def timed(run: Callable[[], T]) -> tuple[T, float]:
    """The result, and the median seconds."""
    seconds, result = [], run()
    for _ in range(REPEATS):
        start = time.perf_counter()
        result = run()
        seconds.append(time.perf_counter() - start)
    return result, statistics.median(seconds)


def measure(tensors: dict[str, Tensor], sparsity: float) -> dict[str, float | int | dict[str, int]]:
    """One row: speeds, bytes, and how many tensors took which form."""
    masks = random_masks(tensors, sparsity)
    payload, encode_s = timed(lambda: encode(tensors, masks))
    message, decode_s = timed(lambda: decode(payload))
    assert all(torch.equal(message.masks[name], mask) for name, mask in masks.items())
    assert all(torch.equal(t, tensors[name] * masks.get(name, True)) for name, t in message.tensors.items())
    costs = describe(payload)
    bound_bytes = sum(cost.bound_bytes for cost in costs)
    forms = [cost.form for cost in costs if cost.name in masks]
    megabytes = sum(tensor.nbytes for tensor in tensors.values()) / 1e6
    return {
        "sparsity": sparsity,
        "encode_mb_per_s": round(megabytes / encode_s, 1),
        "decode_mb_per_s": round(megabytes / decode_s, 1),
        "encode_and_decode_mb_per_s": round(megabytes / (encode_s + decode_s), 1),
        "payload_bytes": len(payload),
        "nominal_bytes": nominal_bytes(tensors, masks),
        "entropy_bound_bytes": round(bound_bytes, 1),
        "over_bound_percent": round(100 * (len(payload) / bound_bytes - 1), 3),
        "forms": {form: forms.count(form) for form in sorted(set(forms))},
    }


def main() -> None:
    torch.set_num_threads(1)
    load = round(psutil.getloadavg()[0], 2)  # others on the machine: compare figures of an idle one
    tensors = vgg16()
    rows = [measure(tensors, sparsity) for sparsity in SPARSITIES]
    for row in rows:
        print(json.dumps(row))
    result = {
        "parameters": sum(tensor.numel() for tensor in tensors.values()),
        "repeats": REPEATS,
        "rows": rows,
        "machine": machine() | {"numpy": np.__version__},
        "load_average_before": load,
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
