"""Stop rules: when a run has shown enough. No part of an experiment: the same numbers come out, only fewer of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from fedlab_core.metrics import metric_of


class Until(BaseModel):
    """A run stops after the first round that reaches any of these; without any, after its last round.

    Attributes:
        score: the test accuracy is at least this, in [0, 1]; of a regression, the error is at most this, in years.
        bytes: all clients together have sent and received at least so many, as encoded.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    score: Annotated[float, Field(gt=0)] | None = None
    bytes: Annotated[int, Field(gt=0)] | None = None

    def reached(self, rows: Sequence[Mapping[str, Any]]) -> str:
        """Which of them, "score" or "bytes", the last of these rounds has reached; empty for neither."""
        if not rows:
            return ""
        metric = metric_of(rows[-1])
        if self.score is not None and metric.gain(rows[-1][metric.test], self.score) >= 0:
            return "score"
        return "bytes" if self.bytes is not None and total_bytes(rows) >= self.bytes else ""


def total_bytes(rows: Sequence[Mapping[str, Any]]) -> int:
    """All that was sent up and down in these rounds, as encoded."""
    return sum(row["upload_bytes"] + row["download_bytes"] for row in rows)


FOREVER = Until()
"""To the last round."""
