"""Flower's clients: a module of its own, so that Ray's actors import it once and keep data and model."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from protocol import Task
from torch import nn
from workloads import WORKLOADS, initial_model, load, train

app = ClientApp()


@lru_cache
def prepared(workload: str, path: str, threads: int, loader: str) -> tuple[nn.Sequential, list[Any], list[int]]:
    """Once in every actor: the model, each client's batches and number of examples."""
    torch.set_num_threads(threads)
    task = Task(WORKLOADS[workload], Path(path), 0, threads, 0, loader)
    clients = load(task.path).clients
    batches = [task.batches(x_NI, y_N) for x_NI, y_N in clients]
    return initial_model(task.workload), batches, [len(y_N) for _, y_N in clients]


@app.train()
def fit(message: Message, context: Context) -> Message:
    """Local training of the client that the message names."""
    config = message.content["config"]
    model, batches, sizes = prepared(config["workload"], config["path"], config["threads"], config["loader"])
    model.load_state_dict(message.content["arrays"].to_torch_state_dict())
    train(model, batches[config["client"]], WORKLOADS[config["workload"]])
    metrics = MetricRecord({"num-examples": sizes[config["client"]]})
    content = RecordDict({"arrays": ArrayRecord(model.state_dict()), "metrics": metrics})
    return Message(content=content, reply_to=message)
