"""Own images: what is accepted, what is refused, and that nothing refused stays."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app import uploads
from fedlab_core.data.datasets import load_dataset
from fedlab_core.data.pixels import DataError


def picture(shade: int, side: int = 8) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.full((side, side), shade, np.uint8)).save(out, "PNG")
    return out.getvalue()


GOOD = {f"{kind}/{n}.png": picture(20 * n + shade) for kind, shade in (("cat", 0), ("dog", 9)) for n in range(6)}


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def tarred(files: dict[str, bytes], mode: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


@pytest.mark.parametrize("content", [zipped(GOOD), tarred(GOOD, "w"), tarred(GOOD, "w:gz"), tarred(GOOD, "w:xz")])
def test_an_archive_is_kept_under_a_name_of_ours(content: bytes, tmp_path: Path) -> None:
    path = uploads.keep(content, tmp_path / "uploads")
    assert path.parent == tmp_path / "uploads"
    assert len(path.name) == 20
    assert load_dataset("images", path=str(path)).class_names == ("cat", "dog")
    assert uploads.keep(content, tmp_path / "uploads") == path
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no archive"),
        (b"GIF89a" + bytes(400), "no archive"),
        (b"<html><script>alert(1)</script></html>", "no archive"),
        (b"PK\x03\x04" + bytes(100), "the archive"),
        (zipped({"cat/1.png": picture(1)}), "two classes|one class"),
        (zipped({**GOOD, "../../evil.png": picture(1)}), "evil"),
        (zipped({**GOOD, "cat/large.png": picture(1, 9)}), "large.png"),
        (zipped({**GOOD, "cat/x.png": b"no image"}), "x.png"),
    ],
)
def test_what_is_refused_leaves_nothing(content: bytes, why: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=why) as refusal:
        uploads.keep(content, tmp_path)
    assert str(tmp_path) not in str(refusal.value)
    assert list(tmp_path.iterdir()) == []


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = zipped(GOOD)
    monkeypatch.setattr(uploads, "MAX_BYTES", len(content) - 1)
    with pytest.raises(DataError, match=r"has [\d,]+ bytes; allowed are"):
        uploads.keep(content, tmp_path)
    monkeypatch.setattr(uploads, "MAX_BYTES", len(content))
    monkeypatch.setattr(uploads, "MAX_KEPT_BYTES", len(content) + 10)
    uploads.keep(content, tmp_path)
    with pytest.raises(DataError, match=r"keeps .* already"):
        uploads.keep(zipped({**GOOD, "cat/1.png": picture(3)}), tmp_path)
