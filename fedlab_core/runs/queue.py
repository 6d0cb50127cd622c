"""Who computes which run: claiming, status, requests from outside, and runs whose process died."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Literal

from fedlab_core.runs.blobs import RunError
from fedlab_core.runs.database import Database
from fedlab_core.runs.fair import Place, Waiting, fair_order
from fedlab_core.runs.info import Status, Wish, is_alive, machine, recorded_processes, this_process
from fedlab_core.runs.tables import run_row

Action = Literal["pause", "resume", "stop", "step"]

_LEFT = "UPDATE runs SET status = ?, error = ?, wish = ?, pid = NULL, pid_started = NULL WHERE run_id = ?"


class RunQueue:
    """The part of the run store that processes talk through. A run is *held* by the process whose number it has."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, run_id: str | None = None, *, only_cells: bool = False, from_pid: int | None = None) -> str | None:
        """Make a run the work of this process: the next queued one (see `fair.py`; None if there is none), or the given
        one. With `only_cells`, the next one of a sweep.

        Args:
            from_pid: the process that holds the given run now, and has it carried out by this one.

        Raises:
            RunError: the given run is finished, or another process has it.
        """
        self.mark_interrupted()
        with self._database.transaction() as connection:
            if run_id is None:
                run_id = next(self._line(only_cells), None)
                if run_id is None:
                    return None
            row = run_row(connection, run_id)
            _refuse_finished(run_id, row["status"])
            if row["pid"] not in (None, from_pid):
                raise RunError(f"run {run_id} is {row['status']} already, in another process")
            before = json.loads(row["machine"])
            kept = {"processes": recorded_processes(before)} if before else {}
            kept |= {"where": before["where"]} if "where" in before else {}
            connection.execute(
                "UPDATE runs SET status = 'running', error = '', machine = ?, pid = ?, pid_started = ?,"
                " taken = (SELECT coalesce(max(taken), 0) + 1 FROM runs) WHERE run_id = ?",
                (json.dumps({**machine(), **kept}), *this_process(), run_id),
            )
        return run_id

    def any_queued(self, *, single: bool = False) -> bool:
        """Whether a run waits for a worker; `single`: one that belongs to no sweep."""
        sql = "SELECT 1 FROM runs WHERE status = 'queued' AND (NOT ? OR sweep_id IS NULL) LIMIT 1"
        return bool(self._database.query(sql, single))

    def place_in_queue(self, run_id: str) -> Place | None:
        """Where a waiting run stands as things are now; None if it does not wait."""
        line = list(self._line())
        running = self._database.query("SELECT run_id FROM runs WHERE status = 'running' ORDER BY taken")
        if run_id not in line:
            return None
        return Place(line.index(run_id) + 1, len(line), tuple(row["run_id"] for row in running))

    def _line(self, only_cells: bool = False) -> Iterator[str]:
        """The waiting runs in the order in which workers take them."""
        queued = self._database.query("SELECT run_id, owner, sweep_id FROM runs WHERE status = 'queued' ORDER BY seq")
        waiting = [Waiting(row["run_id"], row["owner"], row["sweep_id"] is not None) for row in queued]
        by_owner = "SELECT owner, sum(status = 'running') AS now, max(taken) AS latest FROM runs GROUP BY owner"
        owners = self._database.query(by_owner)
        having = {row["owner"]: row["now"] for row in owners}
        latest = {row["owner"]: row["latest"] or 0 for row in owners}
        return fair_order([run for run in waiting if run.is_cell or not only_cells], having, latest)

    def set_status(self, run_id: str, status: Status, error: str = "") -> None:
        """Say how a run is, as the process that holds it (or when nobody does)."""
        with self._database.transaction() as connection:
            run_row(connection, run_id)
            connection.execute("UPDATE runs SET status = ?, error = ? WHERE run_id = ?", (status, error, run_id))

    def leave(self, run_id: str, status: Status, error: str = "") -> None:
        """Say how a run is and hold it no more. Nothing is asked of it any longer, unless it is "queued" again."""
        with self._database.transaction() as connection:
            wish = run_row(connection, run_id)["wish"]
            if status != "queued" or wish == "stop":
                status, wish = "stopped" if status == "queued" else status, "run"
            connection.execute(_LEFT, (status, error, wish, run_id))

    def holder(self, run_id: str) -> int | None:
        """The number of the process that holds a run, None if none does."""
        self.mark_interrupted()
        rows = self._database.query("SELECT pid FROM runs WHERE run_id = ?", run_id)
        if not rows:
            raise RunError(f"there is no run {run_id!r}")
        pid: int | None = rows[0]["pid"]
        return pid

    def wish(self, run_id: str) -> Wish:
        """What the process that holds a run is asked to do; one plain SELECT, cheap enough for every step."""
        rows = self._database.query("SELECT wish FROM runs WHERE run_id = ?", run_id)
        if not rows:
            raise RunError(f"there is no run {run_id!r}")
        wish: Wish = rows[0]["wish"]
        return wish

    def request(self, run_id: str, action: Action) -> None:
        """Ask for something; the process that holds the run follows within one client step.

        `resume` and `step` (one more round, then pause) put a run that nobody holds into the queue. `pause` and `stop`
        of a run that is at rest already change nothing.

        Raises:
            RunError: resume or step of a finished run.
        """
        self.mark_interrupted()
        with self._database.transaction() as connection:
            row = run_row(connection, run_id)
            status, held = row["status"], row["pid"] is not None
            if action in ("resume", "step"):
                _refuse_finished(run_id, status)
                if not held:
                    connection.execute("UPDATE runs SET status = 'queued' WHERE run_id = ?", (run_id,))
            elif action == "stop" and not held and status in ("queued", "paused"):
                connection.execute(_LEFT, ("stopped", "", "run", run_id))
                return
            elif not held and status != "queued":
                return
            wish = "run" if action == "resume" else action
            connection.execute("UPDATE runs SET wish = ? WHERE run_id = ?", (wish, run_id))

    def mark_interrupted(self) -> None:
        """Runs whose process died without a word. Reads only, unless there is one."""
        held = self._database.query("SELECT run_id, pid, pid_started FROM runs WHERE pid IS NOT NULL")
        dead = [tuple(row) for row in held if not is_alive(row["pid"], row["pid_started"])]
        if dead:
            with self._database.transaction() as connection:
                # By process, too: someone else may have resumed the run in the meantime.
                connection.executemany(
                    "UPDATE runs SET status = 'interrupted', wish = 'run', pid = NULL, pid_started = NULL"
                    " WHERE run_id = ? AND pid = ? AND pid_started = ?",
                    dead,
                )


def _refuse_finished(run_id: str, status: Status) -> None:
    if status == "finished":
        raise RunError(f"run {run_id} is finished; fork it to go on under other settings")
