"""Flower 1.41: `run_simulation` (Ray), the built-in `FedAvg`, clients as in its PyTorch quickstart.

`--processes` are Ray actors, each with its share of the processors. Data and model are loaded once in an actor and
kept. The server names the client in each message, so that every system trains the same ones. The simulation looks for
new messages and for replies every 0.1 s: no round can be much faster than that.
"""

from __future__ import annotations

import logging
import os
import shlex
import sys
from collections.abc import Iterable

os.environ.update(FLWR_TELEMETRY_ENABLED="0", RAY_USAGE_STATS_ENABLED="0")

import flower_clients
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, RecordDict
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg
from flwr.simulation import run_simulation
from protocol import Stopwatch, Task, finish, read_task
from workloads import Examples, load


class GivenClients(FedAvg):
    """FedAvg on given clients."""

    def __init__(self, examples: Examples, workload_clients: int) -> None:
        super().__init__(fraction_evaluate=0.0, min_available_nodes=workload_clients)
        self.examples = examples

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        cohort = self.examples.cohort(server_round)
        self.fraction_train = len(cohort) / self.min_available_nodes
        messages = super().configure_train(server_round, arrays, config, grid)
        for client, message in zip(cohort, messages, strict=True):
            message.content = RecordDict({"arrays": arrays, "config": ConfigRecord({**config, "client": client})})
        return messages


def run(task: Task) -> None:
    """All rounds."""
    logging.getLogger("flwr").setLevel(logging.ERROR)
    examples, workload = load(task.path), task.workload
    server = ServerApp()

    @server.main()
    def main(grid: Grid, context: Context) -> None:
        model = task.model()
        watch = Stopwatch()
        result = GivenClients(examples, workload.num_clients).start(
            grid,
            ArrayRecord(model.state_dict()),
            num_rounds=task.rounds,
            train_config=ConfigRecord({"task": shlex.join(sys.argv[1:])}),
            evaluate_fn=lambda round, arrays: watch.lap() if round else None,
        )
        model.load_state_dict(result.arrays.to_torch_state_dict())
        finish(model, examples)

    processors = os.cpu_count() or 1
    backend = {
        "init_args": {"num_cpus": processors, "logging_level": "error", "log_to_driver": False},
        "client_resources": {"num_cpus": processors / task.processes, "num_gpus": 0.0},
    }
    run_simulation(server, flower_clients.app, workload.num_clients, backend_config=backend)


if __name__ == "__main__":
    run(read_task())
