"""Privacy: nothing is attacked before it is asked for; then the numbers are those of the attack itself."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app import engine
from app.attacks import Attacks, Job, attacks, by_command
from fedlab_core.lab import Federation
from fedlab_core.plots.style import format_percent
from fedlab_core.privacy import attack_membership
from fedlab_core.privacy.text import as_row
from fedlab_core.runs.execute import execute
from fedlab_core.runs.store import RunStore
from tests.app.conftest import SMALL
from tests.app.test_pages import charts, said, visit


def under_test() -> Attacks:
    """Those of the dashboard's own store."""
    return attacks(engine.store(), str(engine.store().path))


def in_this_process(store_path: Path, job: Job) -> dict[str, Any]:
    """Only the attack that takes no gradients, and no process to start."""
    with RunStore(store_path) as store:
        round, server = store.state(job.run_id)
        lab = Federation.of(store.get(job.run_id).experiment)
        report = attack_membership(lab, server, trained=store.took_part(job.run_id))
    return {"round": round, "black-box": as_row(report)}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.attacks.by_command", in_this_process)


def test_with_an_empty_store(dashboard: AppTest) -> None:
    assert "page **Run**" in said(visit(dashboard, "privacy"))


@pytest.mark.slow
def test_both_attacks_are_made_from_an_answer_and_from_gradients(
    dashboard: AppTest, store: RunStore, finished_run: bytes
) -> None:
    run_id = store.import_run(finished_run)
    visit(dashboard, "privacy", run=run_id)
    under_test().start(run_id)
    under_test().wait()
    page = dashboard.run()
    labels = [metric.label for metric in page.metric]
    assert "white-box: TPR at 1 % FPR" in labels
    assert len(labels) == 7
    job = under_test().newest(run_id)
    assert job is not None
    assert job.total == 8, "four clients, twice"
    by_hand = in_this_process(store.path, job)["black-box"]
    assert {name: job.reports["black-box"][name] for name in ("auc", "accuracy", "clients")} == {
        name: by_hand[name] for name in ("auc", "accuracy", "clients")
    }
    assert job.reports["black-box"]["roc"] == list(by_hand["roc"])


def test_what_the_command_refuses_is_said_in_its_words(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^--store is '.*nothing\.sqlite': there is no such file$"):
        by_command(tmp_path / "nothing.sqlite", Job("nobody", 0))


@pytest.mark.usefixtures("quick")
def test_an_attack_is_made_when_it_is_asked_for(dashboard: AppTest, store: RunStore, finished_run: bytes) -> None:
    run_id = store.import_run(finished_run)
    page = visit(dashboard, "privacy", run=run_id)
    assert charts(page) == 0
    assert "Press **Attack**" in said(page)
    page.button(key="privacy:attack").click().run()
    under_test().wait()
    page.run()
    assert not page.exception, page.exception
    report = attack_membership(Federation.of(SMALL), store.state(run_id)[1])
    shown = {metric.label: metric.value for metric in page.metric}
    assert shown["black-box: AUC"] == f"{report.auc:.3f}"
    assert shown["black-box: accuracy"] == format_percent(report.accuracy)
    assert charts(page) == 1
    assert page.button(key="privacy:attack").disabled, "the same model would give the same numbers"


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_attacked_runs_stand_beside_each_other(dashboard: AppTest, store: RunStore, finished_run: bytes) -> None:
    sparse = store.import_run(finished_run)
    dense = store.create(SMALL.replace({"strategy.name": "fedavg", "federation.rounds": 1}), name="*dense*")
    execute(store, dense)
    other = store.create(SMALL.replace({"data.num_clients": 5, "federation.rounds": 1}))
    execute(store, other)
    page = visit(dashboard, "privacy", run=sparse)
    assert "all 2 runs" in page.button(key="privacy:all").label
    page.button(key="privacy:all").click().run()
    under_test().wait()
    page.run()
    assert charts(page) == 2
    assert "2 attacked runs" in said(page)
    assert "\\*dense\\*" in said(page)
    assert page.button(key="privacy:all").disabled


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("damage", ["UPDATE blobs SET bytes = x'00'", "UPDATE rounds SET row = '{' WHERE round = 1"])
def test_a_damaged_run_is_explained(dashboard: AppTest, store: RunStore, finished_run: bytes, damage: str) -> None:
    run_id = store.import_run(finished_run)
    with sqlite3.connect(store.path) as connection:
        connection.execute(damage)
    connection.close()
    page = visit(dashboard, "privacy", run=run_id)
    page.button(key="privacy:attack").click().run()
    under_test().wait()
    page.run()
    assert not page.exception, page.exception
    assert "cannot be attacked" in said(page)
    assert not page.button(key="privacy:attack").disabled, "it may be tried again"


@pytest.mark.usefixtures("quick")
def test_a_single_client_has_nobody_to_attack(dashboard: AppTest, store: RunStore) -> None:
    run_id = store.create(SMALL.replace({"data.num_clients": 1, "federation.rounds": 1}))
    execute(store, run_id)
    page = visit(dashboard, "privacy", run=run_id)
    page.button(key="privacy:attack").click().run()
    under_test().wait()
    assert "at least two" in said(page.run())
