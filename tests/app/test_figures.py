"""The figures on the pages: each number stands where its name is, and is the right one."""

from __future__ import annotations

import json
import sqlite3

import pytest
from streamlit.testing.v1 import AppTest

from fedlab_core.runs.store import RunStore


def open_page(dashboard: AppTest, page: str, **query: str) -> AppTest:
    dashboard.query_params.update(query)
    dashboard.switch_page(f"views/{page}.py").run()
    assert not dashboard.exception, dashboard.exception
    return dashboard


def metrics(page: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in page.metric}


def titles(page: AppTest) -> list[str]:
    """What the figures say, in the order of the page."""
    specs = [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]
    return [spec["layout"]["title"]["text"].replace("<br>", " ") for spec in specs]


def test_the_numbers_of_a_run_stand_under_their_names(dashboard: AppTest, store: RunStore, finished_run: bytes) -> None:
    """Rounds 1, 2, 3 get costs of one, two and three times a number of their own, so that sums are six times it."""
    run_id = store.import_run(finished_run)
    change = """UPDATE rounds SET row = json_set(row,
        '$.test_accuracy', 0.875, '$.sparsity', 0.8, '$.worst_client_accuracy', 0.61, '$.mean_client_accuracy', 0.72,
        '$.best_client_accuracy', 0.93, '$.upload_bytes', 1000000 * round, '$.download_bytes', 2000000 * round,
        '$.effective_flops', 3000000000 * round, '$.dense_flops', 4000000000 * round)"""
    with sqlite3.connect(store.path) as connection:
        connection.execute(change)
    connection.close()
    page = open_page(dashboard, "run", run=run_id)
    assert metrics(page) == {
        "Round": "3 / 3",
        "Test accuracy": "87.5 %",
        "Worst · mean · best client": "61 · 72 · 93 %",
        "Sparsity": "80 %",
        "Sent up · down": "6 MB · 12 MB",
        "Training work": "18 GFLOPs",
    }
    assert "24 GFLOPs as if nothing were pruned" in next(m.help for m in page.metric if m.label == "Training work")


def test_label_skew_is_shown_in_both_measures(dashboard: AppTest) -> None:
    """Ten clients with one of ten equally frequent labels each.

    EMD: (1 - 0.1) + 9 x 0.1 = 1.8. JS: H(0.55, 9 x 0.05) - H(1) / 2 - H(10 x 0.1) / 2 = 2.419 - 0 - 1.661 = 0.758.
    """
    settings = {"data.partition": "shards", "data.num_clients": "10", "data.labels_per_client": "1"}
    shown = metrics(open_page(dashboard, "data", **settings))
    assert shown["Label skew, EMD"] == "1.80"
    assert shown["Label skew, JS divergence"] == "0.76"


@pytest.mark.parametrize("round", [1, 2, 3])
def test_a_mask_is_compared_with_that_of_the_round_before(
    dashboard: AppTest, store: RunStore, finished_run: bytes, round: int
) -> None:
    run_id = store.import_run(finished_run)
    before, after = store.masks(run_id, round - 1), store.masks(run_id, round)
    pruned = {name: int((before[name] & ~mask).sum()) for name, mask in after.items()}
    assert (sum(pruned.values()) > 0) == (round > 1), "round 1 purges nothing, later rounds do"
    page = open_page(dashboard, "masks", run=run_id, round=str(round), layer="fc1.weight", view="change")
    of_layer, *_, of_all = titles(page)
    size = after["fc1.weight"].numel()
    assert f"{pruned['fc1.weight']:,} of the {size:,} weights of fc1.weight were pruned and 0 grown" in of_layer
    assert f"{sum(pruned.values()):,} weights were pruned and 0 grown" in of_all
