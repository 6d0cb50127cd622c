"""Below the codec: a reader that cannot overrun, variable-length integers, packed bits and Golomb-Rice codes.

Shape suffixes: n numbers to be coded, B their bits, k low bits of each number.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class CodecError(ValueError):
    """A payload that is damaged, truncated, hostile, or not of this format."""


class Reader:
    """A cursor over bytes; every read is checked against what is left."""

    def __init__(self, data: memoryview) -> None:
        self._data, self.position = data, 0

    @property
    def left(self) -> int:
        """Bytes not yet read."""
        return len(self._data) - self.position

    def take(self, count: int) -> memoryview:
        """The next `count` bytes, without a copy."""
        if count > self.left:
            raise CodecError(f"payload ends early: {count} bytes are declared, {self.left} are left")
        self.position += count
        return self._data[self.position - count : self.position]

    def byte(self) -> int:
        """The next byte as a number."""
        return self.take(1)[0]

    def varint(self) -> int:
        """The next `varint`; it has to be the shortest way to say its number, which is below 2**63."""
        if self.position < len(self._data) and (first := self._data[self.position]) < 0x80:  # nearly always
            self.position += 1
            return first
        value = 0
        for shift in range(0, 63, 7):
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if byte == 0 and shift > 0:
                    raise CodecError("payload holds an integer with superfluous zeros")
                return value
        raise CodecError("payload holds an integer of 2**63 or more")


def varint(value: int) -> bytes:
    """LEB128: 7 bits a byte, lowest first; the top bit says that more follow."""
    groups = bytearray()
    while value >= 0x80:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*groups, value])


def packed_bytes(num_bits: int) -> int:
    """Bytes that `num_bits` bits fill."""
    return (num_bits + 7) // 8


def pack_bits(bits_B: NDArray[Any]) -> bytes:
    """Eight bits to a byte, first bit lowest; the last byte is filled up with zeros."""
    return np.packbits(bits_B, bitorder="little").tobytes()


def unpack_bits(block: memoryview, num_bits: int) -> NDArray[np.uint8]:
    """The inverse of `pack_bits`. Raises CodecError for a wrong length or a padding bit that is not zero."""
    if len(block) != packed_bytes(num_bits):
        raise CodecError(f"{num_bits} bits need {packed_bytes(num_bits)} bytes, not {len(block)}")
    if num_bits % 8 and block[-1] >> (num_bits % 8):
        raise CodecError("padding bits have to be zero")
    return np.unpackbits(np.frombuffer(block, np.uint8), count=num_bits, bitorder="little")


class Rice(NamedTuple):
    """Non-negative numbers in the Golomb-Rice code (Rice and Plaunt 1971), the right one for geometric distributions.

    Each number v is split: v >> k in unary (that many zeros, then a one) and its k low bits as they are. Random masks
    have geometric gaps, and the best k comes within 0.1 bit a number of their entropy there. The two parts are kept
    apart (all unary ones, then the low bits plane by plane), so that both directions are array operations.
    """

    values_n: Ints
    k: int
    unary_bits: int

    @classmethod
    def best(cls, values_n: Ints) -> Rice:
        """With the k of fewest bits. The size is convex in k, so the first k that does not gain ends the search."""
        count, k, high_sum = len(values_n), 0, int(values_n.sum())
        while (halved := int((values_n >> (k + 1)).sum())) + count < high_sum:
            k, high_sum = k + 1, halved
        return cls(values_n, k, count + high_sum)

    @property
    def num_bytes(self) -> int:
        """Length of `pack()`: a byte for k, the unary parts, the low parts."""
        return 1 + packed_bytes(self.unary_bits) + packed_bytes(len(self.values_n) * self.k)

    def pack(self) -> bytes:
        """k, unary parts, low parts."""
        unary_B = np.zeros(self.unary_bits, np.uint8)
        unary_B[np.cumsum((self.values_n >> self.k) + 1) - 1] = 1
        low_kn = np.empty((self.k, len(self.values_n)), np.uint8)
        for bit in range(self.k):
            low_kn[bit] = (self.values_n >> bit) & 1
        return bytes([self.k]) + pack_bits(unary_B) + pack_bits(low_kn.ravel())


def read_rice(block: memoryview, count: int, total: int) -> Ints:
    """`count` numbers whose sum is at most `total`; memory is in proportion to the block, whatever `count` claims.

    Raises:
        CodecError: the block is not exactly `count` Golomb-Rice codes, or their sum is above `total`.
    """
    reader = Reader(block)
    k = reader.byte()
    low_bytes = packed_bytes(count * k)
    if k > 32 or low_bytes > reader.left:
        raise CodecError(f"Golomb-Rice parameter {k} does not fit {count} numbers in {len(block)} bytes")
    unary = reader.take(reader.left - low_bytes)
    if len(unary) > packed_bytes(count + (total >> k)) or (len(unary) and unary[-1] == 0):
        raise CodecError("Golomb-Rice codes are longer than their numbers can be")
    ends_n = np.flatnonzero(np.unpackbits(np.frombuffer(unary, np.uint8), bitorder="little"))
    if len(ends_n) != count:
        raise CodecError(f"payload holds {len(ends_n)} Golomb-Rice codes, {count} are declared")
    values_n = (np.diff(ends_n, prepend=-1) - 1) << k
    low_kn = unpack_bits(reader.take(low_bytes), count * k).reshape(k, count)
    for bit in range(k):
        values_n |= low_kn[bit].astype(np.int64) << bit
    if values_n.sum(dtype=np.float64) > total:  # as floats, for integers could wrap around
        raise CodecError(f"coded numbers add up to more than {total}")
    return values_n
