"""The parts of docs/PERFORMANCE.md that benchmarks write."""

from __future__ import annotations

from pathlib import Path

DOCUMENT = Path(__file__).parents[1] / "docs" / "PERFORMANCE.md"


def fill_in(benchmark: str, text: str) -> None:
    """Replace what stands between the two marks of a benchmark; all other text stays."""
    begin, end = f"<!-- {benchmark}: written by benchmarks/{benchmark}.py -->", f"<!-- {benchmark}: end -->"
    before, mark, rest = DOCUMENT.read_text(encoding="utf-8").partition(begin)
    _, end_mark, after = rest.partition(end)
    if not mark or not end_mark:
        raise ValueError(f"{DOCUMENT.name} lacks one of the lines {begin!r} and {end!r}")
    DOCUMENT.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")
