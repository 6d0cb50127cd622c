"""The layout of a payload: one tensor to bytes, and a payload to checked, still packed tensors.

Little-endian throughout; `varint` as in `bits.py`, forms as in `forms.py`:

    message   "FLAB", version (1 byte), number of tensors (2 bytes), tensors, CRC-32 of all before (4 bytes)
    tensor    length of the name (varint), name (UTF-8), kind (1 byte), number of axes (varint), axes (varints),
              mask, kept values in row-major order
    kind      bits 0-3: place in `DTYPES`; bits 4-6: place in `FORMS`; bit 7: set if a mask belongs to the tensor
    mask      nothing in form "dense"; else number of kept entries (varint), length of the block (varint), block
"""

from __future__ import annotations

import math
import struct
import zlib
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fedlab_core.costs.bits import CodecError, Ints, Reader, varint
from fedlab_core.costs.forms import FORMS, Form, Pattern, shortest

DTYPES = (
    torch.float32,
    torch.float64,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.uint8,
    torch.bool,
)
"""A type's place in this table is its number on the wire: new ones go to the end."""

MAGIC, VERSION = b"FLAB", 1
MAX_TENSORS, MAX_AXES = 2**16 - 1, 32
HEAD, CRC = struct.Struct("<4sBH"), struct.Struct("<I")

_INTEGERS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
"""Values are moved as integers of their size: every bit pattern survives, whatever it means as a float."""


class Entry(NamedTuple):
    """One tensor of a payload: sizes checked against the payload, nothing unpacked yet."""

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    form: Form
    masked: bool
    kept: int
    block: memoryview
    values: memoryview
    num_bytes: int

    @property
    def elements(self) -> int:
        """Entries of the tensor, pruned ones included."""
        return math.prod(self.shape)


class MaskMemory:
    """The masks of the messages before this one, the last of each tensor.

    The clients of a round often have the same mask; it need not be worked out again for each, nor be held twice.

    Args:
        only: write every mask in the form of this name, to see what the others save; by default in the shortest.
    """

    def __init__(self, only: str = "") -> None:
        self._only = only
        self._written: dict[str, _Written] = {}
        self._read: dict[str, _Read] = {}
        self._full: dict[tuple[int, ...], Tensor] = {}

    def write(self, name: str, mask: Tensor) -> _Written:
        """`mask` in its form."""
        last = self._written.get(name)
        if last is None or not torch.equal(last.mask, mask):
            last = self._written[name] = _written(mask, self._only)
        return last

    def read(self, entry: Entry) -> tuple[Tensor, Ints]:
        """The flat mask of `entry`, and where it keeps. Raises CodecError."""
        last = self._read.get(entry.name)
        if last is None or (last.form, last.elements, last.block) != (entry.form, entry.elements, entry.block):
            mask_N, kept_n = _read_mask(entry)
            last = self._read[entry.name] = _Read(entry.form, entry.elements, bytes(entry.block), mask_N, kept_n)
        if len(last.kept_n) != entry.kept:
            raise CodecError(f"the mask of {entry.name!r} does not keep {entry.kept} entries")
        return last.mask_N, last.kept_n

    def full(self, shape: tuple[int, ...]) -> Tensor:
        """The mask that keeps everything: one for all messages. It would take a quarter of the weights' memory."""
        if shape not in self._full:
            self._full[shape] = torch.ones(shape, dtype=torch.bool)
        return self._full[shape]


class _Written(NamedTuple):
    mask: Tensor
    code: int
    block: bytes
    kept: int
    kept_n: Ints


class _Read(NamedTuple):
    form: Form
    elements: int
    block: bytes
    mask_N: Tensor
    kept_n: Ints


def _written(mask: Tensor, only: str) -> _Written:
    pattern = Pattern(mask.detach().cpu().reshape(-1).numpy())
    code, plan = shortest(pattern, only)
    return _Written(mask.clone(), code, plan.write(), pattern.kept, pattern.kept_n)  # the caller's may change


def _read_mask(entry: Entry) -> tuple[Tensor, Ints]:
    mask_N = entry.form.read(entry.block, entry.elements, entry.kept)
    return torch.from_numpy(mask_N), np.flatnonzero(mask_N)


def write_tensor(name: str, tensor: Tensor, mask: Tensor | None, memory: MaskMemory) -> list[bytes | memoryview]:
    """The pieces of one tensor, its mask in the shortest form. Raises ValueError for a type or shape without a code."""
    if tensor.dtype not in DTYPES:
        raise ValueError(f"tensor {name!r} is {tensor.dtype}; allowed are {', '.join(map(str, DTYPES))}")
    if tensor.dim() > MAX_AXES:
        raise ValueError(f"tensor {name!r} has {tensor.dim()} axes; allowed are at most {MAX_AXES}")
    value_N = tensor.detach().cpu().reshape(-1).view(_INTEGERS[tensor.dtype.itemsize]).numpy()
    code, block = 0, list[bytes]()
    if mask is not None:
        written = memory.write(name, mask)
        code = written.code
        if written.kept < len(value_N):
            value_N = value_N[written.kept_n]
            block = [varint(written.kept), varint(len(written.block)), written.block]
    label, kind = name.encode(), DTYPES.index(tensor.dtype) | code << 4 | (mask is not None) << 7
    header = [varint(len(label)), label, bytes([kind]), *map(varint, (tensor.dim(), *tensor.shape))]
    return [*header, *block, np.ascontiguousarray(value_N, f"<i{tensor.dtype.itemsize}").data]


def parse(payload: bytes) -> list[Entry]:
    """All tensors of a payload. Allocates next to nothing; raises CodecError."""
    data = memoryview(payload)
    if len(data) < HEAD.size + CRC.size:
        raise CodecError(f"payload has {len(data)} bytes; the shortest message has {HEAD.size + CRC.size}")
    magic, version, count = HEAD.unpack_from(data)
    if (magic, version) != (MAGIC, VERSION):
        raise CodecError(f"payload is {magic!r} version {version}, not {MAGIC!r} version {VERSION}")
    body = data[: -CRC.size]
    if CRC.unpack(data[-CRC.size :]) != (zlib.crc32(body),):
        raise CodecError("payload is damaged: its checksum is wrong")
    reader = Reader(body)
    reader.take(HEAD.size)
    entries = [_parse_tensor(reader) for _ in range(count)]
    if reader.left:
        raise CodecError(f"payload has {reader.left} bytes after its last tensor")
    return entries


def _parse_tensor(reader: Reader) -> Entry:
    start = reader.position
    try:
        name = str(reader.take(reader.varint()), "utf-8")
    except UnicodeDecodeError as error:
        raise CodecError("payload holds a name that is not UTF-8") from error
    kind, axes = reader.byte(), reader.varint()
    dtype_code, form_code, masked = kind & 15, kind >> 4 & 7, kind >= 128
    if dtype_code >= len(DTYPES) or form_code >= len(FORMS) or (form_code and not masked) or axes > MAX_AXES:
        raise CodecError(f"tensor {name!r} is of unknown kind {kind} or has too many axes ({axes})")
    shape = tuple(reader.varint() for _ in range(axes))
    elements = kept = math.prod(shape)
    block = memoryview(b"")
    if form_code:
        kept, block = reader.varint(), reader.take(reader.varint())
    if kept > elements:
        raise CodecError(f"tensor {name!r} keeps {kept} entries of {elements}")
    dtype = DTYPES[dtype_code]
    values = reader.take(kept * dtype.itemsize)
    num_bytes = reader.position - start
    return Entry(name, dtype, shape, FORMS[form_code], masked, kept, block, values, num_bytes)


def read_tensor(entry: Entry, memory: MaskMemory) -> tuple[Tensor, Tensor | None]:
    """Tensor and mask of `entry`; the caller has checked that so many elements are allowed. Raises CodecError."""
    size = entry.dtype.itemsize
    kept_values = np.frombuffer(entry.values, f"<i{size}")
    if entry.dtype == torch.bool and (kept_values & ~1).any():
        raise CodecError(f"tensor {entry.name!r} holds a truth value that is neither 0 nor 1")
    if entry.form is FORMS[0]:  # everything is kept
        value_N = torch.empty(entry.elements, dtype=_INTEGERS[size])
        value_N.numpy()[:] = kept_values
        mask = memory.full(entry.shape) if entry.masked else None
    else:
        mask_N, kept_n = memory.read(entry)
        value_N = torch.zeros(entry.elements, dtype=_INTEGERS[size])
        value_N.numpy()[kept_n] = kept_values  # twice as fast as by the mask
        mask = mask_N.reshape(entry.shape)
    return value_N.view(entry.dtype).reshape(entry.shape), mask
