"""Flower's grid without processes: every message goes straight to the client app, as if its node were here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flwr.app import Context, Error, Message, RecordDict
from flwr.serverapp import Grid

from fedlab_core.flower.client_app import app

Change = Callable[[Message], Message | None]


class HereGrid(Grid):
    """Nodes of these settings, numbered from 100. `changes` turn a node's train replies into others, or into none."""

    def __init__(self, settings: list[Mapping[str, Any]], changes: Mapping[int, Change] | None = None) -> None:
        self.settings = dict(enumerate(settings, 100))
        self.changes = dict(changes or {})
        self.asked: list[tuple[str, int]] = []
        self.contents: list[RecordDict] = []
        self._replies: dict[str, Message] = {}

    @classmethod
    def of(cls, count: int, changes: Mapping[int, Change] | None = None) -> HereGrid:
        return cls([{"partition-id": node, "num-partitions": count} for node in range(count)], changes)

    def set_run(self, run: Any) -> None: ...

    @property
    def run(self) -> Any:
        return None

    def create_message(self, *args: Any, **kwargs: Any) -> Message:
        raise NotImplementedError

    def get_node_ids(self) -> Iterable[int]:
        return list(self.settings)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        return [self._push(message) for message in messages]

    def _push(self, message: Message) -> str:
        node, kind = message.metadata.dst_node_id, message.metadata.message_type
        self.asked.append((kind, node))
        message_id = f"message {len(self.asked)}"
        message.metadata.__dict__["_message_id"] = message_id
        if kind == "train":
            self.contents.append(message.content)
        context = Context(1, node, dict(self.settings[node]), RecordDict(), {})
        try:
            reply: Message | None = app(message, context)
        except Exception as error:  # as a SuperNode does
            reply = Message(Error(code=2, reason=f"{type(error).__name__}: {error}"), reply_to=message)
        if reply is not None and kind == "train" and node in self.changes:
            reply = self.changes[node](reply)
        if reply is not None:
            self._replies[message_id] = reply
        return message_id

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        return [self._replies.pop(message_id) for message_id in message_ids if message_id in self._replies]

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        return self.pull_messages(self.push_messages(messages))
