"""A data set whose examples belong to clients. K clients, N examples, I input dimensions, C classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from fedlab_core.data.datasets import Dataset
from fedlab_core.data.partition import PARTITIONS, PartitionError, check_feasible, spread_alike
from fedlab_core.data.skew import label_counts
from fedlab_core.types import seeded_generator


@dataclass(frozen=True)
class FeatureSkew:
    """Clients whose images look different: each has its own angle and its own strength of noise, fixed for the run.

    Attributes:
        rotation_degrees: client k's images are turned by an angle between minus and plus this.
        noise_std: client k's images get Gaussian noise of a strength between 0 and this, in units of normalised pixels.
        seed: of angles, strengths and noise.
    """

    rotation_degrees: float = 0.0
    noise_std: float = 0.0
    seed: int = 0

    def apply(self, client_id: int, x_NI: Tensor, purpose: str = "train") -> Tensor:
        """All images of a client as it sees them; `purpose` keeps the noise of its training and test images apart."""
        angle, strength = torch.rand(2, generator=seeded_generator("feature skew", self.seed, client_id)).tolist()
        radians = math.radians(self.rotation_degrees * (2 * angle - 1))
        noise_NI = torch.randn(x_NI.shape, generator=seeded_generator("noise", self.seed, client_id, purpose))
        return _rotate(x_NI, radians) + (strength * self.noise_std) * noise_NI.to(x_NI.dtype)


@dataclass(frozen=True)
class FederatedData:
    """A data set and who has which of its examples; a client that takes no part costs its index tensors and no more.

    Attributes:
        dataset: the examples.
        train_indices, test_indices: for each of K clients, its training and its test examples; both are partitions.
        feature_skew: how the clients' images differ beside their labels, if they do.
    """

    dataset: Dataset
    train_indices: list[Tensor]
    test_indices: list[Tensor]
    feature_skew: FeatureSkew | None = None

    @property
    def num_clients(self) -> int:
        """K."""
        return len(self.train_indices)

    @cached_property
    def sizes(self) -> Tensor:
        """[K]: training examples of each client."""
        return torch.tensor([len(index) for index in self.train_indices])

    @cached_property
    def holders(self) -> list[int]:
        """Clients that have training examples, by id."""
        return self.sizes.nonzero().flatten().tolist()

    @cached_property
    def test_rows(self) -> tuple[Tensor, Tensor]:
        """The clients' test examples one after the other, [N], and how many each client has, [K]."""
        return torch.cat(self.test_indices), torch.tensor([len(index) for index in self.test_indices])

    @cached_property
    def label_counts_KC(self) -> Tensor:  # noqa: N802 - a shape suffix
        """[K, C]: training examples of each client by class, or by group of numbers."""
        return label_counts(
            self.dataset.labels(self.dataset.y_train_N).cpu(), self.train_indices, self.dataset.num_classes
        )

    def on(self, device: str) -> FederatedData:
        """The same with all examples on a device."""
        names = ("x_train_NI", "y_train_N", "x_test_NI", "y_test_N")
        moved = {name: getattr(self.dataset, name).to(device) for name in names}
        return replace(self, dataset=replace(self.dataset, **moved))

    def at_most(self, count: int, seed: int = 0) -> FederatedData:
        """The same clients, each left with `count` of its training examples at random: few, so that a model over-fits.

        At random, for the first ones of a data set may be of one class or one writer.
        """
        kept = []
        for k, index_N in enumerate(self.train_indices):
            order_N = torch.randperm(len(index_N), generator=seeded_generator("at most", seed, k))
            kept.append(index_N[order_N[:count].sort().values])
        return replace(self, train_indices=kept)

    def with_random_labels(self, share: float, seed: int = 0) -> FederatedData:
        """About this share of the labels drawn anew, so that a model over-fits: nobody can learn them but by heart.

        In training and test data alike: the noise tells nobody apart.

        Raises:
            ValueError: the data set has numbers to predict, not labels.
        """
        dataset = self.dataset
        if dataset.is_regression:
            raise ValueError(f"{dataset.name} has numbers to predict; random labels are for classes")

        def drawn(y_N: Tensor, purpose: str) -> Tensor:
            generator = seeded_generator("random labels", purpose, seed)
            new_N = torch.randint(dataset.num_classes, y_N.shape, generator=generator)
            return torch.where(torch.rand(y_N.shape, generator=generator) < share, new_N, y_N)

        noisy = replace(dataset, y_train_N=drawn(dataset.y_train_N, "train"), y_test_N=drawn(dataset.y_test_N, "test"))
        return replace(self, dataset=noisy)

    def train(self, client_id: int) -> tuple[Tensor, Tensor]:
        """The training examples of a client, as it sees them."""
        index_N = self.train_indices[client_id]
        return self._seen(client_id, self.dataset.x_train_NI[index_N], "train"), self.dataset.y_train_N[index_N]

    def train_rows(self, client_id: int) -> tuple[Tensor, Tensor, Tensor]:
        """Where a client's training examples are, without copying them: inputs, labels, and which rows are its own."""
        if self.feature_skew is None:
            return self.dataset.x_train_NI, self.dataset.y_train_N, self.train_indices[client_id]
        x_NI, y_N = self.train(client_id)
        return x_NI, y_N, torch.arange(len(y_N))

    def at_clients(self, x_NI: Tensor, clients: Sequence[int]) -> list[Tensor]:
        """The same images as each of these clients would see them: turned by its angle, with noise of its strength."""
        return [self._seen(client_id, x_NI, "shown") for client_id in clients]

    def test(self, client_id: int) -> tuple[Tensor, Tensor]:
        """The test examples of a client, as it sees them."""
        index_N = self.test_indices[client_id]
        return self._seen(client_id, self.dataset.x_test_NI[index_N], "test"), self.dataset.y_test_N[index_N]

    def _seen(self, client_id: int, x_NI: Tensor, purpose: str) -> Tensor:
        if self.feature_skew is None:
            return x_NI
        return self.feature_skew.apply(client_id, x_NI.cpu(), purpose).to(x_NI.device)


def federate(
    dataset: Dataset,
    *,
    partition: str,
    num_clients: int,
    seed: int,
    alpha: float = 0.5,
    labels_per_client: int = 2,
    size_power: float = 1.35,
    size_ratio: float = 1.0,
    overlap: float = 0.5,
    rotation_degrees: float = 0.0,
    noise_std: float = 0.0,
    min_size: int = 1,
) -> FederatedData:
    """Spread a data set over clients; the test set follows in the same proportions, class by class.

    Of a regression, groups of numbers stand for classes.

    Args:
        partition: one of `PARTITIONS`; each looks only at the settings it needs.
        seed: same seed, same split, whatever else a run draws.

    Raises:
        PartitionError: settings that no split can meet.
    """
    label_N = dataset.labels(dataset.y_train_N)
    needed = check_feasible(
        label_N,
        partition=partition,
        num_clients=num_clients,
        alpha=alpha,
        labels_per_client=labels_per_client,
        size_power=size_power,
        size_ratio=size_ratio,
        overlap=overlap,
        min_size=min_size,
    )
    if partition == "feature" and len(dataset.input_shape) != 3:
        raise PartitionError("partition", partition, f"images can be turned; {dataset.name} has none")
    generator = seeded_generator("partition", seed)
    train = PARTITIONS[partition].draw(label_N, num_clients, generator=generator, **needed)
    counts_KC = label_counts(label_N, train, dataset.num_classes)
    test = spread_alike(dataset.labels(dataset.y_test_N), counts_KC, generator)
    skew = FeatureSkew(rotation_degrees, noise_std, seed) if partition == "feature" else None
    return FederatedData(dataset, train, test, skew)


def _rotate(x_NI: Tensor, radians: float) -> Tensor:
    """Turn images about their centre; what comes in from outside repeats the border."""
    cos, sin = math.cos(radians), math.sin(radians)
    height, width = x_NI.shape[2:]  # the grid counts both from -1 to 1, but a turn must keep lengths
    turn = torch.tensor([[[cos, -sin * height / width, 0.0], [sin * width / height, cos, 0.0]]], dtype=x_NI.dtype)
    grid = F.affine_grid(turn, [1, *x_NI.shape[1:]], align_corners=False).expand(len(x_NI), -1, -1, -1)
    return F.grid_sample(x_NI, grid, padding_mode="border", align_corners=False)
