"""What the run store promises: all or nothing, nothing lost, nothing left behind."""

import math
import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

from fedlab_core.experiment import Experiment
from fedlab_core.runs import tables
from fedlab_core.runs.database import VERSION, default_store_path
from fedlab_core.runs.store import RunError, RunStore
from fedlab_core.types import ServerState

LARGE = ServerState({"w": torch.ones(700_000)}, {}, {})
"""2.8 MB: the state of every second round is kept."""


def table_sizes(store):
    names = ("runs", "rounds", "tensors", "blobs")
    return {name: store._database.query(f"SELECT count(*) AS n FROM {name}")[0]["n"] for name in names}


def state_rounds(store):
    rows = store._database.query("SELECT round FROM tensors WHERE kind = 'model' ORDER BY round")
    return [row["round"] for row in rows]


def test_a_round_comes_back_bit_by_bit(store, make_record, make_state):
    run_id = store.create(Experiment(), name="one", owner="me")
    for round in range(4):
        record = make_record(round, make_state(round, memory={"order": torch.arange(round)}), train_loss=math.nan)
        store.save_round(run_id, record)
        found, state = store.state(run_id)
        assert (found, state.sha256()) == (round, record.state.sha256())
        assert store.masks(run_id, round)["fc.weight"].equal(record.state.masks["fc.weight"])
    again = store.rows(run_id)
    assert [row["round"] for row in again] == [0, 1, 2, 3]
    assert math.isnan(again[1].pop("train_loss"))
    assert again[1] == {k: v for k, v in make_record(1).to_json().items() if k != "train_loss"}
    assert store.rows(run_id, after=2) == store.rows(run_id)[3:]
    assert (
        store.state(run_id, 1)[1].sha256()
        == make_record(1, make_state(1, memory={"order": torch.arange(1)})).state.sha256()
    )
    assert store.mask_rounds(run_id) == [0, 1, 2, 3]


def test_what_a_list_says(store, make_record):
    first = store.create(Experiment(), name="one", owner="me")
    second = store.create(Experiment().replace({"data.alpha": 0.1}), parent_id=first, parent_round=3)
    store.save_round(first, make_record(0))
    store.save_round(first, make_record(1))
    newest, oldest = store.list()
    assert (newest.run_id, oldest.run_id) == (second, first)
    assert (oldest.name, oldest.owner, oldest.status, oldest.rounds_done) == ("one", "me", "queued", 1)
    assert oldest.last_row == make_record(1).to_json()
    assert (newest.parent_id, newest.parent_round, newest.first_round, newest.last_row) == (first, 3, 3, None)
    assert newest.experiment == Experiment().replace({"data.alpha": 0.1})
    assert newest.created.endswith("+00:00")


def test_a_beginning_of_an_id_is_enough_if_it_is_unique(store, monkeypatch):
    ids = iter(["abcdefghij", "abcxyz2345", "abc"])
    monkeypatch.setattr(tables, "new_id", lambda: next(ids))
    for _ in range(3):
        store.create(Experiment())
    assert store.get("abcd").run_id == "abcdefghij"
    assert store.get("abc").run_id == "abc"  # the whole id of one, though the beginning of others
    with pytest.raises(RunError, match="beginning of 3 runs"):
        store.get("ab")
    for unknown in ("b", "", "%", "abcdefghijk"):
        with pytest.raises(RunError, match="there is no run"):
            store.get(unknown)


def test_an_unknown_run_is_a_run_error_everywhere(store, make_record):
    for call in (
        lambda: store.rows("nobody"),
        lambda: store.state("nobody"),
        lambda: store.masks("nobody", 0),
        lambda: store.wish("nobody"),
        lambda: store.save_round("nobody", make_record(0)),
        lambda: store.set_status("nobody", "failed"),
        lambda: store.leave("nobody", "failed"),
        lambda: store.request("nobody", "stop"),
        lambda: store.claim("nobody"),
        lambda: store.rename("nobody", "x"),
        lambda: store.delete("nobody"),
        lambda: store.export("nobody"),
    ):
        with pytest.raises(RunError, match="there is no run 'nobody'"):
            call()


def test_rounds_that_are_not_there(store, make_record):
    run_id = store.create(Experiment())
    with pytest.raises(RunError, match="no rounds yet"):
        store.state(run_id)
    store.save_round(run_id, make_record(0))
    with pytest.raises(RunError, match="has no round 5; its newest is 0"):
        store.masks(run_id, 5)
    with pytest.raises(RunError, match="no state at or before round -1"):
        store.state(run_id, -1)


def test_a_round_that_fails_half_way_leaves_nothing(store, make_record, monkeypatch):
    """As if the process died between two statements: every statement of the transaction in turn is the last one."""
    run_id = store.create(Experiment())
    store.save_round(run_id, make_record(0, LARGE))
    store.save_round(run_id, make_record(1, LARGE))
    before, wish = table_sizes(store), store.wish(run_id)
    connection = store._database._connection

    class Dying:
        """The connection, until its statements are used up."""

        def __init__(self, statements):
            self.left = statements

        def execute(self, *arguments):
            if arguments[0] not in ("ROLLBACK",):
                self.left -= 1
            if self.left < 0 and arguments[0] != "ROLLBACK":
                raise KeyboardInterrupt
            return connection.execute(*arguments)

        def __getattr__(self, name):
            return getattr(connection, name)

    survived = 0
    while True:
        store._database._connection = Dying(survived)
        try:
            store.save_round(run_id, make_record(2, LARGE))
            break
        except KeyboardInterrupt:
            survived += 1
        finally:
            store._database._connection = connection
        assert (table_sizes(store), store.wish(run_id)) == (before, wish)
        assert store.state(run_id)[0] == 1
    assert survived >= 7  # BEGIN, run, round, two tensors with blobs, ..., COMMIT
    assert store.state(run_id)[0] == 2


def test_a_round_is_stored_once(store, make_record):
    run_id = store.create(Experiment())
    store.save_round(run_id, make_record(0))
    with pytest.raises(RunError, match="UNIQUE"):
        store.save_round(run_id, make_record(0))


def test_large_states_are_thinned_and_masks_are_not(store, make_record):
    run_id = store.create(Experiment())
    for round in range(6):
        weight = torch.full((700_000,), float(round))
        mask = torch.ones(700_000, dtype=torch.bool)
        store.save_round(run_id, make_record(round, ServerState({"w": weight}, {}, {"w": mask})))
    kept = [
        row["round"] for row in store._database.query("SELECT round FROM tensors WHERE kind = 'model' ORDER BY round")
    ]
    assert kept == [0, 2, 4, 5]
    assert store.mask_rounds(run_id) == list(range(6))
    assert store.state(run_id, 3)[0] == 2
    assert store.state(run_id, 3)[1].params["w"][0] == 2
    assert table_sizes(store)["blobs"] == 5  # four states, and the masks that never change


def test_the_first_state_of_a_fork_is_kept(store, make_record):
    run_id = store.create(Experiment(), parent_id="abcdefghij", parent_round=3, first=make_record(3, LARGE))
    for round in (4, 5):
        store.save_round(run_id, make_record(round, LARGE))
    kept = [
        row["round"] for row in store._database.query("SELECT round FROM tensors WHERE kind = 'model' ORDER BY round")
    ]
    assert kept == [3, 4, 5]


def test_delete_leaves_nothing(store, make_record):
    gone, stays = store.create(Experiment()), store.create(Experiment())
    for run_id in (gone, stays):
        store.save_round(run_id, make_record(0))
    sizes = table_sizes(store)
    store.delete(gone)
    assert table_sizes(store) == {name: count // 2 for name, count in sizes.items()}
    assert store.state(stays)[0] == 0


def test_a_run_that_runs_cannot_be_deleted(store):
    run_id = store.create(Experiment())
    store.claim(run_id)
    with pytest.raises(RunError, match="still running"):
        store.delete(run_id)
    store.leave(run_id, "stopped")
    store.delete(run_id)
    assert store.list() == []


def test_names_are_plain_text(store):
    run_id = store.create(Experiment(), name="a\nb\x00\x1b[31m" + "x" * 500)
    assert store.get(run_id).name.startswith("a b  [31mxxx")
    assert len(store.get(run_id).name) == 120
    store.rename(run_id, "  better \t")
    assert store.get(run_id).name == "better"


def test_the_queue_is_first_come_first_served_and_each_run_goes_to_one(store):
    ids = [store.create(Experiment()) for _ in range(3)]
    with RunStore(store.path) as other:
        assert [store.claim(), other.claim(), store.claim(), other.claim()] == [*ids, None]
    assert not store.any_queued()
    with pytest.raises(RunError, match="running already"):
        store.claim(ids[0])
    info = store.get(ids[0])
    assert info.status == "running"
    assert info.machine["threads"] == 1
    assert {"platform", "torch", "fedlab_core", "cpu_count"} <= info.machine.keys()


def test_many_threads_claim_every_run_once(store):
    ids = {store.create(Experiment()) for _ in range(20)}
    claimed = []

    def take():
        with RunStore(store.path) as own:
            while (run_id := own.claim()) is not None:
                claimed.append(run_id)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == sorted(ids)


@pytest.mark.parametrize(
    ("status", "action", "then", "wish"),
    [
        ("queued", "pause", "queued", "pause"),
        ("queued", "stop", "stopped", "run"),
        ("queued", "resume", "queued", "run"),
        ("queued", "step", "queued", "step"),
        ("stopped", "resume", "queued", "run"),
        ("interrupted", "step", "queued", "step"),
        ("failed", "resume", "queued", "run"),
        ("paused", "resume", "queued", "run"),  # left by its worker for another run
        ("paused", "stop", "stopped", "run"),
        ("stopped", "pause", "stopped", "run"),
        ("finished", "stop", "finished", "run"),
    ],
)
def test_requests_to_a_run_that_nobody_holds(store, status, action, then, wish):
    run_id = store.create(Experiment(), status=status)
    store.request(run_id, action)
    assert (store.get(run_id).status, store.wish(run_id)) == (then, wish)


@pytest.mark.parametrize(
    ("action", "wish"), [("pause", "pause"), ("stop", "stop"), ("resume", "run"), ("step", "step")]
)
def test_requests_to_a_run_that_a_process_holds_are_left_to_it(store, action, wish):
    run_id = store.create(Experiment())
    store.claim()
    store.request(run_id, action)
    assert (store.get(run_id).status, store.wish(run_id)) == ("running", wish)
    store.leave(run_id, "stopped")
    assert store.wish(run_id) == "run"


@pytest.mark.parametrize("action", ["resume", "step"])
def test_a_finished_run_does_not_go_on(store, action):
    run_id = store.create(Experiment(), status="finished")
    for call in (lambda: store.request(run_id, action), lambda: store.claim(run_id)):
        with pytest.raises(RunError, match="is finished; fork it"):
            call()


def test_a_step_ends_with_the_next_trained_round(store, make_record):
    run_id = store.create(Experiment())
    store.request(run_id, "step")
    store.save_round(run_id, make_record(0))
    assert store.wish(run_id) == "step"
    store.save_round(run_id, make_record(1))
    assert store.wish(run_id) == "pause"


CLAIM_AND_DIE = """
import os, signal, sys
from fedlab_core.runs.store import RunStore
store = RunStore(sys.argv[1])
store.claim(sys.argv[2])
store.set_status(sys.argv[2], sys.argv[3])
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "waitid"), reason="SIGKILL and zombies are of POSIX")
@pytest.mark.parametrize("status", ["running", "paused"])
def test_a_run_whose_process_was_killed_is_interrupted(store, status):
    run_id = store.create(Experiment())
    process = subprocess.Popen([sys.executable, "-c", CLAIM_AND_DIE, str(store.path), run_id, status])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, but its number is still taken
    assert store.get(run_id).status == "interrupted"
    process.wait()
    assert [info.status for info in store.list()] == ["interrupted"]
    store.delete(run_id)


def test_a_process_that_got_the_number_of_a_dead_one_does_not_hold_its_run(store):
    run_id = store.create(Experiment())
    store.claim(run_id)
    assert store.get(run_id).status == "running"
    with store._database.transaction() as connection:
        connection.execute("UPDATE runs SET pid_started = pid_started - 60")
    assert store.get(run_id).status == "interrupted"


def test_settings_of_another_version_hide_one_run_not_the_list(store):
    strange, good = store.create(Experiment()), store.create(Experiment())
    with store._database.transaction() as connection:
        connection.execute('UPDATE runs SET experiment = \'{"data": {"x": 1}}\' WHERE run_id = ?', (strange,))
    assert [info.run_id for info in store.list()] == [good]
    with pytest.raises(RunError, match=r"does not know: data\.x"):
        store.get(strange)
    store.delete(strange)


def test_a_damaged_blob_is_noticed(store, make_record):
    run_id = store.create(Experiment())
    store.save_round(run_id, make_record(0))
    with store._database.transaction() as connection:
        payload = connection.execute("SELECT bytes FROM blobs ORDER BY length(bytes) DESC").fetchone()[0]
        broken = payload[:-1] + bytes([payload[-1] ^ 1])
        connection.execute("UPDATE blobs SET bytes = ? WHERE bytes = ?", (broken, payload))
    with pytest.raises(RunError, match="damaged"):
        store.state(run_id)


def test_files_that_are_no_store(tmp_path):
    noise = tmp_path / "noise"
    noise.write_bytes(b"no database at all" * 100)
    with pytest.raises(RunError, match="not a database"):
        RunStore(noise)
    other = tmp_path / "other.sqlite"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.close()
    with pytest.raises(RunError, match="has format 0; allowed are 1 to"):
        RunStore(other)
    connection = sqlite3.connect(other)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)  # somebody else's file stays as it was
    connection.close()
    with pytest.raises(RunError, match="cannot be opened"):
        RunStore(noise / "runs.sqlite")


def test_a_store_of_the_first_format_opens_and_takes_part_in_everything(tmp_path, make_record):
    """`store_1.sql` was written by version 0.1.0 of the package before there were sweeps, and never changes."""
    path = tmp_path / "runs.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(Path(__file__).with_name("store_1.sql").read_text())
    connection.close()
    with RunStore(path) as store:
        (old,) = store.list()
        assert (old.name, old.status, old.rounds_done) == ("from before", "finished", 1)
        assert (old.sweep_id, old.cell) == (None, None)
        assert store.state(old.run_id)[1].sha256().startswith("1ffec3edb3bbea47")
        assert store.sweeps() == []
        assert not store.once("gallery")
        new = store.create(Experiment())
        store.save_round(new, make_record(0))
    with RunStore(path) as store:  # once more: it is of today's format now
        assert [info.run_id for info in store.list()] == [new, old.run_id]
        ((version,),) = store._database.query("PRAGMA user_version")
        assert version == VERSION
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(RunError, match=f"has format 99; allowed are 1 to {VERSION}"):
        RunStore(path)


def test_an_upgraded_store_has_the_tables_of_a_new_one(tmp_path):
    old = sqlite3.connect(tmp_path / "old.sqlite")
    old.executescript(Path(__file__).with_name("store_1.sql").read_text())
    old.close()
    tables = []
    for name in ("old", "new"):
        with RunStore(tmp_path / f"{name}.sqlite") as store:
            found = store._database.query("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")
            tables.append([tuple(row) for row in found])
    assert tables[0] == tables[1]


def test_threads_may_share_a_store(store, make_record):
    run_id = store.create(Experiment())
    threads = [threading.Thread(target=store.save_round, args=(run_id, make_record(n))) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.rows(run_id)) == 8


def test_many_stores_may_be_opened_at_once(tmp_path):
    """A new file: one of them makes the tables."""
    path, failures = tmp_path / "deep" / "runs.sqlite", []

    def open_it():
        try:
            RunStore(path).close()
        except RunError as error:
            failures.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_something_happens_once(store):
    assert store.once("gallery")
    with RunStore(store.path) as other:
        assert not other.once("gallery")
        assert other.once("something else")


def test_where_the_store_is(monkeypatch, tmp_path):
    monkeypatch.setenv("FEDLAB_STORE", str(tmp_path / "mine.sqlite"))
    assert default_store_path() == tmp_path / "mine.sqlite"
    monkeypatch.delenv("FEDLAB_STORE")
    assert default_store_path().parts[-2:] == ("data", "runs.sqlite")
    monkeypatch.setattr("fedlab_core.runs.database.__file__", str(tmp_path / "a" / "b" / "c.py"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    for system, folder in (("linux", "share"), ("win32", "local"), ("darwin", "Application Support")):
        monkeypatch.setattr("sys.platform", system)
        assert default_store_path().parts[-3:] == (folder, "fedlab", "runs.sqlite")
