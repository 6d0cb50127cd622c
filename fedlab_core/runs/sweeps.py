"""Sweeps in the store: a grid, and the runs that have begun. Its other cells are only planned, and no runs yet."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from datetime import UTC, datetime

from fedlab_core.runs.blobs import RunError
from fedlab_core.runs.database import Database
from fedlab_core.runs.grid import Cell, Grid
from fedlab_core.runs.info import Status
from fedlab_core.runs.tables import insert_run, new_id, plain

PROCESSES = 1
"""Over how many processes the clients of a sweep's run are spread: one, because the runs are side by side. So a run's
result depends neither on how many of them there are, nor on their order."""


@dataclass(frozen=True)
class SweepInfo:
    """A sweep.

    Attributes:
        sweep_id: ten letters and digits, as a run has.
        name: free text.
        owner: as of a run.
        created: ISO 8601, UTC.
        grid: its experiments.
    """

    sweep_id: str
    name: str
    owner: str
    created: str
    grid: Grid = field(repr=False)

    @classmethod
    def of(cls, row: sqlite3.Row) -> SweepInfo:
        """From a row. Raises `ValueError`: settings that this version does not know."""
        return cls(**{key: row[key] for key in ("sweep_id", "name", "owner", "created")}, grid=Grid.parse(row["grid"]))


Sweeps = list[SweepInfo]


class SweepShelf:
    """The part of the run store that is about sweeps."""

    _database: Database

    def create_sweep(self, grid: Grid, *, name: str = "", owner: str = "") -> str:
        """A new sweep without runs, and its id."""
        row = (new_id(), plain(name), plain(owner), datetime.now(UTC).isoformat(timespec="seconds"), grid.to_json())
        with self._database.transaction() as connection:
            connection.execute("INSERT INTO sweeps (sweep_id, name, owner, created, grid) VALUES (?, ?, ?, ?, ?)", row)
        return row[0]

    def sweep(self, sweep_id: str) -> SweepInfo:
        """One sweep, by its id or a unique beginning of it. Raises `RunError`."""
        found = self._database.query("SELECT * FROM sweeps WHERE substr(sweep_id, 1, ?) = ?", len(sweep_id), sweep_id)
        if not sweep_id or not found:
            raise RunError(f"there is no sweep {sweep_id!r}")
        if len(found) > 1:
            raise RunError(f"{sweep_id!r} is the beginning of {len(found)} sweeps; give more of its letters")
        try:
            return SweepInfo.of(found[0])
        except ValueError as error:
            raise RunError(f"sweep {sweep_id} has settings that this version does not know: {error}") from error

    def sweeps(self) -> Sweeps:
        """All sweeps, newest first, but those whose settings are unknown to this version."""
        sweeps = []
        for row in self._database.query("SELECT * FROM sweeps ORDER BY seq DESC"):
            try:
                sweeps.append(SweepInfo.of(row))
            except ValueError:
                continue
        return sweeps

    def begin_cell(self, sweep: SweepInfo, cell: Cell, status: Status = "interrupted") -> str:
        """The run of a cell: a new one, if there is none yet. Only a queued one is taken by the workers of a queue."""
        sql = "SELECT run_id FROM runs WHERE sweep_id = ? AND cell = ?"
        with self._database.transaction() as connection:
            there = connection.execute(sql, (sweep.sweep_id, cell.place)).fetchone()
            if there is not None:
                return str(there["run_id"])
            return insert_run(
                connection,
                name=f"{sweep.name} {cell.name}",
                owner=sweep.owner,
                created=datetime.now(UTC),
                experiment=cell.experiment,
                parent_id=None,
                parent_round=None,
                status=status,
                machine={"processes": PROCESSES},
                sweep_id=sweep.sweep_id,
                cell=cell.place,
            )

    def queue_sweep(self, sweep_id: str) -> None:
        """Put every cell that is neither finished nor being carried out into the queue, also of a stopped sweep."""
        sweep = self.sweep(sweep_id)
        for cell in sweep.grid.cells:
            self.begin_cell(sweep, cell, status="queued")
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE runs SET status = 'queued' WHERE sweep_id = ? AND pid IS NULL AND status != 'finished'",
                (sweep.sweep_id,),
            )
            connection.execute(
                "UPDATE runs SET wish = 'run' WHERE sweep_id = ? AND status != 'finished'", (sweep.sweep_id,)
            )

    def stop_sweep(self, sweep_id: str) -> None:
        """Take what waits out of the queue, and ask for what is being carried out to stop. What is done stays."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE runs SET status = 'stopped', wish = 'run'"
                " WHERE sweep_id = ? AND pid IS NULL AND status IN ('queued', 'paused')",
                (sweep_id,),
            )
            connection.execute("UPDATE runs SET wish = 'stop' WHERE sweep_id = ? AND pid IS NOT NULL", (sweep_id,))

    def delete_sweep(self, sweep_id: str) -> None:
        """Remove a sweep and all of its runs. Refused while one of them is running."""
        with self._database.transaction() as connection:
            sql = "SELECT run_id FROM runs WHERE sweep_id = ? AND pid IS NOT NULL"
            held = connection.execute(sql, (sweep_id,)).fetchone()
            if held is not None:
                raise RunError(f"run {held['run_id']} of the sweep is still running; stop it before deleting the sweep")
            if not connection.execute("DELETE FROM sweeps WHERE sweep_id = ?", (sweep_id,)).rowcount:
                raise RunError(f"there is no sweep {sweep_id!r}")
