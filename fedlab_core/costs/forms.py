"""The ways to say which entries of a tensor are kept. The codec takes the shortest for each tensor.

Shape suffixes: N entries of a tensor, n kept entries, R runs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np

from fedlab_core.costs.bits import (
    Bools,
    CodecError,
    Ints,
    Reader,
    Rice,
    pack_bits,
    packed_bytes,
    read_rice,
    unpack_bits,
    varint,
)


class Pattern:
    """A flat mask, how many entries it keeps, and where (worked out when first asked for)."""

    def __init__(self, mask_N: Bools) -> None:
        self.mask_N, self.elements, self.kept = mask_N, len(mask_N), int(np.count_nonzero(mask_N))

    @cached_property
    def kept_n(self) -> Ints:
        """Kept positions, rising."""
        return np.flatnonzero(self.mask_N)


class Plan(NamedTuple):
    """What a form would cost, and the function that writes it: only the winner is written."""

    num_bytes: int
    write: Callable[[], bytes]


class Form(Protocol):
    """One way to write a mask. `read` raises CodecError, and allocates in proportion to `elements` at most."""

    name: str

    def plan(self, pattern: Pattern) -> Plan | None:
        """What it would cost; None where this form cannot say it, or another is shorter for certain."""

    def read(self, block: memoryview, elements: int, kept: int) -> Bools:
        """The mask in `block`, of `elements` entries; the caller counts whether `kept` of them are kept."""


class Dense:
    """Everything is kept: nothing to say."""

    name = "dense"

    def plan(self, pattern: Pattern) -> Plan | None:
        return Plan(0, bytes) if pattern.kept == pattern.elements else None

    def read(self, block: memoryview, elements: int, kept: int) -> Bools:
        return np.ones(elements, np.bool_)


class Bitmap:
    """One bit an entry: the shortest near density 1/2."""

    name = "bitmap"

    def plan(self, pattern: Pattern) -> Plan | None:
        return Plan(packed_bytes(pattern.elements), lambda: pack_bits(pattern.mask_N))

    def read(self, block: memoryview, elements: int, kept: int) -> Bools:
        return unpack_bits(block, elements).view(np.bool_)


class Indices:
    """The kept positions as fixed-width integers (1, 2, 4 or 8 bytes): the shortest for a handful of them."""

    name = "indices"

    @staticmethod
    def _dtype(elements: int) -> np.dtype[np.unsignedinteger]:
        return np.min_scalar_type(max(elements - 1, 0)).newbyteorder("<")

    def plan(self, pattern: Pattern) -> Plan | None:
        dtype = self._dtype(pattern.elements)
        return Plan(pattern.kept * dtype.itemsize, lambda: pattern.kept_n.astype(dtype).tobytes())

    def read(self, block: memoryview, elements: int, kept: int) -> Bools:
        dtype = self._dtype(elements)
        if len(block) != kept * dtype.itemsize:
            raise CodecError(f"{kept} indices need {kept * dtype.itemsize} bytes, not {len(block)}")
        kept_n = np.frombuffer(block, dtype).astype(np.int64)
        if (np.diff(kept_n) <= 0).any():
            raise CodecError("indices have to be in rising order")
        return _mask_at(kept_n, elements)


class Gaps:
    """The number of pruned entries before each kept one, Golomb-Rice coded: the shortest for random sparse masks."""

    name = "gaps"

    def plan(self, pattern: Pattern) -> Plan | None:
        if 2 * pattern.kept > pattern.elements:
            return None  # two bits or more for each kept entry: a bitmap or runs are shorter
        rice = Rice.best(np.diff(pattern.kept_n, prepend=-1) - 1)
        return Plan(rice.num_bytes, rice.pack)

    def read(self, block: memoryview, elements: int, kept: int) -> Bools:
        return _mask_at(np.cumsum(read_rice(block, kept, elements) + 1) - 1, elements)


class Runs:
    """Lengths of the runs of equal entries, Golomb-Rice coded: the shortest for dense masks and for structured ones.

    Structured is what prunes whole rows or channels. Runs of kept and of pruned entries have each their own k.
    """

    name = "runs"

    def plan(self, pattern: Pattern) -> Plan | None:
        mask_N = pattern.mask_N
        edges = np.flatnonzero(mask_N[1:] != mask_N[:-1])
        lengths_R = np.diff(edges, prepend=-1, append=pattern.elements - 1)
        odd, even = Rice.best(lengths_R[0::2] - 1), Rice.best(lengths_R[1::2] - 1)
        head = bytes(mask_N[:1]) + varint(len(lengths_R)) + varint(odd.num_bytes)
        return Plan(len(head) + odd.num_bytes + even.num_bytes, lambda: head + odd.pack() + even.pack())

    def read(self, block: memoryview, elements: int, kept: int) -> Bools:
        reader = Reader(block)
        first, count = reader.byte(), reader.varint()
        if first > 1 or not 1 <= count <= elements:
            raise CodecError(f"{elements} entries cannot have {count} runs, the first of kind {first}")
        odd = read_rice(reader.take(reader.varint()), (count + 1) // 2, elements)
        even = read_rice(reader.take(reader.left), count // 2, elements)
        lengths_R = np.empty(count, np.int64)
        lengths_R[0::2], lengths_R[1::2] = odd + 1, even + 1
        if lengths_R.sum() != elements:
            raise CodecError(f"runs cover {lengths_R.sum()} entries of {elements}")
        turn_N = np.zeros(elements, np.uint8)
        turn_N[np.cumsum(lengths_R[:-1])] = 1
        turn_N[0] = first
        return (np.cumsum(turn_N, dtype=np.uint8) & 1).view(np.bool_)  # wraps at 256, which keeps the parity


FORMS: tuple[Form, ...] = (Dense(), Bitmap(), Indices(), Gaps(), Runs())
"""A form's place in this table is its number on the wire: new ones go to the end. A tie goes to the first."""


def shortest(pattern: Pattern, only: str = "") -> tuple[int, Plan]:
    """The form of fewest bytes: its place in `FORMS`, and its plan.

    Args:
        only: the name of the one form to be used, to compare it with the others. Where everything is kept there is
            still nothing to say, and a mask that it cannot say is a bitmap.
    """
    best: tuple[int, Plan] | None = None
    for code, form in enumerate(FORMS):
        if only and form.name not in (only, Dense.name):
            continue
        plan = form.plan(pattern)
        if plan and (best is None or plan.num_bytes < best[1].num_bytes):
            best = code, plan
        if best and best[1].num_bytes == 0:
            break
    if best is None:
        return shortest(pattern, Bitmap.name)  # which can say every mask
    return best


def _mask_at(kept_n: Ints, elements: int) -> Bools:
    """True at the rising positions `kept_n`."""
    if len(kept_n) and kept_n[-1] >= elements:
        raise CodecError(f"position {kept_n[-1]} is outside a tensor of {elements} entries")
    mask_N = np.zeros(elements, np.bool_)
    mask_N[kept_n] = True
    return mask_N
