"""Runs as text: what it took to reach an accuracy."""

from pathlib import Path

from fedlab_core.experiment import Experiment
from fedlab_core.runs.execute import execute
from fedlab_core.runs.info import Where
from fedlab_core.runs.store import RunStore
from fedlab_core.runs.text import outcome, rounds_table, run_page, score


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
    assert "again: fedlab run fedavg-digits --set data.num_clients=5 --set federation.rounds=3" in run_page(info, rows)


def test_nothing_is_said_where_nothing_was_reached(tmp_path: Path) -> None:
    with RunStore(tmp_path / "runs.sqlite") as store:
        run_id = store.create(Experiment().replace({"federation.rounds": 1, "federation.learning_rate": 1e-6}))
        execute(store, run_id)
        assert "to reach" not in run_page(store.get(run_id), store.rows(run_id))


BRAINS = [
    {
        "round": at,
        "test_accuracy": None,
        "test_mae": error,
        "test_loss": error**2,
        "sparsity": 0.5,
        "upload_bytes": 10**6 * (at > 0),
        "download_bytes": 2 * 10**6 * (at > 0),
        "dense_flops": 0,
        "effective_flops": 0,
        "clients": [0],
        "round_s": 1.0,
    }
    for at, error in enumerate([6.1, 5.2, 3.3])
]


def test_errors_are_in_years_and_never_called_accuracy(tmp_path: Path) -> None:
    assert outcome(BRAINS[-1]) == "test MAE 3.30 years, sparsity 50.0 %"
    head, *lines = rounds_table(BRAINS).splitlines()
    assert head.split()[:3] == ["round", "MAE", "loss"]
    assert lines[2].split()[:3] == ["2", "3.30", "years"]
    with RunStore(tmp_path / "runs.sqlite") as store:
        info = store.get(store.create(Experiment().replace({"data.dataset": "brains"})))
    page = run_page(info, BRAINS)
    assert "accuracy" not in page
    (reached,) = [line.split() for line in page.splitlines() if line.startswith("4.00 years")]
    assert reached[2:7] == ["2", "2.00", "MB", "4.00", "MB"]


def test_a_list_of_runs_has_percent_and_years() -> None:
    assert [score(row) for row in ({"test_accuracy": 0.973}, BRAINS[0], {})] == ["97.3 %", "6.10 years", "-"]


def test_dropped_clients_have_a_line_a_round(tmp_path: Path) -> None:
    with RunStore(tmp_path / "runs.sqlite") as store:
        info = store.get(store.create(Experiment(), machine={"where": Where(nodes=1).model_dump()}))
    rows = [{**row, "clients": [0, 1]} for row in BRAINS]
    assert "dropped" not in run_page(info, rows)
    rows[1]["dropped"] = [[1, "bad\x1b[2J\nline"]]
    page = run_page(info, rows).splitlines()
    assert "round 1: dropped: client 1 (bad [2J line)" in page
    assert "in all: 1 update was dropped in 1 round" in page
    assert next(line for line in page if line.startswith("1 ")).split()[-2] == "1/2"
    assert page[2] == "where: Flower on this machine, 1 node"
