"""A model as a file: the outputs of the masked one, from a smaller network."""

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch.func import functional_call

from fedlab_core.experiment import Experiment
from fedlab_core.export import load_model, save_model, small_model
from fedlab_core.lab import Federation
from fedlab_core.pruning.masks import apply_masks, full_masks
from fedlab_core.pruning.units import drop_units, hidden_units
from fedlab_core.simulation import simulate
from fedlab_core.types import ServerState
from tests.cases import lively

BASE = Experiment().replace(
    {
        "data.num_clients": 3,
        "federation.rounds": 3,
        "federation.local_epochs": 1,
        "federation.batch_size": 64,
        "strategy.name": "channel-pruning",
        "strategy.final_sparsity": 0.8,
    }
)


def run(tmp_path: Path, **settings: str) -> tuple[Federation, torch.Tensor, Path]:
    """A federation, what its masked model says of the test images, and the model's file."""
    experiment = BASE.replace({key.replace("__", "."): value for key, value in settings.items()})
    federation, server = Federation.of(experiment), list(simulate(experiment))[-1].state
    save_model(tmp_path / "model.safetensors", federation, server)
    tensors = {**server.params, **server.buffers}
    said = functional_call(federation.model.eval(), tensors, (federation.data.dataset.x_test_NI,))
    return federation, said, tmp_path / "model.safetensors"


@pytest.mark.slow
@pytest.mark.parametrize("model", ["mlp", "resnet20"])
def test_a_smaller_network_says_the_same(tmp_path: Path, model: str) -> None:
    federation, said, path = run(tmp_path, model__name=model)
    small = load_model(path)
    assert torch.allclose(small(federation.data.dataset.x_test_NI), said, atol=1e-5)
    whole = sum(parameter.numel() for parameter in federation.model.parameters())
    left = sum(parameter.numel() for parameter in small.parameters())
    assert left < 0.4 * whole
    assert 4 * left < path.stat().st_size < 4 * left + 30_000
    assert not small.training


@pytest.mark.slow
def test_filters_of_cut_channels_are_not_in_the_file(tmp_path: Path) -> None:
    """Depthwise convolutions have one input a filter, however many channels are left."""
    federation = Federation.of(BASE.replace({"model.name": "mobilenet_v2"}))
    params, buffers = lively(federation.model)
    masks = drop_units(params, full_masks(params, tuple(params)), 0.5, hidden_units(federation.model))
    server = ServerState(apply_masks(params, masks), buffers, masks, {})
    save_model(tmp_path / "model.safetensors", federation, server)
    small = load_model(tmp_path / "model.safetensors")
    assert small.get_parameter("block2_1.filter.weight").shape == (48, 1, 3, 3)
    x_BI = federation.data.dataset.x_test_NI[:20]
    said = functional_call(federation.model.eval(), {**server.params, **buffers}, (x_BI,))
    assert (said[0] - said[1]).abs().max() > 0.01
    assert torch.allclose(small(x_BI), said, atol=1e-5)


@pytest.mark.slow
def test_a_smaller_network_guesses_the_same_ages(tmp_path: Path) -> None:
    settings = {"data__dataset": "brains", "model__name": "brain_small", "federation__learning_rate": "0.001"}
    federation, said, path = run(tmp_path, **settings)
    small = load_model(path)
    assert torch.allclose(small(federation.data.dataset.x_test_NI), said, atol=1e-3)
    assert sum(parameter.numel() for parameter in small.parameters()) < 8000


@pytest.mark.parametrize("strategy", ["fedsparsify-global", "dynamic-gate"])
def test_what_has_lost_no_unit_is_whole(tmp_path: Path, strategy: str) -> None:
    federation, said, path = run(tmp_path, model__name="cnn_small", strategy__name=strategy)
    model = load_model(path)
    assert torch.allclose(model(federation.data.dataset.x_test_NI), said, atol=1e-5)


def test_the_model_can_be_changed_and_the_state_stays() -> None:
    federation = Federation.of(BASE.replace({"model.name": "mlp"}))
    server = federation.initial_state()
    with torch.no_grad():
        small_model(federation, server).get_parameter("fc1.weight").zero_()
    assert server.params["fc1.weight"].abs().sum() > 0
    assert federation.model.get_parameter("fc1.weight").is_meta


def test_a_file_that_lacks_a_tensor_is_refused(tmp_path: Path) -> None:
    *_, path = run(tmp_path, model__name="mlp", federation__rounds="1")
    with safe_open(path, "pt") as file:
        about, names = file.metadata(), list(file.keys())
        save_file({name: file.get_tensor(name) for name in names[1:]}, tmp_path / "damaged", about)
        wrong = {name: torch.ones(3, 3, 3) for name in names}
        save_file(wrong, tmp_path / "wrong", about)
        save_file(wrong, tmp_path / "bare", {"format": about["format"]})
    for name in ("damaged", "wrong", "bare"):
        with pytest.raises(ValueError, match=f"{name} is damaged"):
            load_model(tmp_path / name)


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no tensors")
    with pytest.raises(ValueError, match="is no model of fedlab_core"):
        load_model(tmp_path / "text")
    save_file({"a": torch.ones(2)}, tmp_path / "other")
    with pytest.raises(ValueError, match="its format is None"):
        load_model(tmp_path / "other")
