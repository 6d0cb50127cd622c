"""The SQLite file behind the run store: where it lies, its tables, its transactions.

WAL lets readers (dashboard) and one writer (worker) work side by side. Because every change is one transaction, a
process that is killed in the middle leaves the file as it was before.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fedlab_core.runs.blobs import RunError

BUSY_S = 20.0
"""How long a writer waits for another one."""

_SCHEMA = (
    """CREATE TABLE runs (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,  -- order of arrival
        run_id TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL,
        owner TEXT NOT NULL,
        created TEXT NOT NULL,
        experiment TEXT NOT NULL,
        parent_id TEXT,                         -- of a fork; the parent may be deleted
        parent_round INTEGER,
        status TEXT NOT NULL,
        wish TEXT NOT NULL DEFAULT 'run',       -- what the executing process is asked to do: run, step, pause, stop
        error TEXT NOT NULL DEFAULT '',
        machine TEXT NOT NULL DEFAULT '{}',
        pid INTEGER,                            -- the executing process and its start time
        pid_started REAL)""",
    """CREATE TABLE rounds (
        run_id TEXT NOT NULL REFERENCES runs (run_id) ON DELETE CASCADE,
        round INTEGER NOT NULL,
        row TEXT NOT NULL,
        PRIMARY KEY (run_id, round)) WITHOUT ROWID""",
    """CREATE TABLE tensors (
        run_id TEXT NOT NULL,
        round INTEGER NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('masks', 'model', 'memory')),
        digest TEXT NOT NULL,
        PRIMARY KEY (run_id, round, kind),
        FOREIGN KEY (run_id, round) REFERENCES rounds (run_id, round) ON DELETE CASCADE) WITHOUT ROWID""",
    """CREATE TABLE blobs (                       -- by SHA-256: masks that did not change are stored once
        run_id TEXT NOT NULL REFERENCES runs (run_id) ON DELETE CASCADE,
        digest TEXT NOT NULL,
        bytes BLOB NOT NULL,
        PRIMARY KEY (run_id, digest))""",
    "CREATE TABLE done (what TEXT PRIMARY KEY)",  # things that happen once in the life of a store
)

# What takes a file of version 1, 2, ... to the next one; a new file goes the same way. Never change a step that was
# published: add one.
_UPGRADES = (
    (
        """CREATE TABLE sweeps (
            seq INTEGER PRIMARY KEY AUTOINCREMENT,
            sweep_id TEXT NOT NULL UNIQUE,
            name TEXT NOT NULL,
            owner TEXT NOT NULL,
            created TEXT NOT NULL,
            grid TEXT NOT NULL)""",
        # A run of a sweep, and its place in the grid; NULL for all others.
        "ALTER TABLE runs ADD COLUMN sweep_id TEXT REFERENCES sweeps (sweep_id) ON DELETE CASCADE",
        "ALTER TABLE runs ADD COLUMN cell INTEGER",
        # Two programs that carry out one sweep share its cells: neither can make one that is there.
        "CREATE UNIQUE INDEX cells ON runs (sweep_id, cell)",
    ),
    # A number that rises with every run that a process takes: who was served last.
    ("ALTER TABLE runs ADD COLUMN taken INTEGER",),
    # When a run stops before its last round, as JSON.
    ("ALTER TABLE runs ADD COLUMN until TEXT NOT NULL DEFAULT '{}'",),
)
VERSION = 1 + len(_UPGRADES)


def default_store_path() -> Path:
    """`FEDLAB_STORE`, else data/runs.sqlite of the repository, else the platform's folder for user data."""
    if os.environ.get("FEDLAB_STORE"):
        return Path(os.environ["FEDLAB_STORE"])
    repository = Path(__file__).resolve().parents[2]
    if (repository / "Makefile").is_file():  # Flower's copies of an app have the other files
        return repository / "data" / "runs.sqlite"
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = home / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME", home / ".local" / "share"))
    return base / "fedlab" / "runs.sqlite"


class Database:
    """One connection, safe to share between threads. Whatever SQLite complains about becomes a `RunError`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise RunError(f"the run store {path} cannot be opened: {error}") from error
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection; the object is of no use afterwards."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing. Locks out other writers from the start, so that what is read inside stays true."""
        with self._lock, self._complaints():
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def query(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """Rows of one SELECT."""
        with self._lock, self._complaints():
            return self._connection.execute(sql, values).fetchall()

    @contextmanager
    def _complaints(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OverflowError) as error:
            raise RunError(f"the run store {self.path} cannot be used: {error}") from error

    def _prepare(self) -> None:
        """Settings of the connection; tables and columns that the file does not have yet."""
        self._connection.row_factory = sqlite3.Row
        self._version()  # before anything is changed: the file may be somebody else's
        for setting in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
            self.query(f"PRAGMA {setting}")
        if self._version() < VERSION:
            with self.transaction() as connection:
                version = self._version()  # again: another process may have been faster
                for step in (_SCHEMA, *_UPGRADES)[version:]:
                    for statement in step:
                        connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {VERSION}")

    def _version(self) -> int:
        """The format of the file, 0 if it has no tables yet. Raises `RunError` if it is no run store that we know."""
        # In one statement: between two, another process may make the tables.
        sql = "SELECT user_version, (SELECT count(*) FROM sqlite_master) FROM pragma_user_version"
        ((version, tables),) = self.query(sql)
        if not 0 <= version <= VERSION or (version == 0) != (tables == 0):
            raise RunError(f"the run store {self.path} has format {version}; allowed are 1 to {VERSION}")
        return int(version)
