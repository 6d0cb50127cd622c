"""FedLab 1.3: its standalone simulation (`StandalonePipeline` with a serial trainer), clients one after the other.

Its trainer has neither momentum nor weights by numbers of examples; both are put in where its tutorials say, by
overriding `train` and `global_update`. Running statistics of norms are no part of its messages (it serialises
parameters only), so they stay those of the client that was last trained.
"""

from __future__ import annotations

import logging

import torch
from fedlab.contrib.algorithm.fedavg import FedAvgSerialClientTrainer, FedAvgServerHandler
from fedlab.contrib.dataset.basic_dataset import FedDataset
from fedlab.core.standalone import StandalonePipeline
from fedlab.utils import Aggregators, SerializationTool
from protocol import Stopwatch, Task, finish, read_task
from workloads import Examples, initial_model, train


class Clients(FedDataset):
    """Every client's batches, prepared once."""

    def __init__(self, task: Task, examples: Examples) -> None:
        super().__init__()
        self.num = task.workload.num_clients
        self.sizes = [len(y_N) for _, y_N in examples.clients]
        self.loaders = [task.batches(x_NI, y_N) for x_NI, y_N in examples.clients]

    def get_dataloader(self, id, batch_size, type="train"):
        return self.loaders[id]


class Trainer(FedAvgSerialClientTrainer):
    """With momentum; uploads parameters and number of examples."""

    def __init__(self, task: Task, model: torch.nn.Module, clients: Clients) -> None:
        super().__init__(model, task.workload.num_clients)
        self.workload = task.workload
        self.setup_dataset(clients)

    def local_process(self, payload, id_list):
        for client in id_list:
            trained = self.train(payload[0], self.dataset.get_dataloader(client, self.workload.batch_size))
            self.cache.append([*trained, torch.tensor(self.dataset.sizes[client])])

    def train(self, model_parameters, train_loader):
        self.set_model(model_parameters)
        train(self.model, train_loader, self.workload)
        return [self.model_parameters]


class Server(FedAvgServerHandler):
    """Weighted by numbers of examples; the clients of a round are given."""

    examples: Examples

    def sample_clients(self):
        return self.examples.cohort(self.round + 1)

    def global_update(self, buffer):
        merged = Aggregators.fedavg_aggregate([upload[0] for upload in buffer], [int(upload[1]) for upload in buffer])
        SerializationTool.deserialize_model(self._model, merged)


class Pipeline(StandalonePipeline):
    """Reports each round where FedLab evaluates."""

    watch: Stopwatch

    def evaluate(self):
        self.watch.lap()


def run(task: Task) -> None:
    """All rounds."""
    logging.getLogger().setLevel(logging.ERROR)
    examples, model, workload = task.examples, initial_model(task.workload), task.workload
    server = Server(model, task.rounds, workload.clients_per_round / workload.num_clients)
    server.examples = examples
    pipeline = Pipeline(server, Trainer(task, model, Clients(task, examples)))
    pipeline.watch = Stopwatch()
    pipeline.main()
    finish(server.model, examples)


if __name__ == "__main__":
    run(read_task())
