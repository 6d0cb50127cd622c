"""What travels between server and nodes: the engine's encoded messages, byte for byte, inside of Flower's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from flwr.app import ConfigRecord, RecordDict

from fedlab_core.clients import Download, Report
from fedlab_core.data.datasets import Dataset
from fedlab_core.experiment import Experiment

TASK, ANSWER, NODE = "fedlab.task", "fedlab.answer", "fedlab.node"


class Look(NamedTuple):
    """How images are to be normalised, and what their classes are: a node's own images must look like the server's."""

    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of(cls, dataset: Dataset) -> Look:
        """As the server's data set has it."""
        return cls(dataset.class_names, tuple(dataset.mean_C.tolist()), tuple(dataset.std_C.tolist()))


class Task(NamedTuple):
    """What a node has to do in a round: the downloads of its clients."""

    experiment: Experiment
    round: int
    look: Look
    downloads: list[Download]


class Node(NamedTuple):
    """How a node introduces itself: clients k with k mod `of` = `partition` are its own.

    `examples`, `classes` and `shape` are those of a node with images of its own; 0 and empty where the nodes read
    partitions of the experiment's data.
    """

    partition: int
    of: int
    examples: int = 0
    classes: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()


def pack_task(task: Task) -> RecordDict:
    """A task; payloads that several clients share are in it once."""
    parts = list({id(part): part for one in task.downloads for part in (one.payload, one.memory)}.values())
    place = {id(part): number for number, part in enumerate(parts)}
    fields: dict[str, Any] = {
        "experiment": task.experiment.to_json(),
        "round": task.round,
        "look": json.dumps(task.look),
        "clients": [one.client_id for one in task.downloads],
        "payloads": [place[id(one.payload)] for one in task.downloads],
        "memories": [place[id(one.memory)] for one in task.downloads],
        "parts": parts,
    }
    return RecordDict({TASK: ConfigRecord(fields)})


def read_task(content: RecordDict) -> Task:
    """The task of a message."""
    fields: dict[str, Any] = dict(content[TASK])
    parts = fields["parts"]
    downloads = [
        Download(client_id, parts[payload], parts[memory])
        for client_id, payload, memory in zip(fields["clients"], fields["payloads"], fields["memories"], strict=True)
    ]
    classes, mean, std = json.loads(fields["look"])
    look = Look(tuple(classes), tuple(mean), tuple(std))
    return Task(Experiment.parse(json.loads(fields["experiment"])), fields["round"], look, downloads)


def pack_answer(downloads: Sequence[Download], reports: Sequence[Report]) -> RecordDict:
    """What a node's clients send."""
    clients = [one.client_id for one in downloads]
    return RecordDict({ANSWER: ConfigRecord({"clients": clients, "payloads": [one.payload for one in reports]})})


def read_answer(content: RecordDict) -> Mapping[int, bytes]:
    """Payloads by client id. A node may send anything.

    Raises:
        ValueError: it is no answer.
    """
    fields = content.get(ANSWER)
    given: dict[str, Any] = dict(fields) if isinstance(fields, ConfigRecord) else {}
    clients, payloads = given.get("clients"), given.get("payloads")
    if not isinstance(clients, list) or not isinstance(payloads, list) or len(clients) != len(payloads):
        raise ValueError("the node's answer is none to a task")
    return {k: part for k, part in zip(clients, payloads, strict=True) if isinstance(part, bytes)}


def pack_node(node: Node) -> RecordDict:
    """An introduction."""
    return RecordDict({NODE: ConfigRecord({"node": json.dumps(node)})})


def read_node(content: RecordDict) -> Node:
    """An introduction. Raises ValueError: it is none."""
    try:
        fields: dict[str, Any] = dict(content[NODE])
        partition, of, examples, classes, shape = json.loads(fields["node"])
        node = Node(int(partition), int(of), int(examples), tuple(map(str, classes)), tuple(map(int, shape)))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError("a node does not introduce itself") from error
    if not 0 <= node.partition < node.of or node.examples < 0:
        raise ValueError(f"partition {node.partition} of {node.of} with {node.examples} examples cannot be")
    return node
