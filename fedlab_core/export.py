"""A trained model as one file, without the units that masks have switched off: a smaller dense network.

save_model("small.safetensors", federation, record.state)
model = load_model("small.safetensors")  # an ordinary torch.nn.Sequential, ready to classify
save_onnx("small.onnx", model, (1, 8, 8))  # for any other program that reads ONNX
"""

from __future__ import annotations

import copy
import json
from importlib.util import find_spec
from os import PathLike
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from fedlab_core.experiment import Experiment
from fedlab_core.lab import Federation
from fedlab_core.models import build_model
from fedlab_core.models.blocks import Residual
from fedlab_core.models.gates import smaller
from fedlab_core.pruning.slim import slim
from fedlab_core.types import ServerState

FORMAT = "fedlab_core model 1"
Path = str | PathLike[str]


def small_model(federation: Federation, server: ServerState) -> nn.Sequential:
    """The trained network in evaluation mode; units that are masked for good are left out.

    Single masked weights stay, as zeros: only whole units make a dense network smaller. The outputs are those of the
    masked model.
    """
    slimmed = slim(federation.model, [server.masks])
    model = copy.deepcopy(slimmed.model if slimmed else federation.model)  # the federation's own stays without weights
    # Copies, so that whoever trains the model on does not change the state.
    tensors = {name: tensor.clone() for name, tensor in {**server.params, **server.buffers}.items()}
    return _with(model, slimmed.cut(tensors) if slimmed else tensors)


def save_model(path: Path, federation: Federation, server: ServerState) -> None:
    """Write `small_model` with whatever it takes to build it again."""
    tensors = small_model(federation, server).state_dict()
    about = {
        "format": FORMAT,
        "experiment": federation.experiment.to_json(),
        "input_shape": json.dumps(federation.data.dataset.input_shape),
        "num_classes": str(federation.data.dataset.num_outputs),
    }
    payload = save({name: tensor.contiguous() for name, tensor in tensors.items()}, about)
    with open(path, "wb") as file:  # for the system's own errors, which `save_file` has not
        file.write(payload)


def load_model(path: Path) -> nn.Sequential:
    """The model in evaluation mode.

    Raises:
        ValueError: the file is none of `save_model`.
    """
    try:
        with safe_open(path, "pt") as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dictionary
    except SafetensorError as error:
        raise ValueError(f"{path} is no model of fedlab_core: {error}") from None
    if about.get("format") != FORMAT:
        raise ValueError(f"{path} is no model of fedlab_core: its format is {about.get('format')!r}, not {FORMAT!r}")
    try:
        experiment = Experiment.parse(json.loads(about["experiment"]))
        shape, classes = tuple(json.loads(about["input_shape"])), int(about["num_classes"])
        whole = experiment.strategy.prepare(build_model(experiment.model.name, shape, classes))
        model = _of_shapes(whole, "", {name: tuple(tensor.shape) for name, tensor in tensors.items()})
        if model.state_dict().keys() != tensors.keys():
            raise ValueError(f"its tensors are not those of {experiment.model.name}")
        return _with(model, tensors)
    except (KeyError, TypeError, RuntimeError, ValueError) as error:
        raise ValueError(f"{path} is damaged: {error}") from None


def save_onnx(path: Path, model: nn.Module, input_shape: tuple[int, ...]) -> None:
    """Write a network with its weights as ONNX: "images" [B, *input_shape] in, "logits" [B, C] out, B as you like.

    Args:
        path: of the file.
        model: from `small_model` or `load_model`.
        input_shape: of one example, without the batch axis.

    Raises:
        ValueError: the extra `onnx` is not installed.
    """
    if missing := missing_for_onnx():
        raise ValueError(f"ONNX needs {' and '.join(missing)}; install them: pip install 'fedlab_core[onnx]'")
    program = torch.onnx.export(
        model,
        (torch.zeros(2, *input_shape),),  # not one: a batch of one would be taken for a constant
        input_names=["images"],
        output_names=["logits"],
        dynamic_shapes=({0: "batch"},),
        custom_translation_table={torch.ops.aten.sort.stable: _sort_to_onnx},
        dynamo=True,
        verbose=False,
    )
    from onnx_ir.passes.common import ClearMetadataAndDocStringPass

    assert program is not None  # it is only where the exporter writes the file itself
    ClearMetadataAndDocStringPass()(program.model)  # the paths of this machine's Python files, among others
    program.save(path)


def missing_for_onnx() -> list[str]:
    """The packages that `save_onnx` needs and that are not installed."""
    return [name for name in ("onnx", "onnxscript") if find_spec(name) is None]


def _sort_to_onnx(x: Any, stable: bool = True, dim: int = -1, descending: bool = False) -> Any:
    """What `models.blocks.Gated` sorts by, which PyTorch cannot translate. TopK, too, has the first of equals first."""
    from onnxscript import opset20 as op

    size: Any = op.Constant(value_ints=[x.shape[dim]])
    return op.TopK(x, size, axis=dim, largest=int(descending), sorted=1)


def _with(model: nn.Sequential, tensors: dict[str, Tensor]) -> nn.Sequential:
    """The model with its numbers, ready to classify."""
    model.load_state_dict(tensors, assign=True, strict=False)  # strictly, norms would want counters of batches
    return model.eval().requires_grad_(False)


def _of_shapes(chain: nn.Sequential, prefix: str, shapes: dict[str, tuple[int, ...]]) -> nn.Sequential:
    """The same layers with as many inputs and outputs as their tensors have."""
    made, units = nn.Sequential(), None
    for name, layer in chain.named_children():
        full = prefix + name
        shape = shapes.get(f"{full}.weight", ())
        units = shape[0] if shape else units
        if isinstance(layer, Residual):
            layer = Residual(_of_shapes(layer.body, f"{full}.body.", shapes), layer.shortcut)
        elif isinstance(layer, nn.Sequential):
            layer = _of_shapes(layer, f"{full}.", shapes)
        elif shape and layer.get_parameter("weight").shape != shape:
            layer = smaller(layer, shape[1] if len(shape) > 1 else None, shape[0])
        elif isinstance(layer, nn.InstanceNorm3d):  # it has no tensors, but as many channels as what comes before it
            layer = smaller(layer, None, units)
        made.add_module(name, layer)
    return made
