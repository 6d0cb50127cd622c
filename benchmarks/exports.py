"""What is an exported network worth where it is used? Files, FLOPs and milliseconds, without 0 to 75 % of its units.

    python benchmarks/exports.py

For each network, the same share of every hidden layer's units is masked; what is left is saved as `fedlab save-model`
does. Its outputs are compared with the masked network's. Times are a forward pass in PyTorch and in onnxruntime, one
thread each, all exports of a network in turns: processor time, which is a clock's time on an idle machine, and a
clock's time (see latency.py).
Results: results/exports.json and the part of docs/PERFORMANCE.md between the marks.
"""

from __future__ import annotations

import importlib.metadata
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import safetensors.torch
import torch
from document import fill_in
from latency import Runner, median_latency, onnx_runner, torch_runner
from machine import machine
from torch import nn
from torch.func import functional_call
from tqdm import tqdm

from fedlab_core.costs.flops import forward_flops
from fedlab_core.export import save_onnx
from fedlab_core.models import build_model, init_params
from fedlab_core.pruning.masks import apply_masks, full_masks
from fedlab_core.pruning.slim import slim
from fedlab_core.pruning.units import drop_units, hidden_units
from fedlab_core.types import Params, seeded_generator

RESULTS = Path(__file__).parent / "results" / "exports.json"
MODELS = {"mlp": (1, 28, 28), "cnn6": (3, 32, 32), "resnet20": (3, 32, 32), "mobilenet_v2": (3, 32, 32)}
SHARES = (0.0, 0.25, 0.5, 0.75)
BATCHES = (1, 32)
CLASSES = 10


def masked_and_small(name: str, share: float) -> tuple[Params, nn.Sequential]:
    """Tensors of a network with so many units of each hidden layer masked, and the network without them.

    Weights are Kaiming-normal, so that outputs depend on the image at any depth, as they do after training.
    """
    model = build_model(name, MODELS[name], CLASSES)
    params, buffers = init_params(model, generator := seeded_generator("exports", name))
    for weight in params.values():
        if weight.dim() > 1:
            nn.init.kaiming_normal_(weight, generator=generator)
    masks = drop_units(params, full_masks(params, tuple(params)), share, hidden_units(model))
    tensors = {**apply_masks(params, masks), **buffers}
    slimmed = slim(model, [masks])
    small, left = (slimmed.model, slimmed.cut(tensors)) if slimmed else (model, tensors)
    small.load_state_dict(left, assign=True, strict=False)
    return tensors, small.eval().requires_grad_(False)


def exported(name: str, share: float, path: Path) -> tuple[dict[str, Any], dict[str, Runner]]:
    """Sizes and FLOPs of one export, and what is to be timed."""
    shape = MODELS[name]
    tensors, small = masked_and_small(name, share)
    save_onnx(path, small, shape)
    images = {batch: torch.rand(batch, *shape, generator=seeded_generator("images")) for batch in BATCHES}
    whole = build_model(name, shape, CLASSES).eval()
    with torch.no_grad():
        said = functional_call(whole, tensors, (images[32],)).numpy()
        as_torch, (as_onnx,) = small(images[32]).numpy(), onnx_runner(path, images[32])()  # type: ignore[misc]
    row = {
        "model": name,
        "units_removed": share,
        "parameters": sum(parameter.numel() for parameter in small.parameters()),
        "safetensors_bytes": len(safetensors.torch.save(small.state_dict())),
        "onnx_bytes": path.stat().st_size,
        "flop_ratio": sum(forward_flops(small, shape).values()) / sum(forward_flops(whole, shape).values()),
        "largest_output": float(np.abs(said).max()),
        "spread_of_outputs": float(said.std(0).max()),
        "largest_difference": float(max(np.abs(as_torch - said).max(), np.abs(as_onnx - said).max())),
    }
    runners = {f"torch_batch{batch}": torch_runner(small, x_BI) for batch, x_BI in images.items()}
    return row, runners | {f"onnx_batch{batch}": onnx_runner(path, x_BI) for batch, x_BI in images.items()}


def measure(name: str) -> list[dict[str, Any]]:
    """All rows of one network."""
    rows, runners = [], {}
    with tempfile.TemporaryDirectory() as folder:
        for share in SHARES:
            row, own = exported(name, share, Path(folder) / f"{share}.onnx")
            rows.append(row)
            runners |= {f"{share} {what}": run for what, run in own.items()}
        times = median_latency(runners)
    return [row | {what: times[f"{row['units_removed']} {what}"]._asdict() for what in own} for row in rows]


def table(rows: list[dict[str, Any]]) -> str:
    """One line an export; in brackets, how many times faster than the whole network."""
    timed = [f"{how}_batch{batch}" for how in ("torch", "onnx") for batch in BATCHES]
    heads = [f"ms, {how}, {batch}" for how in ("PyTorch", "onnxruntime") for batch in BATCHES]
    lines = ["| " + " | ".join(["network", "units removed", "FLOPs", "kB safetensors", "kB ONNX", *heads]) + " |"]
    lines.append("|" + "---|" * (5 + len(heads)))
    for row in rows:
        whole = next(other for other in rows if other["model"] == row["model"])
        sizes = [f"{row[kind] / 1000:,.0f}" for kind in ("safetensors_bytes", "onnx_bytes")]
        taken = {what: (row[what]["processor_ms"], whole[what]["processor_ms"]) for what in timed}
        times = [f"{own:.3g} ({dense / own:.1f}x)" for own, dense in taken.values()]
        cells = [row["model"], f"{row['units_removed']:.0%}", f"{row['flop_ratio']:.1%}", *sizes, *times]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def report(result: dict[str, Any]) -> str:
    """The part of the document."""
    here, rows = result["machine"], result["rows"]
    off = max(row["largest_difference"] / row["largest_output"] for row in rows)
    return f"""{table(rows)}

Milliseconds of processor time for a batch of 1 or 32 images; in brackets: times faster than with all units.
Outputs of exports and of masked networks differ by {off:.0e} of the largest output at most.

Machine: {here["processor"]}, {here["cores"]} cores, {here["system"]}, Python {here["python"]}, torch {here["torch"]},
onnxruntime {here["onnxruntime"]}, one thread; load average before: {result["load_average_before"]}."""


def main() -> None:
    load = round(psutil.getloadavg()[0], 2)  # others on the machine: compare figures of an idle one
    rows = [row for name in tqdm(MODELS, desc="networks") for row in measure(name)]
    result = {
        "claim": "the exported network says what the masked one says, from a smaller file, in less time",
        "rows": rows,
        "machine": machine() | {"torch_threads": 1, "onnxruntime": importlib.metadata.version("onnxruntime")},
        "load_average_before": load,
    }
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(report(result))
    fill_in("exports", report(result))


if __name__ == "__main__":
    main()
