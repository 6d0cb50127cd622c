"""One trained network to prune, without a federation: what notebook 04 looks at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from fedlab_core.experiment import Experiment
from fedlab_core.federation.evaluation import evaluate
from fedlab_core.federation.gradients import batch_loss
from fedlab_core.lab import Federation
from fedlab_core.pruning.densities import erk, largest, largest_overall, uniform
from fedlab_core.pruning.masks import apply_masks, prunable_names
from fedlab_core.pruning.scores import snip
from fedlab_core.simulation import simulate
from fedlab_core.types import Batch, Buffers, Masks, Params, seeded_generator

Score = Literal["magnitude", "random", "snip"]
Sharing = Literal["global", "layer", "erk"]
SNIP_EXAMPLES = 256
"""Examples of the one batch by which SNIP judges."""


@dataclass(frozen=True)
class Network:
    """A network and the data that it was trained on; biases and norms are never pruned.

    Attributes:
        federation: architecture and data.
        params, buffers: of the network.
    """

    federation: Federation
    params: Params
    buffers: Buffers

    @property
    def weights(self) -> Params:
        """What can be pruned: the weights of linear and convolutional layers."""
        return {name: self.params[name] for name in prunable_names(self.params)}

    @property
    def size(self) -> int:
        """P, how many weights can be pruned."""
        return sum(weight.numel() for weight in self.weights.values())

    @property
    def batch(self) -> tuple[Tensor, Tensor]:
        """All training examples: inputs [N, I] and labels [N]."""
        return self.federation.data.dataset.x_train_NI, self.federation.data.dataset.y_train_N

    def accuracy(self, masks: Masks | None = None, params: Params | None = None) -> float:
        """Share of the test images that are right, under `masks`, without any tuning."""
        params = apply_masks(self.params if params is None else params, masks or {})
        return evaluate(self.federation.model, params, self.buffers, self.federation.data).score

    @cached_property
    def _snip(self) -> Params:
        inputs, labels = (whole[:SNIP_EXAMPLES] for whole in self.batch)
        batch = Batch(inputs, labels, torch.full((len(labels),), 1 / len(labels)), {})

        def loss(params: Params, temperature: float = 1.0) -> Tensor:
            copies = {name: buffer.clone() for name, buffer in self.buffers.items()}
            return batch_loss(self.federation.model, params, copies, batch, temperature)

        scores = snip(loss, self.params)
        return {name: scores[name] for name in self.weights}

    def scores(self, kind: Score, seed: int = 0) -> Params:
        """What each weight is worth: |w|, a random number in [0, 1), or SNIP's |w g| on one batch."""
        if kind == "snip":
            return self._snip
        if kind == "magnitude":
            return {name: weight.abs() for name, weight in self.weights.items()}
        draw = seeded_generator("random scores", seed)
        return {name: torch.rand(weight.shape, generator=draw) for name, weight in self.weights.items()}


def untrained(experiment: Experiment) -> Network:
    """The network with which a run of `experiment` starts."""
    federation = Federation.of(experiment)
    server = federation.initial_state()
    return Network(federation, server.params, server.buffers)


def trained(experiment: Experiment) -> Network:
    """The network with which a run of `experiment` ends; one client is plain training."""
    *_, last = simulate(experiment)
    return Network(Federation.of(experiment), last.state.params, last.state.buffers)


def keep(scores: Params, sparsity: float, sharing: Sharing) -> Masks:
    """Masks without the int(sparsity x P) lowest scores: of all layers together, or of each by its own share.

    Args:
        scores: by name of the weight; larger is worth more.
        sparsity: in [0, 1).
        sharing: "global": ranked together; "layer": every layer loses the same share; "erk": by `densities.erk`. The
            last two keep at least one weight a layer.
    """
    if sharing == "global":
        size = sum(score.numel() for score in scores.values())
        return largest_overall(scores, size - int(sparsity * size))
    shares = uniform if sharing == "layer" else erk
    return largest(scores, shares(scores, tuple(scores), 1 - sparsity))
