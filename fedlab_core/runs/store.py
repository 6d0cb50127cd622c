"""The run store: every run of this machine in one SQLite file, every round one transaction.

with RunStore() as store:
    for run in store.list():
        print(run.run_id, run.status, run.rounds_done)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from fedlab_core.experiment import Experiment
from fedlab_core.left_out import merged
from fedlab_core.runs.blobs import Blobs, RunError, pack, unpack, unpack_masks
from fedlab_core.runs.database import Database, default_store_path
from fedlab_core.runs.info import RunInfo, Status, Where, Wish
from fedlab_core.runs.queue import RunQueue
from fedlab_core.runs.sweeps import SweepShelf
from fedlab_core.runs.tables import checked, drop_states, insert_round, insert_run, plain, run_row, stride
from fedlab_core.runs.transfer import export_run, read_run, states_to_export
from fedlab_core.runs.until import FOREVER, Until
from fedlab_core.types import Masks, RoundRecord, ServerState

__all__ = ["RunError", "RunInfo", "RunStore", "Status", "Wish", "default_store_path"]

# Named here, because inside the class `list` is a method.
Rows = list[dict[str, Any]]
Runs = list[RunInfo]
Rounds = list[int]

_SELECT = """SELECT runs.*, (SELECT row FROM rounds WHERE rounds.run_id = runs.run_id ORDER BY round DESC LIMIT 1)
             AS last_row FROM runs"""


class RunStore(RunQueue, SweepShelf):
    """Runs, their rounds and their tensors. Any number of processes may open the same file; threads may share a store.

    Every method takes the whole id of a run; `get` also takes a unique beginning of it. An unknown run is a `RunError`.
    """

    def __init__(self, path: Path | str | None = None) -> None:
        super().__init__(Database(Path(path) if path is not None else default_store_path()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self._database.path

    # Runs

    def create(
        self,
        experiment: Experiment,
        *,
        name: str = "",
        owner: str = "",
        parent_id: str | None = None,
        parent_round: int | None = None,
        status: Status = "queued",
        first: RoundRecord | None = None,
        machine: Mapping[str, Any] | None = None,
        until: Until = FOREVER,
    ) -> str:
        """A new run and its id. A queued one is taken by a worker.

        Of a fork, `first` is the round from which it continues, and `machine` says over how many processes.
        `until` says when it stops before its last round.
        """
        with self._database.transaction() as connection:
            run_id = insert_run(
                connection,
                name=name,
                owner=owner,
                created=datetime.now(UTC),
                experiment=experiment,
                parent_id=parent_id,
                parent_round=parent_round,
                status=status,
                machine=machine,
                until=until,
            )
            if first is not None:
                insert_round(connection, run_id, first.to_json(), pack(first.state))
        return run_id

    def list(self, sweep_id: str | None = None) -> Runs:
        """All runs, or those of one sweep, newest first. One whose process died is marked interrupted; one whose
        settings are unknown to this version of the package is left out."""
        self.mark_interrupted()
        runs = []
        for row in self._database.query(f"{_SELECT} WHERE ?1 IS NULL OR sweep_id = ?1 ORDER BY seq DESC", sweep_id):
            try:
                runs.append(RunInfo.of(row))
            except ValueError:
                continue
        return runs

    def get(self, run_id: str) -> RunInfo:
        """One run, by its id or a unique beginning of it."""
        self.mark_interrupted()
        found = self._database.query(f"{_SELECT} WHERE substr(run_id, 1, ?) = ? ORDER BY seq", len(run_id), run_id)
        if not run_id or not found:
            raise RunError(f"there is no run {run_id!r}")
        if len(found) > 1 and run_id not in [row["run_id"] for row in found]:
            raise RunError(f"{run_id!r} is the beginning of {len(found)} runs; give more of its letters")
        try:
            return RunInfo.of(next((row for row in found if row["run_id"] == run_id), found[0]))
        except ValueError as error:
            raise RunError(f"run {run_id} has settings that this version does not know: {error}") from error

    def rename(self, run_id: str, name: str) -> None:
        """Give a run another name."""
        with self._database.transaction() as connection:
            run_row(connection, run_id)
            connection.execute("UPDATE runs SET name = ? WHERE run_id = ?", (plain(name), run_id))

    def set_until(self, run_id: str, until: Until) -> None:
        """Say when a run stops before its last round. Who carries it out already looks at what was said before."""
        with self._database.transaction() as connection:
            run_row(connection, run_id)
            text = until.model_dump_json(exclude_none=True)
            connection.execute("UPDATE runs SET until = ? WHERE run_id = ?", (text, run_id))

    def set_where(self, run_id: str, where: Where) -> None:
        """Say where the clients of a run are computed when it goes on."""
        with self._database.transaction() as connection:
            machine = {**json.loads(run_row(connection, run_id)["machine"]), "where": where.model_dump()}
            connection.execute("UPDATE runs SET machine = ? WHERE run_id = ?", (json.dumps(machine), run_id))

    def delete(self, run_id: str) -> None:
        """Remove a run with everything that belongs to it; its forks stay. Refused while it is running."""
        self.mark_interrupted()
        with self._database.transaction() as connection:
            if run_row(connection, run_id)["pid"] is not None:
                raise RunError(f"run {run_id} is still running; stop it before deleting it")
            connection.execute("DELETE FROM runs WHERE run_id = ?", (run_id,))

    def once(self, what: str) -> bool:
        """True for the first caller in the life of this store, False for all others."""
        with self._database.transaction() as connection:
            return bool(connection.execute("INSERT OR IGNORE INTO done VALUES (?)", (what,)).rowcount)

    # Rounds

    def rows(self, run_id: str, after: int = -1) -> Rows:
        """The rounds later than `after` as `RoundRecord.to_json` wrote them, oldest first."""
        sql = "SELECT row FROM rounds WHERE run_id = ? AND round > ? ORDER BY round"
        found = self._database.query(sql, run_id, after)
        if not found:
            self.wish(run_id)  # raises if there is no such run
        return [json.loads(row["row"]) for row in found]

    def took_part(self, run_id: str) -> set[int]:
        """Ids of all clients whose updates went into a run's model; of a fork also into its parent's, up to its
        beginning.

        Of a parent that was deleted, nobody is known.
        """
        trained = {client for row in self.rows(run_id) for client in merged(row)}
        info = self.get(run_id)
        while info.parent_id is not None and info.parent_round is not None:
            begun = info.parent_round
            try:
                info = self.get(info.parent_id)
            except RunError:
                break
            trained |= {k for row in self.rows(info.run_id) if row["round"] <= begun for k in merged(row)}
        return trained

    def save_round(self, run_id: str, record: RoundRecord) -> None:
        """Store a round: row, masks, state, all or nothing. A state of large tensors replaces the one before."""
        blobs = pack(record.state)
        with self._database.transaction() as connection:
            run_row(connection, run_id)
            insert_round(connection, run_id, record.to_json(), blobs)
            drop_states(connection, run_id, record.round, stride(record.state))
            if record.round:  # a step is done; measuring the untrained model is none
                connection.execute("UPDATE runs SET wish = 'pause' WHERE run_id = ? AND wish = 'step'", (run_id,))

    def state(self, run_id: str, round: int | None = None) -> tuple[int, ServerState]:
        """The newest stored state at or before `round` (default: of all), and its round."""
        limit = self._newest(run_id) if round is None else round
        sql = "SELECT max(round) AS round FROM tensors WHERE run_id = ? AND kind = 'model' AND round <= ?"
        found = self._database.query(sql, run_id, limit)[0]["round"]
        if found is None:
            raise RunError(f"run {run_id} has no state at or before round {limit}")
        return found, unpack(self._blobs(run_id, found))

    def masks(self, run_id: str, round: int) -> Masks:
        """The global masks after a round."""
        blobs = self._blobs(run_id, round, kinds="masks")
        if "masks" not in blobs:
            raise RunError(f"run {run_id} has no round {round}; its newest is {self._newest(run_id)}")
        return unpack_masks(blobs["masks"])

    def mask_rounds(self, run_id: str) -> Rounds:
        """Rounds whose masks are stored: all of them."""
        sql = "SELECT round FROM tensors WHERE run_id = ? AND kind = 'masks' ORDER BY round"
        return [row["round"] for row in self._database.query(sql, run_id)]

    def _newest(self, run_id: str) -> int:
        rows = self._database.query("SELECT max(round) AS round FROM rounds WHERE run_id = ?", run_id)
        if rows[0]["round"] is None:
            self.wish(run_id)
            raise RunError(f"run {run_id} has no rounds yet")
        return int(rows[0]["round"])

    def _state_sizes(self, run_id: str) -> dict[int, int]:
        """Bytes of every stored state, by round."""
        sql = (
            "SELECT round, sum(length(bytes)) AS size FROM tensors JOIN blobs USING (run_id, digest)"
            " WHERE run_id = ? AND kind != 'masks' GROUP BY round ORDER BY round"
        )
        return {row["round"]: row["size"] for row in self._database.query(sql, run_id)}

    def _blobs(self, run_id: str, round: int, kinds: str = "%") -> Blobs:
        """Packed tensors of a round, checked against the digests under which they were stored."""
        sql = (
            "SELECT kind, digest, bytes FROM tensors JOIN blobs USING (run_id, digest)"
            " WHERE run_id = ? AND round = ? AND kind LIKE ?"
        )
        found = self._database.query(sql, run_id, round, kinds)
        return {row["kind"]: checked(row["bytes"], row["digest"]) for row in found}

    # From store to store

    def export(self, run_id: str, *, keep_every: int = 1) -> bytes:
        """A run as one safetensors file (see `transfer.py`): all masks, every `keep_every`-th state, the last one.

        Of a run with large states fewer are kept, so that the file can be imported.
        """
        info = self.get(run_id)
        kept = states_to_export(self._state_sizes(info.run_id), keep_every)
        rows = self.rows(info.run_id)
        kinds = {row["round"]: "%" if row["round"] in kept else "masks" for row in rows}
        return export_run(info, [(row, self._blobs(info.run_id, row["round"], kinds[row["round"]])) for row in rows])

    def import_run(self, payload: bytes) -> str:
        """A run from such a file, under a new id. Raises `RunError`: the file is damaged or not what it claims."""
        run = read_run(payload)
        with self._database.transaction() as connection:
            run_id = insert_run(
                connection,
                name=run.header.name,
                owner="",
                created=run.header.created,
                experiment=run.experiment,
                parent_id=run.header.parent_id,
                parent_round=run.header.parent_round,
                status="finished" if run.finished else "stopped",
                machine=run.header.machine,
            )
            for row, blobs in run.rounds:
                insert_round(connection, run_id, row, blobs)
        return run_id
