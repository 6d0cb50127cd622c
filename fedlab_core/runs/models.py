"""A run's trained model as a file for other programs, and how much of the network is left in it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from fedlab_core.costs.flops import forward_flops
from fedlab_core.export import save_model, save_onnx, small_model
from fedlab_core.lab import Federation
from fedlab_core.runs.store import RunStore

KINDS = (".safetensors", ".onnx")


class Saved(NamedTuple):
    """What is in the file, beside the network of which nothing is cut; FLOPs are a forward pass of one example.

    `zeros` counts parameters of the file that are pruned but could not be cut.
    """

    file_bytes: int
    parameters: int
    whole_parameters: int
    flops: int
    whole_flops: int
    zeros: int

    def text(self) -> str:
        """Three lines for people, and a fourth where zeros had to stay."""
        lines = [
            f"file        {self.file_bytes:,} bytes",
            f"parameters  {self.parameters:,} of {self.whole_parameters:,} ({_share(*self[1:3])})",
            f"FLOPs       {self.flops:,} of {self.whole_flops:,} for one example ({_share(*self[3:5])})",
        ]
        if self.zeros:
            lines.append(
                f"zeros       {self.zeros:,} of these parameters are pruned, and had to stay: only whole units can be "
                "cut, and under GroupNorm, as in cnn_small, whole groups of them"
            )
        return "\n".join(lines)


def save_run_model(store: RunStore, run_id: str, file: Path) -> Saved:
    """Write the model after the run's newest round, without the units that were pruned as a whole.

    Raises:
        ValueError: the name of the file has another ending than `KINDS`, no such run or data, ONNX is not installed.
    """
    if file.suffix not in KINDS:
        raise ValueError(f"FILE is {file.name!r}; allowed are names that end in {' or '.join(KINDS)}")
    info = store.get(run_id)
    federation, server = Federation.of(info.experiment), store.state(info.run_id)[1]
    shape = federation.data.dataset.input_shape
    model = small_model(federation, server)
    if file.suffix == ".onnx":
        save_onnx(file, model, shape)
    else:
        save_model(file, federation, server)
    parameters, whole = (sum(p.numel() for p in one.parameters()) for one in (model, federation.model))
    flops = sum(forward_flops(model, shape).values())
    zeros = sum(int((p == 0).sum()) for name, p in model.named_parameters() if name in server.masks)
    return Saved(file.stat().st_size, parameters, whole, flops, sum(federation.layer_flops.values()), zeros)


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}"
