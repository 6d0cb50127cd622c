"""What the driver tells a runner, and what a runner answers: one line of JSON for every finished round, and a last one.

{"round": 1, "seconds": 0.31}
...
{"done": true, "loss": 2.1}
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

sys.path.append(str(Path(__file__).parents[1]))

from training import Shuffled, training_loss
from workloads import WORKLOADS, Examples, Workload, initial_model


class Task(NamedTuple):
    """What is asked for: a workload, its data, how many rounds, and how the system is set up.

    `threads` are PyTorch's in each process; `processes` take clients; `loader` is "dataloader" or "shuffled"; `layout`
    of images and filters is "contiguous" or "channels-last".
    """

    workload: Workload
    path: Path
    rounds: int
    threads: int
    processes: int
    loader: str
    layout: str

    def model(self) -> nn.Sequential:
        """With the weights that every system starts from."""
        layouts = {"contiguous": torch.contiguous_format, "channels-last": torch.channels_last}
        return initial_model(self.workload).to(memory_format=layouts[self.layout])

    def batches(self, x_NI: Tensor, y_N: Tensor) -> DataLoader | Shuffled:
        """Shuffled batches of one client; every `for` over them is an epoch."""
        if self.loader == "shuffled":
            return Shuffled(x_NI, y_N, self.workload.batch_size)
        return DataLoader(TensorDataset(x_NI, y_N), self.workload.batch_size, shuffle=True)


def read_task(options: list[str] | None = None) -> Task:
    """From the command line, or from such options; PyTorch's threads are set, too."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--workload", choices=WORKLOADS, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--loader", choices=("dataloader", "shuffled"), default="dataloader")
    parser.add_argument("--layout", choices=("contiguous", "channels-last"), default="contiguous")
    given = parser.parse_args(options)
    torch.set_num_threads(given.threads)
    workload = WORKLOADS[given.workload]
    return Task(workload, given.data, given.rounds, given.threads, given.processes, given.loader, given.layout)


class Stopwatch:
    """Counts and reports rounds. The first one starts when the stopwatch is made."""

    def __init__(self) -> None:
        self.round = 0
        self.start = time.perf_counter()

    def lap(self) -> None:
        """A round has ended."""
        now = time.perf_counter()
        self.round += 1
        print(json.dumps({"round": self.round, "seconds": now - self.start}), flush=True)
        self.start = time.perf_counter()


def finish(model: nn.Module, examples: Examples) -> None:
    """Report the loss of the final model."""
    print(json.dumps({"done": True, "loss": training_loss(model, examples)}), flush=True)
