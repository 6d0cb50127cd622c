"""What an archive from a stranger may try, and that each of it ends in one sentence."""

import contextlib
import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedlab_core.data import archives
from fedlab_core.data.archives import entries
from fedlab_core.data.pixels import DataError

FILES = {"a/1.png": b"one", "a/2.png": b"two", "b/1.png": b"three", "b/notes.txt": b"no image", ".hidden/1.png": b"x"}
WANTED = {name: content for name, content in FILES.items() if name.endswith("png") and not name.startswith(".")}


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_tar(path: Path, files: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def write_folder(path: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


WRITERS: dict[str, Callable[[Path, dict[str, bytes]], Path]] = {
    "folder": write_folder,
    "zip": write_zip,
    "tar": write_tar,
    "tar.gz": lambda path, files: write_tar(path, files, "w:gz"),
    "tar.bz2": lambda path, files: write_tar(path, files, "w:bz2"),
    "tar.xz": lambda path, files: write_tar(path, files, "w:xz"),
}


def read(source: Path) -> dict[str, bytes]:
    return {str(entry.path): entry.data for entry in entries(source, (".png",)) if entry.data is not None}


@pytest.mark.parametrize("kind", WRITERS)
def test_every_kind_of_source_gives_the_same_files(kind: str, tmp_path: Path) -> None:
    assert read(WRITERS[kind](tmp_path / "source", FILES)) == WANTED


@pytest.mark.parametrize("write", [write_zip, write_tar])
@pytest.mark.parametrize("name", ["../evil.png", "a/../../evil.png", "/etc/evil.png", "..\\evil.png"])
def test_names_that_lead_out_are_refused(write: Callable[..., Path], name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"evil\.png leads out of the archive"):
        read(write(tmp_path / "source", {"a/1.png": b"", name: b"evil"}))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_a_tar_are_refused(kind: bytes, tmp_path: Path) -> None:
    member = tarfile.TarInfo("a/link.png")
    member.type, member.linkname = kind, "/etc/passwd"
    with tarfile.open(tmp_path / "source", "w") as archive:
        archive.addfile(member)
    with pytest.raises(DataError, match=r"a/link\.png is a link or device"):
        read(tmp_path / "source")


def test_links_in_a_zip_are_refused(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("a/link.png")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "source", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(DataError, match=r"a/link\.png is a link"):
        read(tmp_path / "source")


def test_encrypted_zip_is_refused(tmp_path: Path) -> None:
    source = write_zip(tmp_path / "source", {"a/1.png": b"one"})
    content = bytearray(source.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the flag in the central directory
    source.write_bytes(content)
    with pytest.raises(DataError, match=r"a/1\.png is encrypted"):
        read(source)


@pytest.mark.parametrize("kind", WRITERS)
def test_a_file_that_is_too_large_is_refused(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_FILE_BYTES", 100_000)
    read(WRITERS[kind](tmp_path / "small", {"a/1.png": bytes(100_000)}))
    with pytest.raises(DataError, match=r"a/1\.png has 100,001 bytes; a file may have at most 100,000"):
        read(WRITERS[kind](tmp_path / "large", {"a/1.png": bytes(100_001)}))


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tar.xz"])
def test_an_archive_that_unpacks_to_too_much_is_refused(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = WRITERS[kind](tmp_path / "source", {f"a/{i}.txt": bytes(50_000) for i in range(10)})
    read(source)
    monkeypatch.setattr(archives, "MAX_TOTAL_BYTES", 400_000)
    with pytest.raises(DataError, match="source unpacks to more than"):
        read(source)


def test_many_files_may_together_be_longer_than_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_FILE_BYTES", 100_000)
    assert len(read(write_tar(tmp_path / "source", {f"a/{i}.png": bytes(90_000) for i in range(10)}))) == 10


def test_a_tar_header_of_any_length_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_FILE_BYTES", 100_000)
    source = write_tar(tmp_path / "source", {"a/" + 500_000 * "x" + ".png": b"one"}, "w:gz")
    assert source.stat().st_size < 10_000
    with pytest.raises(DataError, match="source has a header of more than 100,000 bytes"):
        read(source)


@pytest.mark.parametrize("kind", WRITERS)
def test_too_many_files_are_refused(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_ENTRIES", 3)
    with pytest.raises(DataError, match="source has more than 3 files"):
        read(WRITERS[kind](tmp_path / "source", FILES))


def test_what_is_not_there_or_no_archive_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no file or folder .*nowhere"):
        read(tmp_path / "nowhere")
    (tmp_path / "text").write_bytes(b"I am no archive. " * 100)
    with pytest.raises(DataError, match="text cannot be read as a folder, tar or zip"):
        read(tmp_path / "text")


def test_odd_things_in_a_folder(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "folder", {"a/1.png": b"one"})
    (folder / "loop").symlink_to(folder)
    assert {"a/1.png", "loop/a/1.png"} <= set(read(folder))  # ends, although the folder contains itself
    (folder / "a" / "2.png").symlink_to(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"2\.png is a broken link or a device"):
        read(folder)
    (folder / "a" / "2.png").unlink()
    os.mkfifo(folder / "a" / "2.png")
    with pytest.raises(DataError, match=r"2\.png is a broken link or a device"):
        read(folder)


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tar.xz"])
@settings(max_examples=60)
@given(data=st.data())
def test_any_damage_ends_in_files_or_in_one_sentence(
    kind: str, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    content = bytearray(WRITERS[kind](folder / "source", FILES).read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (folder / "source").write_bytes(content[: data.draw(st.integers(1, len(content)))])
    with contextlib.suppress(DataError):
        read(folder / "source")
