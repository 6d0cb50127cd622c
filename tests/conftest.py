"""What holds for every test: one thread, the same examples each time, and no network."""

import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, settings

# Test processes run side by side: one thread each is faster than several that compete for the same cores.
torch.set_num_threads(1)

# Tests of several processes say so themselves; to the others helpers would only bring their time to start.
os.environ.setdefault("FEDLAB_PROCESSES", "1")

# The clock of a busy machine must not decide about a test, so neither deadlines nor "too slow" count.
settings.register_profile("fedlab", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("fedlab")

LOCAL_HOSTS = {"localhost", "127.0.0.1", "::1", "0.0.0.0", "::"}


@pytest.fixture(autouse=True, scope="session")
def offline() -> Iterator[None]:
    """Refuse connections to other machines: whatever a test starts in this process must work unplugged."""
    connect = socket.socket.connect

    def connect_locally(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and address[0] not in LOCAL_HOSTS:
            raise PermissionError(f"a test tried to reach {address}; allowed are {', '.join(sorted(LOCAL_HOSTS))}")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect_locally)
        yield
