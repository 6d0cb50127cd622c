"""From `RoundRecord`s to columns of numbers: what every figure over rounds starts from."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:  # rows are plain numbers: drawing them must not wait for torch
    from fedlab_core.types import RoundRecord

Row = Mapping[str, Any]
"""One round as `RoundRecord.to_json` writes it and the run store gives it back."""

Column = list[float | None]

X = Literal["round", "megabytes", "flops", "sparsity"]
"""Against what a quantity is drawn."""


class XAxis(NamedTuple):
    """Title, tick format, and the values of an axis, one for each row."""

    title: str
    tickformat: str
    values: Callable[[Sequence[Row]], list[float]]


def rows(records: Iterable[RoundRecord]) -> list[dict[str, Any]]:
    """Records as the rows that every figure takes."""
    return [record.to_json() for record in records]


def column(rows: Sequence[Row], field: str) -> Column:
    """One field of every row; None, where a line breaks, if it is missing or not a finite number."""
    values = (row.get(field) for row in rows)
    return [value if value is not None and math.isfinite(value) else None for value in values]


def last(values: Column) -> float | None:
    """The latest number of a column, None where there is none at all."""
    return next((value for value in reversed(values) if value is not None), None)


def x_axis(x: X) -> XAxis:
    """The axis called `x`.

    Raises:
        ValueError: no axis of that name.
    """
    if x not in _X_AXES:
        raise ValueError(f"x is {x!r}; allowed is one of {', '.join(_X_AXES)}")
    return _X_AXES[x]


def _total_megabytes(rows: Sequence[Row]) -> list[float]:
    return list(accumulate((row["upload_bytes"] + row["download_bytes"]) / 1e6 for row in rows))


_X_AXES: dict[str, XAxis] = {
    "round": XAxis("round", "", lambda rows: [row["round"] for row in rows]),
    "megabytes": XAxis("encoded bytes so far, up and down (MB)", "~g", _total_megabytes),
    "flops": XAxis(
        "training FLOPs so far, weighted by density (theoretical)",
        "~s",
        lambda rows: list(accumulate(row["effective_flops"] for row in rows)),
    ),
    "sparsity": XAxis("sparsity (pruned / prunable weights)", ".0%", lambda rows: [row["sparsity"] for row in rows]),
}
