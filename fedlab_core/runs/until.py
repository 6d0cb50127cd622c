"""Stop rules: when a run has shown enough. No part of an experiment: the same numbers come out, only fewer of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from fedlab_core.metrics import metric_of

Limit = Literal["score", "bytes"]


class Until(BaseModel):
    """A run stops after the first round that reaches any of these; without any, after its last round.

    Attributes:
        score: the test accuracy is at least this, in [0, 1]; of a regression, the error is at most this, in years.
        bytes: all clients together have sent and received at least so many in this run, as encoded.
        ended_by, ended_in: which limit ended the run, and its round; that limit is gone then, so that who resumes the
            run gets more of it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    score: Annotated[float, Field(gt=0)] | None = None
    bytes: Annotated[int, Field(gt=0)] | None = None
    ended_by: Limit | None = None
    ended_in: int | None = None

    def reached(self, rows: Sequence[Mapping[str, Any]]) -> Limit | None:
        """Which limit the last of these rounds of a run has reached."""
        metric = metric_of(rows[-1])
        if self.score is not None and metric.gain(rows[-1][metric.test], self.score) >= 0:
            return "score"
        return "bytes" if self.bytes is not None and total_bytes(rows) >= self.bytes else None

    def ended(self, limit: Limit, round: int) -> Until:
        """What is left of the rule after this limit has ended the run."""
        return self.model_copy(update={limit: None, "ended_by": limit, "ended_in": round})


def total_bytes(rows: Sequence[Mapping[str, Any]]) -> int:
    """All that was sent up and down in these rounds, as encoded."""
    return sum(row["upload_bytes"] + row["download_bytes"] for row in rows)


FOREVER = Until()
"""To the last round."""
