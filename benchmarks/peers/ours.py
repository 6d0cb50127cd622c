"""fedlab_core on the same clients: `run_round` over all processors, every message really encoded, as in any other run.

The server's test set is empty, so that nothing is evaluated in the timed part.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import torch
from protocol import Stopwatch, Task, finish, read_task
from workloads import MODELS, Examples, Workload, load

sys.path.insert(0, str(Path(__file__).parents[2]))

from fedlab_core import Experiment
from fedlab_core.costs.flops import forward_flops
from fedlab_core.data.datasets import Dataset
from fedlab_core.data.federated import FederatedData
from fedlab_core.lab import Federation
from fedlab_core.models import build_model, register_model
from fedlab_core.processes import crew
from fedlab_core.rounds import run_round

register_model("small")(lambda input_shape, num_classes: MODELS["small"]())


def experiment(workload: Workload, rounds: int) -> Experiment:
    """The workload's settings; the data are given apart. Seed 0 samples the clients that the data file lists."""
    return Experiment().replace(
        {
            "data.num_clients": workload.num_clients,
            "model.name": workload.model,
            "federation.rounds": rounds,
            "federation.participation": workload.clients_per_round / workload.num_clients,
            "federation.local_epochs": workload.local_epochs,
            "federation.batch_size": workload.batch_size,
            "federation.learning_rate": workload.learning_rate,
            "federation.momentum": workload.momentum,
            "federation.seed": 0,
        }
    )


def federation(workload: Workload, examples: Examples, rounds: int) -> Federation:
    """Around the examples of the file."""
    channels, names = workload.input_shape[0], tuple(str(label) for label in range(workload.num_classes))
    nothing_NI, nothing_N = examples.x_NI[:0], examples.y_N[:0]
    mean_C, std_C = torch.zeros(channels), torch.ones(channels)
    dataset = Dataset(workload.name, examples.x_NI, examples.y_N, nothing_NI, nothing_N, names, mean_C, std_C)
    data = FederatedData(dataset, examples.indices, [nothing_N] * workload.num_clients)
    model = build_model(workload.model, workload.input_shape, workload.num_classes)
    return Federation(experiment(workload, rounds), data, model, forward_flops(model, workload.input_shape))


def run(task: Task) -> None:
    """All rounds."""
    examples = load(task.path)
    lab = federation(task.workload, examples, task.rounds)
    model = task.model()
    server = replace(lab.initial_state(), params={name: value.detach() for name, value in model.named_parameters()})
    run_clients = crew(task.processes)
    watch = Stopwatch()
    for round in range(1, task.rounds + 1):
        record = run_round(lab, server, lab.context(round), run_clients=run_clients)
        assert list(record.clients) == examples.cohort(round)
        server = record.state
        watch.lap()
    model.load_state_dict({**server.params, **server.buffers}, strict=False)  # norms here count batches, theirs do not
    finish(model, examples)


if __name__ == "__main__":
    run(read_task())
