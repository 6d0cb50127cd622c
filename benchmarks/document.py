"""The parts of docs/PERFORMANCE.md, REPRODUCTION.md, FAULTS.md and SCALE.md that benchmarks write."""

from __future__ import annotations

from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
PERFORMANCE, REPRODUCTION = DOCS / "PERFORMANCE.md", DOCS / "REPRODUCTION.md"
FAULTS, SCALE = DOCS / "FAULTS.md", DOCS / "SCALE.md"


def fill_in(benchmark: str, text: str, document: Path = PERFORMANCE) -> None:
    """Replace what stands between the two marks of a benchmark; all other text stays."""
    begin, end = f"<!-- {benchmark}: written by benchmarks/{benchmark}.py -->", f"<!-- {benchmark}: end -->"
    before, mark, rest = document.read_text(encoding="utf-8").partition(begin)
    _, end_mark, after = rest.partition(end)
    if not mark or not end_mark:
        raise ValueError(f"{document.name} lacks one of the lines {begin!r} and {end!r}")
    document.write_text(f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}", encoding="utf-8")
