"""A node's side: it computes its own clients with the engine, on its own data.

Settings of a node, given when its SuperNode is started:

    partition-id=0 num-partitions=4       which of the clients are here: those with k mod 4 = 0
    folder="..."                          images of this node, a sub-folder a class; else it reads partitions of the
                                          experiment's data
    data-path="..."                       for data set `images` without `folder`: where this node has the data set
    fault="nan"                           for demonstrations: this node misbehaves (see `robustness/faults.py`)

Paths are the node's alone: what the server sends is never opened.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from fedlab_core.clients import Download, Report, client_side
from fedlab_core.data.datasets import normalised_as
from fedlab_core.data.federated import FederatedData
from fedlab_core.data.image_folder import read_image_folder
from fedlab_core.data.pixels import DataError, Pixels
from fedlab_core.experiment import Experiment
from fedlab_core.flower.messages import Look, Node, pack_answer, pack_node, read_task
from fedlab_core.lab import Federation
from fedlab_core.processes import one_thread
from fedlab_core.robustness import KINDS, Fault, spoil

app = ClientApp()


@app.query()
def introduce(message: Message, context: Context) -> Message:
    """Say which clients are here."""
    return Message(pack_node(this_node(context.node_config)), reply_to=message)


@app.train()
def train(message: Message, context: Context) -> Message:
    """Do what the clients of this node do in a round."""
    task, node = read_task(message.content), this_node(context.node_config)
    foreign = [one.client_id for one in task.downloads if one.client_id % node.of != node.partition]
    if foreign:
        raise ValueError(f"client {foreign[0]} is not at node {node.partition} of {node.of}")
    federation = federation_here(task.experiment, task.look, context.node_config)
    fault = context.node_config.get("fault")
    if fault == "gone":
        os._exit(1)
    with one_thread():
        reports = client_side(federation, task.downloads, federation.context(task.round))
    if fault == "late":
        time.sleep(message.metadata.ttl + 1)
    elif fault:
        reports = [spoiled(str(fault), *both) for both in zip(task.downloads, reports, strict=True)]
    return Message(pack_answer(task.downloads, reports), reply_to=message)


def spoiled(kind: str, download: Download, report: Report) -> Report:
    """For demonstrations: what this node sends in the place of an honest report.

    Raises:
        ValueError: there is no such fault.
    """
    if kind not in KINDS:
        raise ValueError(f"fault is {kind!r}; allowed are {', '.join(KINDS)}")
    payload = spoil(Fault(kind), download.payload, report.payload)
    assert payload is not None  # both faults without an answer have been dealt with
    return report._replace(payload=payload)


def this_node(settings: Mapping[str, Any]) -> Node:
    """Who this node is, by its settings.

    Raises:
        ValueError: there is no such partition.
        DataError: its folder cannot be used.
    """
    partition, of = int(settings.get("partition-id", -1)), int(settings.get("num-partitions", 0))
    if not 0 <= partition < of:
        raise ValueError(f"partition-id is {partition} of {of}; allowed is 0 <= partition-id < num-partitions")
    if "folder" not in settings:
        return Node(partition, of)
    pixels = own_images(settings)
    height, width, channels = pixels.train_NHWC.shape[1:]
    return Node(partition, of, len(pixels.y_train_N), pixels.class_names, (channels, height, width))


def own_images(settings: Mapping[str, Any]) -> Pixels:
    """The images in this node's folder."""
    return read_image_folder(Path(str(settings["folder"])).expanduser())


def federation_here(experiment: Experiment, look: Look, settings: Mapping[str, Any]) -> Federation:
    """The experiment with the data that this node has.

    Raises:
        DataError: a folder that cannot be used, or whose classes are not the server's.
    """
    if "folder" not in settings:
        own = experiment.data.model_copy(update={"path": str(settings.get("data-path", ""))})
        return Federation.of(experiment.model_copy(update={"data": own}))
    pixels = own_images(settings)
    unknown = sorted(set(pixels.class_names) - set(look.classes))
    if unknown:
        raise DataError(f"class {unknown[0]} of this node is none of the server's: {', '.join(look.classes)}")
    dataset = normalised_as(pixels, torch.tensor(look.mean), torch.tensor(look.std), look.classes)
    here, nothing = torch.arange(len(dataset.y_train_N)), torch.arange(0)
    k, clients = int(settings["partition-id"]), experiment.data.num_clients
    train = [here if client == k else nothing for client in range(clients)]
    return Federation.on(FederatedData(dataset, train, [nothing] * clients), experiment)
