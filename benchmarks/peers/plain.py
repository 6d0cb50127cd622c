"""A plain PyTorch loop: clients one after the other, a `DataLoader`, `optim.SGD`, a weighted sum of state dicts."""

from __future__ import annotations

import torch
from protocol import Stopwatch, Task, finish, read_task
from training import train
from workloads import load


def run(task: Task) -> None:
    """All rounds."""
    examples, model = load(task.path), task.model()
    loaders = [task.batches(x_NI, y_N) for x_NI, y_N in examples.clients]
    sizes = [len(y_N) for _, y_N in examples.clients]
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    watch = Stopwatch()
    for round in range(1, task.rounds + 1):
        cohort = examples.cohort(round)
        total = sum(sizes[client] for client in cohort)
        merged = {name: torch.zeros_like(tensor, dtype=torch.float32) for name, tensor in state.items()}
        for client in cohort:
            model.load_state_dict(state)
            train(model, loaders[client], task.workload)
            for name, tensor in model.state_dict().items():
                merged[name].add_(tensor, alpha=sizes[client] / total)
        state = merged
        watch.lap()
    model.load_state_dict(state)
    finish(model, examples)


if __name__ == "__main__":
    run(read_task())
