"""The capstone's report: the rubric finds what is missing, and the table is what a student's functions give."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fedlab_core.experiment import Experiment
from fedlab_core.lessons.comparison import Run, compare, last_within, setup_of, unfair
from fedlab_core.lessons.report_builder import Report, missing, report_page
from fedlab_core.plots.records import Row
from fedlab_core.simulation import simulate

BASE = Experiment().replace({"federation.rounds": 2, "data.num_clients": 4})
ACCURACY = {"A": 0.5, "B": 0.75, "C": 0.5, "dense": 0.25}


def made_up(method: str, seed: int, cost: int = 10) -> Run:
    """Rounds 0, 1, 2 that cost nothing, `cost` and `cost`; accuracy rises by 10 points in the last."""
    experiment = BASE.replace({"federation.seed": seed, "data.seed": seed})
    rows: list[Row] = [
        {
            "round": at,
            "upload_bytes": cost * (at > 0),
            "download_bytes": 0,
            "test_accuracy": ACCURACY[method] + seed / 100 + 0.1 * (at == 2),
            "sparsity": 0.0 if method == "dense" else 0.5,
            "effective_flops": 1000,
        }
        for at in range(3)
    ]
    return Run(method, experiment, rows)


RUNS = [made_up(method, seed) for method in ACCURACY for seed in (0, 1, 2)]
WHOLE = Report("Which?", RUNS, "dense", None, "B is best.", ("Only digits.", "Small."))


def test_a_whole_report_lacks_nothing() -> None:
    assert missing(WHOLE) == []
    assert missing(replace(WHOLE, budget=20)) == []
    assert "All points are met." in report_page(WHOLE)


@pytest.mark.parametrize(
    ("lacking", "said"),
    [
        (replace(WHOLE, runs=[]), "no runs"),
        (replace(WHOLE, question="B is best"), "question mark"),
        (replace(WHOLE, runs=RUNS[3:]), "at least 3 methods"),
        (replace(WHOLE, baseline="FedAvg"), "none of the methods"),
        (replace(WHOLE, baseline="A"), "not dense"),
        (replace(WHOLE, runs=RUNS[:-1]), "at least 3 seeds"),
        (replace(WHOLE, runs=RUNS[:-1]), "the same seeds"),
        (replace(WHOLE, runs=[*RUNS, RUNS[0]]), "more than once"),
        (replace(WHOLE, budget=21), "more than some run has spent"),
        (replace(WHOLE, budget=9), "less than its first round"),
        (replace(WHOLE, answer="Hard to say."), "names none"),
        (replace(WHOLE, limits=("Only digits.", " ")), "at least 2 limits"),
        (replace(WHOLE, limits=("Small.", "Short.")), "name the data set"),
        (replace(WHOLE, runs=[*RUNS[:-1], RUNS[-1]._replace(rows=RUNS[-1].rows[:2])]), "Neither the rounds"),
    ],
)
def test_the_rubric_says_what_is_missing(lacking: Report, said: str) -> None:
    assert any(said in point for point in missing(lacking)), missing(lacking)


def test_another_data_set_or_model_is_not_the_same_setup() -> None:
    assert setup_of(BASE) == setup_of(BASE.replace({"strategy.name": "snip", "federation.rounds": 9, "data.seed": 3}))
    assert setup_of(BASE) != setup_of(BASE.replace({"federation.local_epochs": 9}))
    other = made_up("A", 0)._replace(experiment=BASE.replace({"data.alpha": 9}))
    assert unfair([other.trial(), *(run.trial() for run in RUNS[1:])]) == [
        "Not all methods ran on the same data with the same model and training."
    ]


def test_the_table_has_means_deviations_and_differences_seed_by_seed() -> None:
    page = report_page(WHOLE)
    assert "| dense | 3 | 36 % ± 1.0 |  | 2 | 20 B | 3 kFLOPs | 0 % |" in page
    assert "| B | 3 | 86 % ± 1.0 | 50 points above (± 0.0) | 2 | 20 B |" in page
    within = report_page(replace(WHOLE, budget=15))
    assert "| B | 3 | 76 % ± 1.0 | 50 points above (± 0.0) | 1 | 10 B |" in within
    assert "All are read within 15 B, up and down together." in within


def test_the_students_functions_make_the_table() -> None:
    page = report_page(
        replace(WHOLE, budget=15), at_budget=lambda rows, budget: 0.125, summarise=lambda a: (a[0], None, 7)
    )
    assert "| A | 7 | 12.5 % | the same |" in page


def test_a_budget_below_round_0_is_refused() -> None:
    with pytest.raises(ValueError, match="round 0 alone takes 30"):
        last_within([{"round": 0, "upload_bytes": 30, "download_bytes": 0}], 29)


def test_a_comparison_has_every_method_with_every_seed_once() -> None:
    base = BASE.replace({"model.name": "mlp", "federation.rounds": 1})
    runs = compare(base, {"dense": {}, "SNIP": {"strategy.name": "snip"}}, seeds=(0, 3))
    assert [(run.method, run.experiment.data.seed, run.experiment.federation.seed) for run in runs] == [
        ("dense", 0, 0),
        ("dense", 3, 3),
        ("SNIP", 0, 0),
        ("SNIP", 3, 3),
    ]
    (again,) = compare(base, {"dense": {}}, seeds=(3,))
    assert again.rows is runs[1].rows, "computed once"
    direct = [record.to_json() for record in simulate(runs[1].experiment)]
    assert [{**row, "round_s": 0} for row in direct] == [{**row, "round_s": 0} for row in runs[1].rows]
