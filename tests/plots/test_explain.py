"""What is said about a prediction, on made-up rows: one test for each thing that can be said."""

from typing import Any

import pytest

from fedlab_core.metrics import ACCURACY, MAE, Metric
from fedlab_core.plots.explain import outcome_of, verdict_of_outcome, verdict_of_sketch, why


def run(
    *scores: float, sparsity: tuple[float, ...] = (), purge: float = 0.0, worst: float = 0.0, by: Metric = ACCURACY
):
    """Rounds with these scores; in each, the purge cost `purge`, and the worst client `worst` behind the mean."""
    sign = 1 if by.higher_is_better else -1
    rows: list[dict[str, Any]] = []
    for round, score in enumerate(scores):
        row = {by.test: score, by.before_purge: score + sign * purge, by.mean_client: score}
        row |= {by.worst_client: score - sign * worst, by.best_client: score}
        rows.append({"round": round, "sparsity": (sparsity or (0.0,) * len(scores))[round], **row})
    return rows


@pytest.mark.parametrize(
    ("rows", "dense", "outcome"),
    [
        (run(0.1, 0.9), run(0.1, 0.905), "same"),
        (run(0.1, 0.9), run(0.1, 0.95), "worse"),
        (run(0.1, 0.7), run(0.1, 0.95), "fails"),
        (run(0.1, 0.9, 0.895), None, "same"),
        (run(0.1, 0.9, 0.5), None, "fails"),
        (run(30, 5.2, by=MAE), run(30, 5.0, by=MAE), "same"),
        (run(30, 7, by=MAE), run(30, 5.0, by=MAE), "worse"),
        (run(30, 9, by=MAE), run(30, 5.0, by=MAE), "fails"),
    ],
)
def test_outcomes_are_measured_against_the_unpruned_run_or_the_own_best(rows, dense, outcome: str) -> None:
    assert outcome_of(rows, dense) == outcome


def test_the_end_of_a_sketch_is_compared() -> None:
    assert (
        verdict_of_sketch(run(0.1, 0.912), 0.73) == "You predicted 73 %; the run ended at 91.2 %, 18.2 points above it"
    )
    assert verdict_of_sketch(run(0.1, 0.6), 0.73).endswith("13 points below it")
    assert verdict_of_sketch(run(0.1, 0.73), 0.73) == "You predicted 73 %; the run ended at 73 %, as you said"
    assert verdict_of_sketch(run(9, 4, by=MAE), 5).endswith("ended at 4 years, 1 year below it")


def test_an_outcome_is_right_or_not_and_says_against_what() -> None:
    assert verdict_of_outcome(run(0.1, 0.9), "same", run(0.1, 0.95)) == (
        "Outcome: some points worse, not “about as good as unpruned” (90 % against 95 %, the unpruned run)"
    )
    assert verdict_of_outcome(run(0.1, 0.9), "same") == (
        "Outcome: about as good as unpruned, as you said (90 % against 90 %, its own best round, for there is no "
        "unpruned run to compare with)"
    )


@pytest.mark.parametrize(
    ("rows", "dense", "sentence"),
    [
        (run(0.1, 0.9, 0.9), None, "In no round did the accuracy get worse by 1 point or more"),
        (
            run(0.1, 0.9, 0.8, 0.85, sparsity=(0, 0, 0.5, 0.8), purge=0.06),
            None,
            "The largest step back, 10 points, came in round 2, while sparsity went from 0 % to 50 %; the purge itself "
            "cost 6 points there",
        ),
        (
            run(0.1, 0.9, 0.8, sparsity=(0, 0, 0.5)),
            None,
            "The largest step back, 10 points, came in round 2, while sparsity went from 0 % to 50 %, but the purge "
            "itself cost nothing there: the model was as good just before it",
        ),
        (
            run(0.1, 0.9, 0.8, sparsity=(0, 0.5, 0.5)),
            None,
            "The largest step back, 10 points, came in round 2, although nothing more was pruned in it",
        ),
        (
            run(0.1, 0.9),
            run(0.1, 0.95),
            "The unpruned run with the same other settings ended at 95 %, 5 points better; in no round did the "
            "accuracy get worse by 1 point or more",
        ),
        (
            run(0.1, 0.9),
            run(0.1, 0.9),
            "The unpruned run with the same other settings ended level, at 90 %; in no round did the accuracy get "
            "worse by 1 point or more",
        ),
        (
            run(0.1, 0.9, worst=0.3),
            run(0.1, 0.8),
            "The unpruned run with the same other settings ended at 80 %, 10 points worse; in no round did the "
            "accuracy get worse by 1 point or more; the worst client is at 60 %, the mean client at 90 %",
        ),
        (
            run(30, 5, 6, sparsity=(0, 0, 0.5), purge=0.5, worst=2, by=MAE),
            None,
            "The largest step back, 1 year, came in round 2, while sparsity went from 0 % to 50 %; the purge itself "
            "cost 0.5 years there; the worst client is at 8 years, the mean client at 6 years",
        ),
    ],
)
def test_the_sentence_says_what_the_rows_can_tell(rows, dense, sentence: str) -> None:
    assert why(rows, dense) == sentence
