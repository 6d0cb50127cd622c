"""What does not change over the rounds of an experiment, and where the first of them starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fedlab_core.costs.flops import forward_flops
from fedlab_core.data.cohort import LocalData
from fedlab_core.data.datasets import load_dataset
from fedlab_core.data.federated import FederatedData, federate
from fedlab_core.experiment import Experiment
from fedlab_core.federation.devices import check_device, put
from fedlab_core.federation.gradients import batch_loss
from fedlab_core.federation.messages import pack_assignment, pack_masks, unpack_masks
from fedlab_core.models import build_model, init_params, noise_shapes
from fedlab_core.pruning.masks import apply_masks
from fedlab_core.pruning.scores import Loss
from fedlab_core.strategies import Strategy
from fedlab_core.types import Assignment, Buffers, Params, RoundContext, ServerState


@dataclass(frozen=True)
class Federation:
    """What does not change over the rounds of an experiment: data, architecture, cost of a forward pass by layer."""

    experiment: Experiment
    data: FederatedData
    model: nn.Sequential
    layer_flops: dict[str, int]

    @classmethod
    def of(cls, experiment: Experiment) -> Federation:
        """Load and split the data, build the architecture.

        Raises:
            DataError, PartitionError, ValueError: data or a device not there, a split or a model that cannot be.
        """
        check_device(experiment.federation.device)
        settings = experiment.data.model_dump(exclude={"dataset", "path"})
        dataset = load_dataset(experiment.data.dataset, path=experiment.data.path)
        return cls.on(federate(dataset, **settings).on(experiment.federation.device), experiment)

    @classmethod
    def on(cls, data: FederatedData, experiment: Experiment) -> Federation:
        """Build the architecture for data that are split already.

        Raises:
            ValueError: a model that cannot be.
        """
        dataset = data.dataset
        model = build_model(experiment.model.name, dataset.input_shape, dataset.num_outputs)
        model = experiment.strategy.prepare(model)
        return cls(experiment, data, model, forward_flops(model, dataset.input_shape))

    def under(self, strategy: Strategy) -> Federation:
        """The same data and settings under another strategy.

        Raises:
            ValueError: a model that the strategy can do nothing with.
        """
        return self.on(self.data, self.experiment.model_copy(update={"strategy": strategy}))

    def context(self, round: int) -> RoundContext:
        """Round `round` of this experiment."""
        settings = self.experiment.federation
        return RoundContext(round, settings.rounds, settings.seed, self.data.num_clients, self.model, self.layer_flops)

    def initial_state(self) -> ServerState:
        """The untrained model under the strategy's first masks."""
        return self.start().server

    def start(self, given: ServerState | None = None, ask: bool = True) -> Start:
        """Before round 1: fresh weights, or those given, under the strategy's first masks. Given ones may lack some.

        Without `ask`, no client is asked for masks.
        """
        ctx, strategy = self.context(0), self.experiment.strategy
        params, buffers = (given.params, given.buffers) if given else self._fresh_weights(ctx)
        masks, state = strategy.init(params, ctx)
        if given:
            masks = {name: mask & given.masks.get(name, mask) for name, mask in masks.items()}
        client_id, loss = self._probe(buffers, ctx)
        chosen = strategy.first_masks(loss, params, masks, ctx) if ask else None
        if chosen is None:
            return Start(ServerState(apply_masks(params, masks), buffers, masks, state), 0, 0)
        down, up = pack_assignment(Assignment(client_id, params, buffers, masks)), pack_masks(chosen)
        masks = unpack_masks(up, masks)
        return Start(ServerState(apply_masks(params, masks), buffers, masks, state), len(down), len(up))

    def _fresh_weights(self, ctx: RoundContext) -> tuple[Params, Buffers]:
        dataset = self.data.dataset
        params, buffers = init_params(self.model, ctx.generator("init"), dataset.typical)
        dtype = dataset.x_train_NI.dtype
        params = {name: weight.to(dtype) for name, weight in params.items()}
        return params, {name: buffer.to(dtype) for name, buffer in buffers.items()}

    def _probe(self, buffers: Buffers, ctx: RoundContext) -> tuple[int, Loss]:
        """A client drawn at random, and the loss of the first batch that it would train on."""
        holders, settings = self.data.holders, self.experiment.federation
        client_id = holders[int(torch.randint(len(holders), (1,), generator=ctx.generator("probe")))]
        noise = noise_shapes(self.model)

        def loss(params: Params, temperature: float = 1.0) -> Tensor:
            # Only now: most methods ask for nothing, and the examples may be somewhere else.
            local = LocalData.of(client_id, self.data.train_rows(client_id), 1, settings.batch_size, noise, ctx)
            batch, device = next(local.batches()), local.x_NI.device
            copies = {name: buffer.clone() for name, buffer in put(buffers, device).items()}
            return batch_loss(self.model, put(params, device), copies, batch, temperature)

        return client_id, loss


class Start(NamedTuple):
    """The state before round 1, and what was sent to get there: nothing, unless a client was asked for masks."""

    server: ServerState
    download_bytes: int
    upload_bytes: int
