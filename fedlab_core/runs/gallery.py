"""The gallery: small finished runs that come with the repository, so that a first start shows something."""

from __future__ import annotations

from pathlib import Path

from fedlab_core.runs.store import RunStore

GALLERY = Path(__file__).resolve().parents[2] / "data" / "gallery"


def load_gallery(store: RunStore, folder: Path = GALLERY) -> list[str]:
    """Import every run of the folder, in the order of their names, into a store that has no runs and never had them.

    Whoever deletes them does not get them again.

    Returns:
        Their new ids; empty if there was nothing to do.

    Raises:
        RunError: a damaged file.
    """
    if store.list() or not store.once("gallery"):
        return []
    return [store.import_run(file.read_bytes()) for file in sorted(folder.glob("*.safetensors"))]
