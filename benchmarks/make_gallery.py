"""Make the runs that come with the repository, so that the dashboard's first start shows something: data/gallery/.

    python benchmarks/make_gallery.py

Masks of all rounds are kept, states of every fifth: what lies between is computed again when someone forks there.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from fedlab_core.runs.execute import execute
from fedlab_core.runs.gallery import GALLERY
from fedlab_core.runs.recipes import recipe
from fedlab_core.runs.store import RunStore
from fedlab_core.runs.text import outcome

# The last one is the newest when they are loaded: what a first start shows.
RECIPES = ("random-digits", "two-labels-digits", "fedsparsify-digits")


def main() -> None:
    GALLERY.mkdir(parents=True, exist_ok=True)
    for old in GALLERY.glob("*.safetensors"):
        old.unlink()
    with tempfile.TemporaryDirectory() as folder, RunStore(Path(folder) / "runs.sqlite") as store:
        for place, name in enumerate(RECIPES, start=1):
            run_id = store.create(recipe(name), name=name, status="stopped")
            execute(store, run_id)
            file = GALLERY / f"{place}-{name}.safetensors"
            file.write_bytes(store.export(run_id, keep_every=5))
            done = outcome(store.get(run_id).last_row)
            print(f"{file.name}: {file.stat().st_size / 1e6:.2f} MB, {done}", file=sys.stderr)


if __name__ == "__main__":
    main()
