"""The files of a folder, tar or zip, one after another, with nothing unpacked to disk.

An archive comes from a stranger: names that lead elsewhere, links, and files that grow without end are refused.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple

from fedlab_core.data.pixels import DataError

MAX_FILE_BYTES = 64 * 2**20
"""A larger file inside a data set is no image to train on."""

MAX_TOTAL_BYTES = 8 * 2**30
"""All files of an archive together, unpacked."""

MAX_DEPTH = 5
"""Folders are looked into this deep; a folder that links to itself ends here."""

_DECOMPRESSORS: dict[bytes, Callable[..., Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, OSError, NotImplementedError)


class Entry(NamedTuple):
    """A file, or a folder (then `data` is None), by its path inside the source."""

    path: PurePosixPath
    data: bytes | None


def entries(source: Path) -> Iterator[Entry]:
    """Every file and folder below `source` (a folder, .zip, or .tar with any usual compression).

    Hidden ones (".name", "__MACOSX") are left out. Archives come in their own order, folders in alphabetical order.

    Raises:
        DataError: nothing there, no readable archive, a link or a path that leads out of the archive, a file of
            more than 64 MiB, or more than 8 GiB altogether.
    """
    if not source.exists():
        raise DataError(f"there is no file or folder {source}")
    listing = _folder if source.is_dir() else _zip if zipfile.is_zipfile(source) else _tar
    try:
        for name, data in listing(source):
            path = _checked(name)
            if not any(part.startswith(".") or part == "__MACOSX" for part in path.parts):
                yield Entry(path, data)
    except _BROKEN as error:
        raise DataError(f"{source} cannot be read as a folder, tar or zip: {error}") from error


def _checked(name: str) -> PurePosixPath:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[:1]:
        raise DataError(f"{name} leads out of the archive; only paths below its top are allowed")
    return path


def _check_size(name: str, size: int) -> None:
    if size > MAX_FILE_BYTES:
        raise DataError(f"{name} has {size:,} bytes; a file may have at most {MAX_FILE_BYTES:,}")


def _folder(source: Path, depth: int = 1) -> Iterator[tuple[str, bytes | None]]:
    for path in sorted(source.iterdir()):
        if path.is_file():
            _check_size(str(path), path.stat().st_size)
            yield path.name, path.read_bytes()
        elif path.is_dir():
            yield path.name, None
            for name, data in _folder(path, depth + 1) if depth < MAX_DEPTH else ():
                yield f"{path.name}/{name}", data
        else:
            raise DataError(f"{path} is neither a file nor a folder")


def _zip(source: Path) -> Iterator[tuple[str, bytes | None]]:
    with zipfile.ZipFile(source) as archive:
        left = MAX_TOTAL_BYTES
        for info in archive.infolist():
            _check_size(info.filename, info.file_size)
            left -= info.file_size
            if left < 0:
                raise DataError(f"{source} unpacks to more than {MAX_TOTAL_BYTES:,} bytes, the most that is allowed")
            if stat.S_ISLNK(info.external_attr >> 16):
                raise DataError(f"{info.filename} is a link; an archive may have only files and folders")
            if info.flag_bits & 1:
                raise DataError(f"{info.filename} is encrypted; only plain archives can be read")
            yield info.filename, None if info.is_dir() else archive.read(info)


def _tar(source: Path) -> Iterator[tuple[str, bytes | None]]:
    with source.open("rb") as file:
        magic = file.read(6)
    opener = next((o for start, o in _DECOMPRESSORS.items() if magic.startswith(start)), open)
    with opener(source, "rb") as file:
        bounded = _Bounded(file, source)
        with tarfile.open(fileobj=bounded, mode="r|") as archive:
            while (member := bounded.step(archive.next)) is not None:
                _check_size(member.name, member.size)
                if not (member.isdir() or member.isreg()):
                    raise DataError(f"{member.name} is a link or device; an archive may have only files and folders")
                content = archive.extractfile(member)
                yield member.name, content.read() if content else None


class _Bounded(io.RawIOBase):
    """A decompressed stream that ends in an error, not in full memory, when a small archive unpacks to a huge one."""

    def __init__(self, file: IO[bytes], source: Path) -> None:
        self._file, self._source = file, source
        self._total_left = MAX_TOTAL_BYTES
        self._step_left = 0

    def step(self, advance: Callable[[], tarfile.TarInfo | None]) -> tarfile.TarInfo | None:
        """Go on to the next file: what is left of the last one, headers included, may not exceed a few files' size."""
        self._step_left = 4 * MAX_FILE_BYTES
        return advance()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._total_left -= len(data)
        self._step_left -= len(data)
        if min(self._total_left, self._step_left) < 0:
            raise DataError(f"{self._source} unpacks to more than {MAX_TOTAL_BYTES:,} bytes, the most that is allowed")
        return data
