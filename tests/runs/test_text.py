"""Runs as text: what it took to reach an accuracy."""

from pathlib import Path

from fedlab_core.experiment import Experiment
from fedlab_core.runs.execute import execute
from fedlab_core.runs.store import RunStore
from fedlab_core.runs.text import run_page


def test_a_page_says_what_accuracies_cost(tmp_path: Path) -> None:
    with RunStore(tmp_path / "runs.sqlite") as store:
        run_id = store.create(Experiment().replace({"federation.rounds": 3, "data.num_clients": 5}))
        execute(store, run_id)
        info, rows = store.get(run_id), store.rows(run_id)
    first = next(row for row in rows if row["test_accuracy"] >= 0.5)
    up = sum(row["upload_bytes"] for row in rows[: first["round"] + 1]) / 1e6
    (line,) = [line.split("  ") for line in run_page(info, rows).splitlines() if line.startswith("50.0 %")]
    cells = [cell.strip() for cell in line if cell.strip()]
    assert cells[1:3] == [str(first["round"]), f"{up:.2f} MB"]


def test_nothing_is_said_where_nothing_was_reached(tmp_path: Path) -> None:
    with RunStore(tmp_path / "runs.sqlite") as store:
        run_id = store.create(Experiment().replace({"federation.rounds": 1, "federation.learning_rate": 1e-6}))
        execute(store, run_id)
        assert "to reach" not in run_page(store.get(run_id), store.rows(run_id))
