"""Stop rules: a run ends with the round that reaches one, and is the same up to there."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from fedlab_core.experiment import Experiment
from fedlab_core.runs.execute import execute
from fedlab_core.runs.store import RunStore
from fedlab_core.runs.until import FOREVER, Until, total_bytes

SMALL = Experiment().replace(
    {
        "data.num_clients": 3,
        "data.partition": "iid",
        "model.name": "mlp",
        "federation.rounds": 5,
        "federation.local_epochs": 1,
        "federation.batch_size": 64,
    }
)


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs.sqlite")


def carried_out(store: RunStore, until: Until) -> str:
    run_id = store.create(SMALL, until=until)
    execute(store, run_id)
    return run_id


def test_the_first_round_that_reaches_a_rule_is_the_last(store: RunStore) -> None:
    whole = carried_out(store, FOREVER)
    rows = store.rows(whole)
    assert [row["round"] for row in rows] == [0, 1, 2, 3, 4, 5]
    goal = rows[3]["test_accuracy"]
    for until, last in (
        (Until(score=goal), next(row for row in rows if row["test_accuracy"] >= goal)),
        (Until(bytes=total_bytes(rows[:3])), rows[2]),
        (Until(bytes=total_bytes(rows[:3]) + 1), rows[3]),
        (Until(score=1.0, bytes=total_bytes(rows[:2])), rows[1]),
    ):
        run_id = carried_out(store, until)
        run = store.get(run_id)
        limit = until.reached(rows[: last["round"] + 1])
        assert (run.status, run.rounds_done) == ("stopped", last["round"])
        assert run.until == until.ended(limit, last["round"])
        assert store.state(run_id)[1].sha256() == store.state(whole, last["round"])[1].sha256()
    never = store.get(carried_out(store, Until(score=1.0, bytes=10**12)))
    assert (never.status, never.rounds_done) == ("finished", 5)


def test_whoever_resumes_it_wants_more_and_the_other_limit_holds(store: RunStore) -> None:
    whole = carried_out(store, FOREVER)
    run_id = carried_out(store, Until(score=0.01, bytes=total_bytes(store.rows(whole)[:4])))
    for last, status in ((1, "stopped"), (3, "stopped"), (5, "finished")):  # its score, its bytes, its last round
        run = store.get(run_id)
        assert (run.rounds_done, run.status) == (last, status)
        if status == "stopped":
            store.request(run_id, "resume")
            execute(store, run_id)
    assert store.state(run_id)[1].sha256() == store.state(whole)[1].sha256()


def test_an_untrained_model_ends_nothing(store: RunStore) -> None:
    assert store.get(carried_out(store, Until(score=1e-9))).rounds_done == 1


def test_a_rule_that_is_stopped_before_it_is_reached_still_holds(store: RunStore) -> None:
    run_id = store.create(SMALL, until=Until(bytes=1))
    store.request(run_id, "stop")
    store.request(run_id, "resume")
    execute(store, run_id)
    assert (store.get(run_id).status, store.get(run_id).rounds_done) == ("stopped", 1)


def test_errors_are_to_be_low() -> None:
    row = {"round": 1, "test_accuracy": None, "test_mae": 3.0, "upload_bytes": 5, "download_bytes": 6}
    assert Until(score=3.0).reached([row]) == "score"
    assert Until(score=2.9).reached([row]) is None
    assert Until(bytes=11).reached([row]) == "bytes"
    assert Until(bytes=12).reached([row]) is None
    assert FOREVER.reached([row]) is None


@pytest.mark.parametrize("field", [{"score": 0}, {"bytes": 0}, {"score": "x"}, {"rounds": 3}])
def test_what_cannot_be_is_refused(field: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(field))):
        Until.model_validate(field)
