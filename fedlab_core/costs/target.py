"""What it took to reach an accuracy: rounds, bytes both ways, FLOPs; what claims of "3 times fewer bytes" are about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple


class CostsToTarget(NamedTuple):
    """Everything up to the end of the first round that reaches the target, all clients together.

    Attributes:
        round: that round.
        upload_bytes, download_bytes: lengths of messages, those of round 0 included.
        dense_flops, effective_flops: of training, as in `RoundRecord`.
    """

    round: int
    upload_bytes: int
    download_bytes: int
    dense_flops: int
    effective_flops: int

    @property
    def bytes(self) -> int:
        """Both ways."""
        return self.upload_bytes + self.download_bytes


def costs_to_target(rows: Iterable[Mapping[str, Any]], accuracy: float) -> CostsToTarget | None:
    """Costs until `test_accuracy` is at least `accuracy` for the first time; None if it never is.

    Args:
        rows: of one run, from its first round on: `RoundRecord.to_json()`, or what the run store gives back.
        accuracy: in (0, 1].

    Raises:
        ValueError: accuracy outside (0, 1].
    """
    if not 0 < accuracy <= 1:
        raise ValueError(f"target accuracy is {accuracy}; allowed is 0 < accuracy <= 1")
    sums = dict.fromkeys(CostsToTarget._fields[1:], 0)
    for row in rows:
        sums = {name: total + row[name] for name, total in sums.items()}
        if row["test_accuracy"] >= accuracy:
            return CostsToTarget(row["round"], **sums)
    return None
