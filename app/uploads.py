"""Own images, sent to the server: checked before anything is trained on them, under a name that the server makes."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

import streamlit as st

from app import engine, session
from fedlab_core.data.datasets import load_dataset
from fedlab_core.data.pixels import DataError

MAX_BYTES = 200 * 2**20
"""Of one archive; Streamlit refuses more before it is sent."""
MAX_KEPT_BYTES = 4 * 2**30
"""Of all archives together."""

# How archives begin: zip, gzip, bzip2, xz; a tar says so in its first header instead.
_MAGIC = (b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00")
_TAR = slice(257, 262)


def box() -> None:
    """A field for an archive; once it is accepted, the configuration reads it."""
    st.file_uploader(
        "Your images: a zip or tar with a folder for each class",
        type=["zip", "tar", "gz", "tgz", "bz2", "xz"],
        key="data:upload",
        max_upload_size=MAX_BYTES // 2**20,
        on_change=_take,
        help="All images of one size and kind, as PNG, JPEG, BMP, WEBP or PPM. They stay on this server.",
    )


@session.action
def _take() -> None:
    if (file := st.session_state["data:upload"]) is not None:
        path = keep(file.getvalue(), engine.store().path.parent / "uploads")
        session.use(session.experiment().replace({"data.path": str(path)}))


def keep(content: bytes, folder: Path) -> Path:
    """Store an archive of images, and read it once. Its name is made from what is in it; equal ones are stored once.

    Raises:
        DataError: too large, no archive, or no images that could be trained on; then nothing is kept.
    """
    _check(content)
    path = folder / hashlib.sha256(content).hexdigest()[:20]
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    kept = sum(other.stat().st_size for other in folder.iterdir())
    if kept + len(content) > MAX_KEPT_BYTES:
        raise DataError(f"this server keeps {kept:,} bytes of images already; allowed are {MAX_KEPT_BYTES:,} in all")
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
        file.write(content)
    try:
        load_dataset("images", path=file.name)
        os.replace(file.name, path)
    except DataError as error:
        raise DataError(str(error).replace(file.name, "the archive")) from None
    finally:
        Path(file.name).unlink(missing_ok=True)
    return path


def _check(content: bytes) -> None:
    if len(content) > MAX_BYTES:
        raise DataError(f"the archive has {len(content):,} bytes; allowed are {MAX_BYTES:,}")
    if not content.startswith(_MAGIC) and content[_TAR] != b"ustar":
        raise DataError("the file is no archive; allowed are zip and tar (also .gz, .bz2, .xz)")
