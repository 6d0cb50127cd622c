"""Windows of the dashboard without a browser: they ask the server for what a browser would, and draw nothing.

Thirty browsers on one machine would measure each other; the browsers of a class run on thirty machines. These speak
Streamlit's own messages: open an address, then look again as often as the server asks them to.
"""

from __future__ import annotations

import threading
import time
from typing import Self
from urllib.parse import urlsplit

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

OPEN_S = 120.0


class Watchers:
    """So many windows at one address, each in a thread, until the block ends.

    Attributes:
        looks_s: how long each look took, from asking to the end of the answer.
        bytes: received by all windows together.
    """

    def __init__(self, address: str, count: int) -> None:
        self.address, self.looks_s, self.bytes = urlsplit(address), list[float](), 0
        self._end = threading.Event()
        self._open = threading.Barrier(count + 1)
        self._threads = [threading.Thread(target=self._watch, daemon=True) for _ in range(count)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        self._open.wait(OPEN_S)
        return self

    def __exit__(self, *exception: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def _watch(self) -> None:
        host = self.address.netloc
        stream, origin = f"ws://{host}/_stcore/stream", f"http://{host}"
        with connect(stream, subprotocols=["streamlit"], origin=origin, max_size=None) as ws:
            state = ClientState(query_string=self.address.query, page_name=self.address.path.strip("/"))
            ws.send(BackMsg(rerun_script=state).SerializeToString())
            every, fragment, asked, due, told = 0.0, "", time.monotonic(), float("inf"), False
            while not self._end.is_set():
                now = time.monotonic()
                if now >= due:
                    state.fragment_id, state.is_auto_rerun = fragment, True
                    ws.send(BackMsg(rerun_script=state).SerializeToString())
                    asked, due = now, max(now, due + every)
                try:
                    data = ws.recv(min(0.1, max(0.0, due - time.monotonic())))
                except TimeoutError:
                    continue
                self.bytes += len(data)
                message = ForwardMsg.FromString(data)
                kind = message.WhichOneof("type")
                if kind == "auto_rerun":
                    every, fragment = message.auto_rerun.interval, message.auto_rerun.fragment_id
                    due = time.monotonic() + every
                elif kind == "new_session":
                    state.page_script_hash = message.new_session.page_script_hash
                elif kind == "script_finished":
                    self.looks_s.append(time.monotonic() - asked)
                    if not told:
                        self._open.wait(OPEN_S)
                        told = True
