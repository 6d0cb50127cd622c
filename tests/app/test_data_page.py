"""The page Data: every client's images, the same image at several clients, and ages that are not called labels."""

from __future__ import annotations

import json

import pytest
from streamlit.testing.v1 import AppTest

from .test_figures import metrics, open_page, titles


def images(page: AppTest) -> list[dict]:
    charts = [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]
    return next(spec["layout"]["images"] for spec in charts if "images" in spec["layout"])


def test_every_client_has_a_row_and_twelve_make_a_screen(dashboard: AppTest) -> None:
    page = open_page(dashboard, "data", view="every", **{"data.num_clients": "20", "data.alpha": "100"})
    assert "The first examples of clients 0 to 11 of 20" in titles(page)
    assert len(images(page)) == 12 * 8
    page.select_slider(key="data:from").set_value(12).run()
    assert not page.exception
    assert page.query_params["client"] == "12"
    assert "The first examples of clients 12 to 19 of 20" in titles(page)


def test_the_same_image_is_shown_at_every_client_of_a_feature_skew(dashboard: AppTest) -> None:
    skew = {"data.partition": "feature", "data.num_clients": "3", "data.rotation_degrees": "90"}
    page = open_page(dashboard, "data", view="same", **skew)
    assert "The same 8 examples as clients 0 to 2 see them" in titles(page)
    assert len(images(page)) == (1 + 3) * 8
    assert len({image["source"] for image in images(page)}) > 3 * 8, "each client turns them by its own angle"


def test_without_a_feature_skew_there_is_no_such_view(dashboard: AppTest) -> None:
    page = open_page(dashboard, "data", view="same")
    assert page.get_by_key("data:view").value == "one"


@pytest.mark.slow
def test_ages_are_not_called_labels(dashboard: AppTest) -> None:
    page = open_page(dashboard, "data", view="every", **{"data.dataset": "brains", "model.name": "brain_small"})
    assert {"Age skew, JS divergence", "Age skew, EMD"} <= metrics(page).keys()
    assert "age groups on average" in titles(page)[0]
    shown = [*titles(page), *(caption.value for caption in page.caption), *(metric.help for metric in page.metric)]
    assert not [text for text in shown if "label" in text.lower()]
