"""One round of federated learning with pruning: a pure function from server state to server state."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from fedlab_core.costs.flops import effective_flops, forward_flops
from fedlab_core.data.cohort import LocalData
from fedlab_core.data.datasets import load_dataset
from fedlab_core.data.federated import FederatedData, federate
from fedlab_core.experiment import Experiment
from fedlab_core.federation.aggregation import mean_buffers
from fedlab_core.federation.evaluation import Evaluation, evaluate
from fedlab_core.federation.messages import pack_assignment, pack_update, unpack_assignment, unpack_update
from fedlab_core.federation.trainer import TRAINERS, OnStep, no_step_hook
from fedlab_core.models import build_model, init_params, noise_shapes
from fedlab_core.pruning.masks import apply_masks, layer_density, sparsity
from fedlab_core.types import Assignment, Params, RoundContext, RoundRecord, ServerState, Update

BACKWARD_FACTOR = 3
"""Training / forward FLOPs: the backward pass counts as two forwards (gradients of weights and of inputs)."""


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
            DataError, PartitionError, ValueError: data that is not there, a split or a model that cannot be.
        """
        settings = experiment.data.model_dump(exclude={"dataset", "path"})
        dataset = load_dataset(experiment.data.dataset, path=experiment.data.path)
        data = federate(dataset, **settings)
        model = build_model(experiment.model.name, dataset.input_shape, dataset.num_classes)
        return cls(experiment, data, model, forward_flops(model, dataset.input_shape))

    def context(self, round: int) -> RoundContext:
        """Round `round` of this experiment."""
        settings = self.experiment.federation
        return RoundContext(round, settings.rounds, settings.seed)

    def initial_state(self) -> ServerState:
        """The untrained model under the strategy's first masks."""
        ctx = self.context(0)
        params, buffers = init_params(self.model, ctx.generator("init"))
        dtype = self.data.dataset.x_train_NI.dtype
        params = {name: weight.to(dtype) for name, weight in params.items()}
        buffers = {name: buffer.to(dtype) for name, buffer in buffers.items()}
        masks, state = self.experiment.strategy.init(params, ctx)
        return ServerState(apply_masks(params, masks), buffers, masks, state)


def sample_clients(num_clients: int, participation: float, ctx: RoundContext) -> list[int]:
    """round(C x K) clients without replacement, at least one, in the order of their ids."""
    count = max(1, round(participation * num_clients))
    drawn = torch.randperm(num_clients, generator=ctx.generator("clients"))[:count]
    return sorted(drawn.tolist())


def run_round(
    federation: Federation, server: ServerState, ctx: RoundContext, on_step: OnStep = no_step_hook
) -> RoundRecord:
    """Assign, train, upload, merge, prune, measure. `server` is left as it is; the next state is in the record."""
    start = time.perf_counter()
    strategy = federation.experiment.strategy
    holders = federation.data.sizes.nonzero().flatten().tolist()  # who has no data has nothing to train on
    drawn = sample_clients(len(holders), federation.experiment.federation.participation, ctx)
    clients = [holders[place] for place in drawn]

    assignments, download_bytes = _broadcast(federation, server, clients, ctx)
    trained = _train(federation, assignments, ctx, on_step)
    updates, upload_bytes = _upload(federation, server, trained, ctx)

    merged = strategy.aggregate(updates, server)
    _refuse_divergence(merged, ctx)
    before = replace(server, params=merged, buffers=mean_buffers(updates))
    masks, state = strategy.update_masks(before, updates, ctx)
    after = ServerState(apply_masks(merged, masks), before.buffers, masks, state)

    tested = _evaluate(federation, after)
    unpruned = all(torch.equal(after.params[name], weight) for name, weight in merged.items())
    return _record(
        federation,
        after,
        tested,
        ctx,
        clients=tuple(clients),
        accuracy_before_purge=tested.accuracy if unpruned else _evaluate(federation, before).accuracy,
        train_loss=_mean_loss(updates),
        upload_bytes=upload_bytes,
        download_bytes=download_bytes,
        dense_flops=_training_flops(federation, updates, dense=True),
        effective_flops=_training_flops(federation, trained, dense=False),
        round_s=time.perf_counter() - start,
    )


def _refuse_divergence(merged: Params, ctx: RoundContext) -> None:
    """Stop a run whose weights are no numbers any more: magnitudes of NaN cannot be ordered, so all would be pruned."""
    broken = [name for name, weight in merged.items() if not weight.isfinite().all()]
    if broken:
        raise ValueError(
            f"training diverged in round {ctx.round}: {broken[0]} holds values that are not finite; "
            "lower federation.learning_rate or federation.momentum"
        )


def initial_record(federation: Federation) -> RoundRecord:
    """Round 0: the untrained model, measured."""
    return start_record(federation, federation.initial_state(), 0)


def start_record(federation: Federation, server: ServerState, round: int) -> RoundRecord:
    """The state from which a run goes on after `round`, measured; the run itself has sent and trained nothing yet."""
    start = time.perf_counter()
    tested = _evaluate(federation, server)
    return _record(
        federation,
        server,
        tested,
        federation.context(round),
        clients=(),
        accuracy_before_purge=tested.accuracy,
        train_loss=None,
        upload_bytes=0,
        download_bytes=0,
        dense_flops=0,
        effective_flops=0,
        round_s=time.perf_counter() - start,
    )


def _broadcast(
    federation: Federation, server: ServerState, clients: Sequence[int], ctx: RoundContext
) -> tuple[list[Assignment], int]:
    """Every client's download, really encoded and decoded; equal ones only once, but charged each time."""
    received, total = [], 0
    payloads: dict[tuple[int, ...], tuple[int, Assignment]] = {}
    sent = [federation.experiment.strategy.assign(server, client_id, ctx) for client_id in clients]
    for assignment in sent:
        groups = (assignment.params, assignment.buffers, assignment.masks, assignment.extras)
        key = tuple(id(tensor) for named in groups for tensor in named.values())
        if key not in payloads:
            payload = pack_assignment(assignment)
            payloads[key] = len(payload), unpack_assignment(payload, assignment.client_id)
        size, decoded = payloads[key]
        received.append(replace(decoded, client_id=assignment.client_id))
        total += size
    return received, total


def _train(
    federation: Federation, assignments: Sequence[Assignment], ctx: RoundContext, on_step: OnStep
) -> list[Update]:
    settings = federation.experiment.federation
    local, width = settings.local, noise_shapes(federation.model)
    data = [
        LocalData.of(a.client_id, federation.data.train(a.client_id), local.local_epochs, local.batch_size, width, ctx)
        for a in assignments
    ]
    program = federation.experiment.strategy.program(local)
    return TRAINERS[settings.trainer].train(federation.model, program, assignments, data, ctx, on_step)


def _upload(
    federation: Federation, server: ServerState, trained: Sequence[Update], ctx: RoundContext
) -> tuple[list[Update], int]:
    """Every client prunes what it sends; the server sees only what was decoded from the payload."""
    received, total = [], 0
    for update in trained:
        masks = federation.experiment.strategy.prune_upload(server, update, ctx)
        payload = pack_update(replace(update, masks=masks))
        received.append(unpack_update(payload, update.client_id, server))
        total += len(payload)
    return received, total


def _evaluate(federation: Federation, server: ServerState) -> Evaluation:
    return evaluate(federation.model, server.params, server.buffers, federation.data)


def _mean_loss(updates: Sequence[Update]) -> float:
    total = sum(update.num_examples for update in updates)
    return sum(update.train_loss * update.num_examples for update in updates) / total


def _training_flops(federation: Federation, updates: Sequence[Update], dense: bool) -> int:
    """FLOPs of this round's local training, each client under the masks it trained with, or as if unpruned."""
    epochs = federation.experiment.federation.local_epochs
    forward = [effective_flops(federation.layer_flops, {} if dense else u.masks) * u.num_examples for u in updates]
    return round(BACKWARD_FACTOR * epochs * sum(forward))


def _record(
    federation: Federation, server: ServerState, tested: Evaluation, ctx: RoundContext, **measured: object
) -> RoundRecord:
    client_K = tested.client_accuracy_K[~tested.client_accuracy_K.isnan()]
    if not len(client_K):
        client_K = torch.tensor([tested.accuracy])
    return RoundRecord(
        round=ctx.round,
        test_accuracy=tested.accuracy,
        test_loss=tested.loss,
        worst_client_accuracy=_number(client_K.min()),
        mean_client_accuracy=_number(client_K.mean()),
        best_client_accuracy=_number(client_K.max()),
        sparsity=sparsity(server.masks),
        target_sparsity=federation.experiment.strategy.target_sparsity(ctx),
        layer_density=layer_density(server.masks),
        state=server,
        **measured,  # type: ignore[arg-type]
    )


def _number(value: Tensor) -> float:
    return float(value)
