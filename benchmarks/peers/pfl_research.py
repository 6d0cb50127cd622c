"""pfl-research 0.6: `FederatedAveraging` on its `SimulatedBackend`, updates weighted by numbers of examples.

With `--processes 2` two processes share the clients of a round, as its guide to fast simulations says. Its in-memory
data set cuts the batches once and never shuffles; here it shuffles in every epoch, as the work asks. It would evaluate
every client before and after its first training; that is switched off. Running statistics of norms are no part of its
updates (it sends parameters only).
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property, partial
from itertools import count

import torch
from protocol import Stopwatch, Task, finish, read_task
from torch.nn import functional as F  # noqa: N812 - torch's own convention
from training import Shuffled
from workloads import Examples, load


def start_second_process() -> subprocess.Popen[bytes] | None:
    """The other worker, unless this is it; has to happen before pfl is imported."""
    if "PFL_WORKER_RANK" in os.environ:
        return None
    with socket.socket() as first, socket.socket() as second:
        for found in (first, second):
            found.bind(("localhost", 0))
        addresses = ",".join(f"localhost:{found.getsockname()[1]}" for found in (first, second))
    os.environ.update(PFL_WORKER_ADDRESSES=addresses, PFL_WORKER_RANK="0")
    return subprocess.Popen([sys.executable, *sys.argv], env={**os.environ, "PFL_WORKER_RANK": "1"})


def run(task: Task) -> None:
    """All rounds."""
    from pfl.aggregate.simulate import SimulatedBackend
    from pfl.aggregate.weighting import WeightByDatapoints
    from pfl.algorithm.base import NNAlgorithmParams
    from pfl.algorithm.federated_averaging import FederatedAveraging
    from pfl.callback.base import TrainingProcessCallback
    from pfl.data.federated_dataset import FederatedDataset
    from pfl.data.pytorch import PyTorchTensorDataset
    from pfl.hyperparam.base import NNTrainHyperParams
    from pfl.internal.ops import pytorch_ops
    from pfl.metrics import Metrics
    from pfl.model.pytorch import PyTorchModel

    workload, examples, module = task.workload, load(task.path), task.model()
    first = pytorch_ops.distributed.global_rank == 0

    class Client(PyTorchTensorDataset):
        @cached_property
        def shuffled(self) -> Shuffled:
            return Shuffled(*self.raw_data, workload.batch_size)

        def iter(self, batch_size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
            return iter(self.shuffled)

    class Algorithm(FederatedAveraging):
        def get_next_central_contexts(self, *args, **settings):
            contexts, model, metrics = super().get_next_central_contexts(*args, **settings)
            contexts = contexts and tuple(replace(context, do_evaluation=False) for context in contexts)
            return contexts, model, metrics

    class Report(TrainingProcessCallback):
        watch = Stopwatch()

        def after_central_iteration(self, aggregate_metrics, model, *, central_iteration):
            if first:
                self.watch.lap()
            return False, Metrics()

    def loss(x_BI: torch.Tensor, y_B: torch.Tensor) -> torch.Tensor:
        module.train()
        return F.cross_entropy(module(x_BI), y_B)

    module.loss, module.metrics = loss, lambda *batch: {}
    model = PyTorchModel(
        module,
        partial(torch.optim.SGD, momentum=workload.momentum),
        torch.optim.SGD(module.parameters(), lr=1.0),
    )
    clients = [Client(client, user_id=str(k)) for k, client in enumerate(examples.clients)]
    sizes = {k: len(y_N) for k, (_, y_N) in enumerate(examples.clients)}
    data = FederatedDataset(clients.__getitem__, partial(next, sampled(examples)), user_id_to_weight=sizes)
    backend = SimulatedBackend(data, data, postprocessors=[WeightByDatapoints()])
    settings = NNAlgorithmParams(task.rounds, task.rounds, workload.clients_per_round, None)
    local = NNTrainHyperParams(
        local_num_epochs=workload.local_epochs,
        local_learning_rate=workload.learning_rate,
        local_batch_size=workload.batch_size,
    )
    Algorithm().run(settings, backend, model, local, callbacks=[Report()], send_metrics_to_platform=False)
    if first:
        finish(module, examples)


def sampled(examples: Examples) -> Iterator[int]:
    """The clients of all rounds, one after the other."""
    for round in count(1):
        yield from examples.cohort(round)


if __name__ == "__main__":
    task = read_task()
    other = start_second_process() if task.processes == 2 else None
    run(task)
    if other is not None:
        other.wait()
