"""The server's view of the nodes: which clients are where, and messages to and from them."""

from __future__ import annotations

import time
from collections.abc import Sequence

from flwr.app import Message, RecordDict
from flwr.serverapp import Grid

from fedlab_core.federation.trainer import OnStep
from fedlab_core.flower.messages import Node, read_node

LOOK_S = 0.05
"""How often the server looks for answers. Nodes look for work every three seconds: that is Flower's."""


def collect(grid: Grid, messages: Sequence[Message], deadline_s: float, on_step: OnStep) -> list[Message]:
    """Send messages, and the answers that come within the deadline. `on_step` is called while waiting; it may raise."""
    waiting = {message_id for message_id in grid.push_messages(messages) if message_id}
    replies: list[Message] = []
    until = time.monotonic() + deadline_s
    while waiting and time.monotonic() < until:
        on_step()
        for reply in grid.pull_messages(waiting):
            waiting.discard(reply.metadata.reply_to_message_id)
            replies.append(reply)
        if waiting:
            time.sleep(LOOK_S)
    return replies


class Roll:
    """The connected nodes that have introduced themselves, by partition: of two with the same one, the later."""

    def __init__(self) -> None:
        self._known: dict[int, Node | None] = {}
        self._at: dict[int, int] = {}
        self._connected: set[int] = set()

    def call(self, grid: Grid, deadline_s: float, on_step: OnStep) -> None:
        """See who is connected, and ask those who are new who they are. One that says nothing of use is left alone."""
        self._connected = set(grid.get_node_ids())
        new = sorted(self._connected - self._known.keys())
        questions = [Message(RecordDict(), node_id, "query", ttl=deadline_s) for node_id in new]
        for reply in collect(grid, questions, deadline_s, on_step):
            node_id = reply.metadata.src_node_id
            self._known[node_id] = None
            if reply.has_content():
                self._enter(node_id, reply.content)

    def _enter(self, node_id: int, content: RecordDict) -> None:
        try:
            node = read_node(content)
        except ValueError:
            return
        self._known[node_id] = node
        self._at[node.partition] = node_id

    @property
    def nodes(self) -> dict[int, Node]:
        """Nodes by partition."""
        here = {partition: node_id for partition, node_id in sorted(self._at.items()) if node_id in self._connected}
        return {partition: node for partition, node_id in here.items() if (node := self._known[node_id]) is not None}

    def node_of(self, client_id: int) -> int | None:
        """Flower's number of the node that has a client; None if it is not there."""
        for partition, node in self.nodes.items():
            if client_id % node.of == partition:
                return self._at[partition]
        return None

    def wait(self, grid: Grid, count: int, deadline_s: float, on_step: OnStep) -> None:
        """Wait until so many nodes have introduced themselves, or the deadline is over.

        Raises:
            ValueError: nobody came.
        """
        until = time.monotonic() + deadline_s
        while len(self.nodes) < count and time.monotonic() < until:
            self.call(grid, max(LOOK_S, until - time.monotonic()), on_step)
            time.sleep(LOOK_S)
        if not self.nodes:
            raise ValueError(f"none of {count} nodes has connected within {deadline_s:g} s")
