"""What it took to reach an accuracy or an error: rounds, bytes both ways, FLOPs.

This is what claims of "3 times fewer bytes" are about.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from fedlab_core.metrics import ACCURACY, metric_of


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


def costs_to_target(rows: Iterable[Mapping[str, Any]], target: float) -> CostsToTarget | None:
    """Costs until the test metric is at least as good as `target` for the first time; None if it never is.

    Args:
        rows: of one run, from its first round on: `RoundRecord.to_json()`, or what the run store gives back.
        target: an accuracy in (0, 1], or, of a regression, a mean absolute error in years.

    Raises:
        ValueError: no accuracy in (0, 1], or no error above 0.
    """
    rows = list(rows)
    metric = metric_of(rows[0]) if rows else ACCURACY
    most = 1.0 if metric is ACCURACY else math.inf
    if not 0 < target <= most:
        raise ValueError(f"target {metric.name} is {target}; allowed is 0 < {metric.name} <= {most:g}")
    sums = dict.fromkeys(CostsToTarget._fields[1:], 0)
    for row in rows:
        sums = {name: total + row[name] for name, total in sums.items()}
        if metric.gain(row[metric.test], target) >= 0:
            return CostsToTarget(row["round"], **sums)
    return None
