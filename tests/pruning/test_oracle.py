"""torch-pruning, which follows dependencies through autograd's graph, cuts the same network out as we do.

Told to prune the same channels of the layers that make them, it finds by itself what else has to go: the same tensors
must be left, to the same outputs.
"""

import pytest
import torch
from torch import nn
from torch.func import functional_call

from fedlab_core.models import build_model
from fedlab_core.pruning.masks import apply_masks, full_masks
from fedlab_core.pruning.slim import slim
from fedlab_core.pruning.units import drop_units, hidden_units
from fedlab_core.types import seeded_generator
from tests.cases import lively

tp = pytest.importorskip("torch_pruning")

INPUTS = {
    "mlp": (1, 8, 8),
    "cnn_small": (1, 8, 8),
    "cnn6": (2, 8, 8),
    "vgg11": (3, 32, 32),
    "resnet20": (3, 8, 8),
    "mobilenet_v2": (3, 16, 16),
}


def prune(model: nn.Sequential, gone: dict[str, list[int]], x_BI: torch.Tensor) -> None:
    """Take these outputs from these layers, and with torch-pruning's help all that depends on them.

    It does not change the number of groups of a GroupNorm, and so mixes what is left in another way: here, groups keep
    their size.
    """
    norms = [layer for layer in model.modules() if isinstance(layer, nn.GroupNorm)]
    sizes = [norm.num_channels // norm.num_groups for norm in norms]
    graph = tp.DependencyGraph().build_dependency(model, example_inputs=x_BI)
    for name, units in gone.items():
        layer = model.get_submodule(name)
        how = tp.prune_linear_out_channels if isinstance(layer, nn.Linear) else tp.prune_conv_out_channels
        graph.get_pruning_group(layer, how, idxs=units).prune()
    for norm, size in zip(norms, sizes, strict=True):
        norm.num_groups = norm.num_channels // size


def _missing(left: torch.Tensor, units: int) -> list[int]:
    return sorted(set(range(units)) - set(left.tolist()))


@pytest.mark.parametrize("name", INPUTS)
def test_torch_pruning_cuts_the_same(name: str) -> None:
    shape = INPUTS[name]
    model, theirs = build_model(name, shape, 10), build_model(name, shape, 10)
    params, buffers = lively(model)
    share = 0.95 if name == "cnn_small" else 0.5  # GroupNorm gives up whole groups only
    masks = drop_units(params, full_masks(params, tuple(params)), share, hidden_units(model))
    masked = {**apply_masks(params, masks), **buffers}
    slimmed = slim(model, [masks])
    assert slimmed is not None
    ours = slimmed.cut(masked)

    makers = [one.weight for one in hidden_units(model) if one.weight in slimmed.rows]
    gone = {w.removesuffix(".weight"): _missing(slimmed.rows[w], len(params[w])) for w in makers}
    theirs.load_state_dict(masked, assign=True, strict=False)
    x_BI = torch.randn(4, *shape, generator=seeded_generator("oracle-images"))
    prune(theirs.eval().requires_grad_(True), gone, x_BI)
    left = theirs.state_dict()
    assert left.keys() == ours.keys()
    assert [n for n in left if left[n].shape != ours[n].shape] == []
    assert [n for n in left if not torch.equal(left[n], ours[n])] == []
    with torch.no_grad():
        said = functional_call(model.eval(), masked, (x_BI,))
        assert (said[0] - said[1]).abs().max() > 0.01  # the images matter
        assert (theirs(x_BI) - said).abs().max() < 1e-5
        assert (functional_call(slimmed.model.eval(), ours, (x_BI,)) - said).abs().max() < 1e-5
