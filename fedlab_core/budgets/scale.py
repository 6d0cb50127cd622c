"""What a round takes with more clients than can be simulated: bytes, server memory and time, from one small real round.

Plain formulas of a `Load`, which is measured on messages that were really encoded, and of `Rates`, which are measured
on a machine. `benchmarks/scale.py` compares them with simulations; docs/SCALE.md tells what follows. K clients, of
which m are asked in a round.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from fedlab_core.budgets.load import TENSOR_BYTES, Load

SUM_BYTES, KRUM_FLOPS = 8, 3
"""Of one number in a sum (float64 or int64); to subtract, square and add for it in a distance."""


Timed = tuple[int, int, float]
"""A round that was measured: K, m, seconds."""


class Rates(NamedTuple):
    """Seconds of a part of the server's work: of a round, of each client asked, of each client of the federation."""

    round_s: float
    asked_s: float
    client_s: float

    @classmethod
    def through(cls, few: Timed, more: Timed, larger: Timed) -> Rates:
        """From three rounds: `more` are asked with the K of `few`, `larger` has its m. No rate is below 0.

        A part that does not even double with K is taken not to depend on it: noise times 10^8 would be hours.

        Raises:
            ValueError: rounds that do not differ like that.
        """
        if few[0] != more[0] or few[1] != larger[1] or more[1] <= few[1] or larger[0] <= few[0]:
            given = f"{few[:2]}, {more[:2]}, {larger[:2]}"
            raise ValueError(f"rates need rounds with (K, m), (K, more m), (more K, m); these are {given}")
        asked_s = max(0.0, (more[2] - few[2]) / (more[1] - few[1]))
        client_s = (larger[2] - few[2]) / (larger[0] - few[0]) if larger[2] >= 2 * few[2] else 0.0
        return cls(max(0.0, few[2] - asked_s * few[1] - client_s * few[0]), asked_s, client_s)

    def seconds(self, clients: int, asked: int) -> float:
        """Of a round that asks m of K clients."""
        return self.round_s + self.asked_s * asked + self.client_s * clients


class Tree(NamedTuple):
    """Aggregators between clients and server; each adds up what `fan_out` others send.

    Attributes:
        levels: of aggregators, the server at the root not counted.
        aggregators: in all levels.
        root_messages: that the server gets.
        sum_bytes: of one partial sum: as many as a mean and a vote need, whatever the number of clients below.
    """

    levels: int
    aggregators: int
    root_messages: int
    sum_bytes: int


def asked_of(clients: int, participation: float) -> int:
    """m = round(C K), at least one, as the engine asks."""
    return max(1, round(participation * clients))


def engine_bytes(load: Load, clients: int, asked: int) -> float:
    """Memory of the server as it is built: messages and decoded updates of the whole round, and what is remembered.

    The model itself, a few times, comes on top: it does not grow.
    """
    remembered = load.server_bytes + load.device_bytes + load.rewritten_bytes
    return asked * (load.upload_bytes + load.update_bytes) + clients * remembered


def streamed_bytes(load: Load) -> float:
    """Memory for means and votes if updates were added up one by one, whatever m is: the sums; one update as it came,
    decoded, and (a tensor at a time) in float64; and the one before it, which goes when the next has been read.
    """
    return sum_bytes(load) + load.upload_bytes + 2 * load.update_bytes + SUM_BYTES * load.largest


def most_asked(load: Load, clients: int, memory_bytes: float) -> int:
    """The largest m that fits into so much memory, as the engine is; 0 where the memories alone are too large."""
    left = memory_bytes - engine_bytes(load, clients, 0)
    return max(0, int(left / (load.upload_bytes + load.update_bytes)))


def index_bytes(clients: int, examples: int) -> int:
    """Who has which examples, in a simulation: a training and a test index for each client, and examples' numbers."""
    return clients * 2 * TENSOR_BYTES + examples * 8


def sum_bytes(load: Load) -> int:
    """A sum of updates: of their numbers, and, where masks differ, how many (or which weight) kept each entry."""
    return SUM_BYTES * (load.numbers + load.mask_entries)


def tree(load: Load, asked: int, fan_out: int) -> Tree:
    """As many levels as it takes until the server gets at most `fan_out` messages.

    Raises:
        ValueError: a fan-out below 2.
    """
    if fan_out < 2:
        raise ValueError(f"fan_out is {fan_out}; at least 2 messages have to become one")
    sizes, messages = [], asked
    while messages > fan_out:
        messages = math.ceil(messages / fan_out)
        sizes.append(messages)
    return Tree(len(sizes), sum(sizes), messages, sum_bytes(load))


def network_seconds(load: Load, asked: int, server_bits_per_s: float) -> float:
    """All messages of a round through the server's line, the same speed both ways and both ways at once."""
    return asked * 8 * max(load.download_bytes, load.upload_bytes) / server_bits_per_s


def device_seconds(load: Load, down_bits_per_s: float, up_bits_per_s: float) -> float:
    """A client's download and upload through its own line: a round cannot be shorter."""
    return 8 * (load.download_bytes / down_bits_per_s + load.upload_bytes / up_bits_per_s)


def krum_flops(load: Load, asked: int) -> int:
    """Distances between all pairs of updates, O(m^2 P): m (m - 1) / 2 pairs, 3 FLOPs a number."""
    return asked * (asked - 1) // 2 * KRUM_FLOPS * load.numbers
