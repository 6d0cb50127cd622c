"""Whose updates a stored round had to do without, in words. Rows of older runs have nobody to name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Row = Mapping[str, Any]

LONGEST = 120
"""Characters of a reason: some are texts that a node has sent."""
NAMED = 5
"""So many clients of a round are named for each reason."""


def dropped(row: Row) -> dict[int, str]:
    """Who was asked and left out, and why: one printable line each."""
    return {client: _line(reason) for client, reason in row.get("dropped", []) if client in row["clients"]}


def merged(row: Row) -> list[int]:
    """Whose updates were merged."""
    gone = dropped(row)
    return [client for client in row["clients"] if client not in gone]


def is_skipped(row: Row) -> bool:
    """Whether nobody was left, so that the model stayed as it was."""
    return bool(row.get("skipped", False))


def note(row: Row) -> str:
    """A round in one line: "dropped: client 3 (no answer)", or that it was skipped; empty where all is well."""
    by_reason: dict[str, list[int]] = {}
    for client, reason in dropped(row).items():
        by_reason.setdefault(reason, []).append(client)
    who = ", ".join(f"{_names(clients)} ({reason})" for reason, clients in by_reason.items())
    said = [f"dropped: {who}"] if who else []
    return "; ".join(["skipped, the model stayed as it was"] * is_skipped(row) + said)


def counts(rows: Iterable[Row]) -> tuple[int, int, int]:
    """Dropped updates, the rounds with any, and skipped rounds."""
    rows = list(rows)
    each = [len(dropped(row)) for row in rows]
    return sum(each), sum(count > 0 for count in each), sum(map(is_skipped, rows))


def total(rows: Iterable[Row]) -> str:
    """A run in one clause: "3 updates were dropped in 2 rounds, 1 round was skipped"; empty where all is well."""
    updates, affected, skipped = counts(rows)
    parts = [f"{_count(updates, 'update')} dropped in {affected} round{'s' * (affected != 1)}"] if updates else []
    return ", ".join([*parts, f"{_count(skipped, 'round')} skipped"] if skipped else parts)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun} was" if number == 1 else f"{number} {noun}s were"


def _names(clients: list[int]) -> str:
    more = f" and {len(clients) - NAMED} more" if len(clients) > NAMED else ""
    return f"client{'s' * (len(clients) > 1)} {', '.join(map(str, clients[:NAMED]))}{more}"


def _line(text: str) -> str:
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
