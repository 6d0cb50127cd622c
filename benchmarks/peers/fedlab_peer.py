"""FedLab 1.3: its standalone simulation, clients one after the other (`StandalonePipeline` with a serial trainer).

With `--processes 2` its "scale" mode: a server and two processes that simulate half of the clients each, connected by
`torch.distributed`. Which half a client belongs to is fixed, so the halves of a round may differ in size.

Its trainer has neither momentum nor weights by numbers of examples; both are put in where its tutorials say, by
overriding `train` and `global_update`. Running statistics of norms are no part of its messages (it serialises
parameters only), so they stay those of the client that was last trained; and it cannot serialise filters that are laid
out channels last.
"""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys

import torch
from fedlab.contrib.algorithm.fedavg import FedAvgSerialClientTrainer, FedAvgServerHandler
from fedlab.contrib.dataset.basic_dataset import FedDataset
from fedlab.core.client.manager import PassiveClientManager
from fedlab.core.network import DistNetwork
from fedlab.core.server.manager import SynchronousServerManager
from fedlab.core.standalone import StandalonePipeline
from fedlab.utils import Aggregators, SerializationTool
from protocol import Stopwatch, Task, finish, read_task
from training import train
from workloads import Examples, load

PLACE = "FEDLAB_PEER_PLACE"
"""Variable of a client process: port of the server, rank and number of all processes."""


class Clients(FedDataset):
    """Every client's batches, prepared once."""

    def __init__(self, task: Task, examples: Examples) -> None:
        super().__init__()
        self.sizes = [len(y_N) for _, y_N in examples.clients]
        self.loaders = [task.batches(x_NI, y_N) for x_NI, y_N in examples.clients]

    def get_dataloader(self, id, batch_size, type="train"):
        return self.loaders[id]


class Trainer(FedAvgSerialClientTrainer):
    """With momentum; uploads parameters and number of examples."""

    def __init__(self, task: Task, model: torch.nn.Module, examples: Examples) -> None:
        super().__init__(model, task.workload.num_clients // task.processes)
        self.workload = task.workload
        self.setup_dataset(Clients(task, examples))

    def local_process(self, payload, id_list):
        for client in id_list:
            trained = self.train(payload[0], self.dataset.get_dataloader(client, self.workload.batch_size))
            self.cache.append([*trained, torch.tensor([self.dataset.sizes[client]])])

    def train(self, model_parameters, train_loader):
        self.set_model(model_parameters)
        train(self.model, train_loader, self.workload)
        return [self.model_parameters]


class Server(FedAvgServerHandler):
    """Weighted by numbers of examples; the clients of a round are given."""

    def __init__(self, task: Task, model: torch.nn.Module, examples: Examples) -> None:
        super().__init__(model, task.rounds, task.workload.clients_per_round / task.workload.num_clients)
        self.examples = examples
        self.watch = Stopwatch()

    def sample_clients(self):
        return self.examples.cohort(self.round + 1)

    def global_update(self, buffer):
        merged = Aggregators.fedavg_aggregate([upload[0] for upload in buffer], [int(upload[1]) for upload in buffer])
        SerializationTool.deserialize_model(self._model, merged)
        self.watch.lap()


class Pipeline(StandalonePipeline):
    """Evaluates nothing."""

    def evaluate(self):
        pass


def serve(task: Task, server: Server) -> None:
    """The server's side of the scale mode; it starts the others."""
    with socket.socket() as found:
        found.bind(("localhost", 0))
        port = found.getsockname()[1]
    size = task.processes + 1
    places = [f"{port} {rank} {size}" for rank in range(1, size)]
    others = [subprocess.Popen([sys.executable, *sys.argv], env={**os.environ, PLACE: place}) for place in places]
    network = DistNetwork(("localhost", str(port)), size, 0)
    SynchronousServerManager(network, server, mode="GLOBAL").run()
    for other in others:
        other.wait()


def run(task: Task) -> None:
    """All rounds."""
    logging.disable(logging.INFO)
    examples, model = load(task.path), task.model()
    if PLACE in os.environ:
        port, rank, size = os.environ[PLACE].split()
        network = DistNetwork(("localhost", port), int(size), int(rank))
        PassiveClientManager(network, Trainer(task, model, examples)).run()
        return
    server = Server(task, model, examples)
    if task.processes > 1:
        serve(task, server)
    else:
        Pipeline(server, Trainer(task, model, examples)).main()
    finish(server.model, examples)


if __name__ == "__main__":
    run(read_task())
