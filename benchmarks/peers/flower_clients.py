"""Flower's clients: a module of its own, so that Ray's actors import it once and keep data and model."""

from __future__ import annotations

import shlex
from functools import lru_cache
from typing import Any

from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from protocol import Task, read_task
from torch import nn
from training import train
from workloads import load

app = ClientApp()


@lru_cache
def prepared(options: str) -> tuple[Task, nn.Sequential, list[Any], list[int]]:
    """Once in every actor: the task, the model, each client's batches and number of examples."""
    task = read_task(shlex.split(options))
    clients = load(task.path).clients
    return task, task.model(), [task.batches(*client) for client in clients], [len(y_N) for _, y_N in clients]


@app.train()
def fit(message: Message, context: Context) -> Message:
    """Local training of the client that the message names."""
    config = message.content["config"]
    task, model, batches, sizes = prepared(config["task"])
    model.load_state_dict(message.content["arrays"].to_torch_state_dict())
    train(model, batches[config["client"]], task.workload)
    metrics = MetricRecord({"num-examples": sizes[config["client"]]})
    content = RecordDict({"arrays": ArrayRecord(model.state_dict()), "metrics": metrics})
    return Message(content=content, reply_to=message)
