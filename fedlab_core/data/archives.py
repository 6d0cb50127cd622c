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
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple

from fedlab_core.data.pixels import DataError

MAX_FILE_BYTES = 64 * 2**20
"""A larger file inside a data set is no image to train on."""

MAX_TOTAL_BYTES = 8 * 2**30
"""All files of an archive together, unpacked."""

MAX_ENTRIES = 1_000_000

MAX_DEPTH = 5
"""Folders are looked into this deep; a folder that links to itself ends here."""

_DECOMPRESSORS: dict[bytes, Callable[..., Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
_TOO_MUCH = f"unpacks to more than {MAX_TOTAL_BYTES:,} bytes, the most that is allowed"


class Entry(NamedTuple):
    """A file, or a folder (then `data` is None), by its path inside the source."""

    path: PurePosixPath
    data: bytes | None


_Listing = Iterator[tuple[str, Callable[[], bytes] | None]]


def entries(source: Path, suffixes: tuple[str, ...]) -> Iterator[Entry]:
    """Every folder, and every file with one of the suffixes, below `source`: a folder, zip, or tar (gz, bz2, xz).

    Hidden ones (".name", "__MACOSX") are left out. Archives come in their own order, folders in alphabetical order.

    Raises:
        DataError: nothing there, no readable archive, a link or a path that leads out of the archive, a file of more
            than 64 MiB, more than 8 GiB or a million files altogether.
    """
    if not source.exists():
        raise DataError(f"there is no file or folder {source}")
    listing = _folder if source.is_dir() else _zip if zipfile.is_zipfile(source) else _tar
    try:
        for number, (name, read) in enumerate(listing(source)):
            path = _checked(name)
            if number >= MAX_ENTRIES:
                raise DataError(f"{source} has more than {MAX_ENTRIES:,} files, the most that is allowed")
            if any(part.startswith(".") or part == "__MACOSX" for part in path.parts):
                continue
            if read is None:
                yield Entry(path, None)
            elif path.suffix.lower() in suffixes:
                yield Entry(path, read())
    except DataError:
        raise
    except Exception as error:  # the standard library's readers raise almost anything on hostile bytes
        raise DataError(f"{source} cannot be read as a folder, tar or zip: {error}") from error


def _checked(name: str) -> PurePosixPath:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts:
        raise DataError(f"{name} leads out of the archive; only paths below its top are allowed")
    return path


def _check_size(name: str, size: int) -> None:
    if size > MAX_FILE_BYTES:
        raise DataError(f"{name} has {size:,} bytes; a file may have at most {MAX_FILE_BYTES:,}")


def _folder(source: Path, depth: int = 1) -> _Listing:
    for path in sorted(source.iterdir()):
        if not path.is_dir():
            yield path.name, partial(_read_file, path)
            continue
        yield path.name, None
        for name, read in _folder(path, depth + 1) if depth < MAX_DEPTH else ():
            yield f"{path.name}/{name}", read


def _read_file(path: Path) -> bytes:
    if not path.is_file():
        raise DataError(f"{path} is a broken link or a device, not a file")
    _check_size(str(path), path.stat().st_size)
    return path.read_bytes()


def _zip(source: Path) -> _Listing:
    with zipfile.ZipFile(source) as archive:
        total_left = MAX_TOTAL_BYTES
        for info in archive.infolist():
            _check_size(info.filename, info.file_size)
            total_left -= info.file_size
            if total_left < 0:
                raise DataError(f"{source} {_TOO_MUCH}")
            if stat.S_ISLNK(info.external_attr >> 16):
                raise DataError(f"{info.filename} is a link; an archive may have only files and folders")
            if info.flag_bits & 1:
                raise DataError(f"{info.filename} is encrypted; only plain archives can be read")
            yield info.filename, None if info.is_dir() else partial(archive.read, info)


def _tar(source: Path) -> _Listing:
    with source.open("rb") as file:
        magic = file.read(6)
    opener = next((opens for start, opens in _DECOMPRESSORS.items() if magic.startswith(start)), open)
    with opener(source, "rb") as file:
        bounded = _Bounded(file, source)
        with tarfile.open(fileobj=bounded, mode="r|") as archive:
            for member in archive:
                _check_size(member.name, member.size)
                if not (member.isdir() or member.isreg()):
                    raise DataError(f"{member.name} is a link or device; an archive may have only files and folders")
                content = archive.extractfile(member)
                yield member.name, content.read if content else None
                bounded.renew()


class _Bounded(io.RawIOBase):
    """A decompressed stream that ends in an error, not in full memory, when a small archive unpacks to a huge one.

    Two limits: bytes altogether, and bytes between two files, because a header too may claim any length.
    """

    def __init__(self, file: IO[bytes], source: Path) -> None:
        self._file, self._source = file, source
        self._total_left = MAX_TOTAL_BYTES
        self.renew()

    def renew(self) -> None:
        """Allow as many bytes as the next file and its headers may have."""
        self._file_left = 2 * MAX_FILE_BYTES

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._total_left -= len(data)
        self._file_left -= len(data)
        if self._file_left < 0:
            raise DataError(f"{self._source} has a header of more than {MAX_FILE_BYTES:,} bytes")
        if self._total_left < 0:
            raise DataError(f"{self._source} {_TOO_MUCH}")
        return data
