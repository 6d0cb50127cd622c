"""The workloads on which speed is compared, as plain data: clients, local training, network, examples.

Standard library, NumPy and PyTorch only: this file also runs in the environments of the other systems.
K clients, R rounds, C clients of a round, N examples, I input dimensions.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Workload:
    """Who trains what in a round: plain SGD with momentum that starts at zero, FedAvg weighted by numbers of examples.

    Attributes:
        model: a key of `MODELS`.
        num_examples: of all clients together; `load` gives the examples themselves.
        input_shape: (channels, height, width).
    """

    name: str
    model: str
    num_examples: int
    input_shape: tuple[int, int, int]
    num_clients: int
    clients_per_round: int
    local_epochs: int
    batch_size: int
    learning_rate: float
    momentum: float = 0.9
    num_classes: int = 10

    @property
    def has_convolutions(self) -> bool:
        """Whether the layout of images can matter."""
        return self.model != "mlp"


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("W1a", "small", 1797, (1, 8, 8), 20, 20, local_epochs=2, batch_size=16, learning_rate=0.02),
        Workload("W1b", "small", 1797, (1, 8, 8), 20, 5, local_epochs=2, batch_size=16, learning_rate=0.02),
        Workload("W2", "cnn6", 10_000, (3, 32, 32), 100, 10, local_epochs=1, batch_size=20, learning_rate=0.01),
        Workload("W3", "mlp", 60_000, (1, 28, 28), 100, 10, local_epochs=4, batch_size=32, learning_rate=0.01),
    )
}


def small() -> nn.Sequential:
    """Two convolutions, one pool, two dense layers, no norms: for 8 x 8 digits."""
    model = nn.Sequential()
    model.add_module("conv1", nn.Conv2d(1, 16, 3, padding=1))
    model.add_module("relu1", nn.ReLU())
    model.add_module("conv2", nn.Conv2d(16, 32, 3, padding=1))
    model.add_module("relu2", nn.ReLU())
    model.add_module("pool2", nn.MaxPool2d(2))
    model.add_module("flatten", nn.Flatten())
    model.add_module("fc1", nn.Linear(32 * 4 * 4, 64))
    model.add_module("relu", nn.ReLU())
    model.add_module("fc2", nn.Linear(64, 10))
    return model


def cnn6() -> nn.Sequential:
    """FedSparsify's network for CIFAR-10, as in `fedlab_core.models.cnn`: 1,609,930 parameters."""
    model, channels = nn.Sequential(), 3
    for block, out in enumerate((64, 128, 128), start=1):
        for conv in ("a", "b"):
            model.add_module(f"conv{block}{conv}", nn.Conv2d(channels, out, 3, padding=1))
            model.add_module(f"relu{block}{conv}", nn.ReLU())
            channels = out
        model.add_module(f"pool{block}", nn.MaxPool2d(2))
        if block < 3:
            model.add_module(f"norm{block}", nn.BatchNorm2d(out))
    model.add_module("flatten", nn.Flatten())
    model.add_module("fc1", nn.Linear(128 * 4 * 4, 512))
    model.add_module("relu", nn.ReLU())
    model.add_module("drop", nn.Dropout(0.2))
    model.add_module("fc2", nn.Linear(512, 10))
    return model


def mlp() -> nn.Sequential:
    """FedSparsify's network for Fashion-MNIST, as in `fedlab_core.models.mlp`: 118,282 parameters."""
    model = nn.Sequential()
    model.add_module("flatten", nn.Flatten())
    model.add_module("fc1", nn.Linear(28 * 28, 128))
    model.add_module("relu1", nn.ReLU())
    model.add_module("fc2", nn.Linear(128, 128))
    model.add_module("relu2", nn.ReLU())
    model.add_module("fc3", nn.Linear(128, 10))
    return model


MODELS: dict[str, Callable[[], nn.Sequential]] = {"small": small, "cnn6": cnn6, "mlp": mlp}


def initial_model(workload: Workload) -> nn.Sequential:
    """The network with the weights that every system starts from: Glorot-uniform, biases zero, norms one."""
    model = MODELS[workload.model]()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, values in model.named_parameters():
            if values.dim() >= 2:
                receptive = math.prod(values.shape[2:])
                bound = math.sqrt(6 / ((values.shape[0] + values.shape[1]) * receptive))
                values.uniform_(-bound, bound, generator=generator)
            else:
                values.fill_(1.0 if name.startswith("norm") and name.endswith("weight") else 0.0)
    return model


@dataclass(frozen=True)
class Examples:
    """What all systems are given: examples, who has them, and who takes part when.

    Attributes:
        x_NI, y_N: examples and labels.
        owner_N: each example's client.
        cohort_RC: the clients of each round, sorted; rounds beyond the last begin again with the first.
    """

    x_NI: Tensor
    y_N: Tensor
    owner_N: Tensor
    cohort_RC: Tensor

    @cached_property
    def indices(self) -> list[Tensor]:
        """Each client's examples."""
        return list(self.owner_N.argsort(stable=True).split(self.owner_N.bincount().tolist()))

    @cached_property
    def clients(self) -> list[tuple[Tensor, Tensor]]:
        """Each client's examples and labels, copied out once."""
        return [(self.x_NI[index_n], self.y_N[index_n]) for index_n in self.indices]

    def cohort(self, round: int) -> list[int]:
        """The clients of round 1, 2, ..."""
        return self.cohort_RC[(round - 1) % len(self.cohort_RC)].tolist()


def save(examples: Examples, path: Path) -> None:
    """Write a file that `load` reads in any environment."""
    arrays = {"x": examples.x_NI, "y": examples.y_N, "owner": examples.owner_N, "cohort": examples.cohort_RC}
    np.savez(path, **{name: tensor.numpy() for name, tensor in arrays.items()})


def load(path: Path) -> Examples:
    """Read what `save` has written."""
    with np.load(path, allow_pickle=False) as file:
        return Examples(*(torch.from_numpy(file[name]) for name in ("x", "y", "owner", "cohort")))


def draw_examples(workload: Workload) -> Examples:
    """The examples, clients and cohorts of a workload; needs fedlab_core, whose sampling all systems follow."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from fedlab_core.rounds import sample_clients
    from fedlab_core.types import RoundContext

    x_NI, y_N, owner_N = _digits(workload) if workload.model == "small" else _noise(workload)
    share = workload.clients_per_round / workload.num_clients
    contexts = [RoundContext(round, 100, 0) for round in range(1, 101)]
    cohort_RC = torch.tensor([sample_clients(workload.num_clients, share, context) for context in contexts])
    return Examples(x_NI, y_N, owner_N, cohort_RC)


def _digits(workload: Workload) -> tuple[Tensor, Tensor, Tensor]:
    """All of scikit-learn's digits, Dirichlet 0.3: x, y and owner."""
    from sklearn.datasets import load_digits

    from fedlab_core.data.partition import dirichlet

    found = load_digits()
    x_NI, y_N = torch.tensor(found.images / 16, dtype=torch.float32).unsqueeze(1), torch.tensor(found.target).long()
    owner_N = torch.empty_like(y_N)
    parts = dirichlet(y_N, workload.num_clients, 0.3, torch.Generator().manual_seed(0), min_size=2)
    for client, index_n in enumerate(parts):
        owner_N[index_n] = client
    return x_NI, y_N, owner_N


def _noise(workload: Workload) -> tuple[Tensor, Tensor, Tensor]:
    """Normal noise with random labels, equal shares: x, y and owner."""
    generator = torch.Generator().manual_seed(0)
    x_NI = torch.randn(workload.num_examples, *workload.input_shape, generator=generator)
    y_N = torch.randint(workload.num_classes, (workload.num_examples,), generator=generator)
    return x_NI, y_N, torch.arange(workload.num_examples) % workload.num_clients
