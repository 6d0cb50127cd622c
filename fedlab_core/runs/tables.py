"""SQL that both the store and the transfer of runs between stores need: one round, one blob, one row."""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fedlab_core.experiment import Experiment
from fedlab_core.runs.blobs import Blobs, RunError
from fedlab_core.runs.info import Status
from fedlab_core.runs.until import FOREVER, Until
from fedlab_core.types import ServerState

FULL_STATE_BYTES = 2 * 2**20
"""Up to this size all states are kept; of larger ones every second, third, ..., the first and the newest."""


_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"


def plain(text: str) -> str:
    """Free text as one printable line of at most 120 characters."""
    return "".join(c if c.isprintable() else " " for c in text).strip()[:120]


def insert_run(
    connection: sqlite3.Connection,
    *,
    name: str,
    owner: str,
    created: datetime,
    experiment: Experiment,
    parent_id: str | None,
    parent_round: int | None,
    status: Status,
    machine: Mapping[str, Any] | None = None,
    sweep_id: str | None = None,
    cell: int | None = None,
    until: Until = FOREVER,
) -> str:
    """A new run without rounds, and its id."""
    row = {
        "run_id": new_id(),
        "name": plain(name),
        "owner": plain(owner),
        "created": created.isoformat(timespec="seconds"),
        "experiment": experiment.to_json(),
        "parent_id": parent_id,
        "parent_round": parent_round,
        "status": status,
        "machine": json.dumps(machine or {}),
        "sweep_id": sweep_id,
        "cell": cell,
        "until": until.model_dump_json(exclude_none=True),
    }
    columns, places = ", ".join(row), ", ".join(f":{column}" for column in row)
    connection.execute(f"INSERT INTO runs ({columns}) VALUES ({places})", row)
    return str(row["run_id"])


def new_id() -> str:
    """Ten letters and digits that are easy to type, for a run or a sweep."""
    return "".join(secrets.choice(_LETTERS) for _ in range(10))


def run_row(connection: sqlite3.Connection, run_id: str) -> sqlite3.Row:
    """The row of a run. Raises `RunError` if there is none."""
    row: sqlite3.Row | None = connection.execute("SELECT * FROM runs WHERE run_id = ?", (run_id,)).fetchone()
    if row is None:
        raise RunError(f"there is no run {run_id!r}")
    return row


def insert_round(connection: sqlite3.Connection, run_id: str, row: Mapping[str, Any], blobs: Blobs) -> None:
    """One round with its tensors; a blob that the run has already is not stored again."""
    connection.execute("INSERT INTO rounds VALUES (?, ?, ?)", (run_id, row["round"], json.dumps(row)))
    for kind, payload in blobs.items():
        digest = digest_of(payload)
        connection.execute("INSERT INTO tensors VALUES (?, ?, ?, ?)", (run_id, row["round"], kind, digest))
        connection.execute("INSERT OR IGNORE INTO blobs VALUES (?, ?, ?)", (run_id, digest, payload))


def digest_of(payload: bytes) -> str:
    """The name under which a blob is stored."""
    return hashlib.sha256(payload).hexdigest()


def checked(payload: bytes, digest: str) -> bytes:
    """The payload, if it is the one that was stored. Raises `RunError`."""
    if digest_of(payload) != digest:
        raise RunError("a stored tensor is damaged")
    return payload


def stride(server: ServerState) -> int:
    """The state of every how many rounds is kept; by its size unpruned, so that it stays the same through a run."""
    groups = (server.params, server.buffers, server.state)
    size = sum(t.numel() * t.element_size() for named in groups for t in named.values())
    return max(1, -(-size // FULL_STATE_BYTES))


def drop_states(connection: sqlite3.Connection, run_id: str, before: int, keep_every: int) -> None:
    """Remove the states earlier than `before` that are neither the first nor on the stride; masks stay."""
    removed = connection.execute(
        "DELETE FROM tensors WHERE run_id = ?1 AND kind IN ('model', 'memory') AND round < ?2 AND round % ?3 != 0"
        " AND round > (SELECT min(round) FROM rounds WHERE run_id = ?1)",
        (run_id, before, keep_every),
    )
    if removed.rowcount:
        connection.execute(
            "DELETE FROM blobs WHERE run_id = ?1 AND digest NOT IN (SELECT digest FROM tensors WHERE run_id = ?1)",
            (run_id,),
        )
