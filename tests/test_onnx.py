"""A slimmed network as ONNX: onnxruntime says what the masked model says."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from fedlab_core import export
from fedlab_core.export import save_onnx
from fedlab_core.models import build_model
from fedlab_core.models.gating import gated
from fedlab_core.pruning.masks import apply_masks, full_masks
from fedlab_core.pruning.slim import slim
from fedlab_core.pruning.units import drop_units, hidden_units
from fedlab_core.types import Params, seeded_generator
from tests.cases import MODEL_INPUT, SMALL_MODELS, lively


def masked_and_small(model: nn.Sequential, share: float) -> tuple[Params, nn.Sequential]:
    """Tensors of the model with so many units masked, and the network without them."""
    params, buffers = lively(model)
    masks = drop_units(params, full_masks(params, tuple(params)), share, hidden_units(model))
    tensors = {**apply_masks(params, masks), **buffers}
    slimmed = slim(model, [masks])
    small = slimmed.model if slimmed else model
    small.load_state_dict(slimmed.cut(tensors) if slimmed else tensors, assign=True, strict=False)
    return tensors, small.eval()


def in_onnxruntime(path: Path, x_BI: Tensor) -> Tensor:
    from onnxruntime import InferenceSession

    (logits_BC,) = InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {"images": x_BI.numpy()})
    return torch.from_numpy(logits_BC)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*SMALL_MODELS, "vgg11", "mobilenet_v2", "gated"])
def test_onnxruntime_says_what_the_masked_model_says(tmp_path: Path, name: str) -> None:
    pytest.importorskip("onnxruntime")
    shape = MODEL_INPUT.get(name, (2, 8, 8))

    def build() -> nn.Sequential:
        return gated(build_model("cnn_small", shape, 10), 0.5) if name == "gated" else build_model(name, shape, 10)

    # GroupNorm gives up whole groups only: of cnn_small nearly all units go before that happens.
    tensors, small = masked_and_small(build(), 0.95 if name == "cnn_small" else 0.5)
    save_onnx(path := tmp_path / "small.onnx", small, shape)
    for batch in (2, 5):
        x_BI = torch.randn(batch, *shape, generator=seeded_generator("onnx-images"))
        said = functional_call(build().eval(), tensors, (x_BI,))
        assert (said[0] - said[1]).abs().max() > 0.01  # the images matter
        assert (in_onnxruntime(path, x_BI) - said).abs().max() < 1e-5
    numbers = 4 * sum(parameter.numel() for parameter in small.parameters())
    assert 0.99 * numbers < path.stat().st_size < numbers + 40_000  # a norm is part of its convolution there
    assert b"site-packages" not in path.read_bytes()  # nothing about the machine that wrote it


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"needs onnx and onnxscript; .* pip install 'fedlab_core\[onnx\]'"):
        save_onnx(tmp_path / "model.onnx", nn.Sequential(nn.Linear(2, 2)), (2,))
