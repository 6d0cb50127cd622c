"""Data: who has which examples, how unlike the clients are, and whether such a split can be."""

from __future__ import annotations

import streamlit as st

from app import engine, session
from app.charts import chart
from app.controls import data_controls
from app.words import escape
from fedlab_core.data.federated import FederatedData
from fedlab_core.data.skew import mean_emd, mean_js_divergence
from fedlab_core.plots.data import image_grid, label_heatmap, size_bars

# Examples of a client, and clients, that are drawn: a screen shows no more.
IMAGES = 16
CLIENTS = 200


def page() -> None:
    """Controls on the left, the split on the right."""
    with st.sidebar:
        data_controls()
    try:
        data = engine.federated(session.experiment().data)
    except ValueError as error:  # DataError, PartitionError: one sentence that says what would be possible
        st.error(f"**This split cannot be.** {escape(str(error))}.", icon=":material/block:")
        st.caption("Nothing would run with these settings. Change them on the left.")
        return
    _numbers(data)
    if data.num_clients > CLIENTS:
        st.caption(f"The pictures show the first {CLIENTS} of {data.num_clients:,} clients; the numbers are of all.")
    if data.dataset.is_regression:
        st.caption("Ages are in groups of five years here, which stand for labels wherever clients are to differ.")
    dark, names = session.dark(), data.dataset.class_names
    labels = label_heatmap(data.label_counts_KC[:CLIENTS], names, dark=dark)
    sizes = size_bars(data.sizes[:CLIENTS].tolist(), dark=dark)
    chart(labels, "data:labels")
    left, right = st.columns(2)
    chart(sizes, "data:sizes", left)
    with right:
        _images(data, dark)


def _numbers(data: FederatedData) -> None:
    """The split in figures."""
    figures = (
        ("Training examples", f"{int(data.sizes.sum()):,}", "All clients together; each example belongs to one."),
        ("Smallest · largest client", f"{int(data.sizes.min()):,} · {int(data.sizes.max()):,}", "Training examples."),
        (
            "Label skew, JS divergence",
            f"{mean_js_divergence(data.label_counts_KC):.2f}",
            "Mean Jensen-Shannon divergence between a client's labels and all labels, in bits: 0 = alike,"
            " 1 = nothing in common.",
        ),
        (
            "Label skew, EMD",
            f"{mean_emd(data.label_counts_KC):.2f}",
            "Mean earth mover's distance: over all labels, the sum of the differences between a client's share and"
            " everybody's. 0 = alike, 2 = nothing in common.",
        ),
        ("Feasible", "yes", "The data can be split so; Run can start with these settings."),
    )
    with st.container(horizontal=True, gap="large"):
        for name, value, help_text in figures:
            st.metric(name, value, help=help_text, width="content")


def _images(data: FederatedData, dark: bool) -> None:
    """What one client sees."""
    last = data.num_clients - 1
    client = min(session.number("client") or 0, last)
    st.session_state["data:client"] = client
    if last:
        st.slider("Look at client", 0, last, key="data:client", on_change=session.turn, args=("client", "data:client"))
    x_NI, y_N = data.train(client)
    images_NHWC = data.dataset.to_images(x_NI[:IMAGES]).numpy()
    if data.dataset.is_regression:
        names = [f"{age:.0f} years" for age in y_N[:IMAGES].tolist()]
        sentence = f"Client {client} holds {len(y_N):,} volumes, of {y_N.mean():.1f} years on average; middle slices"
    else:
        names = [data.dataset.class_names[label] for label in y_N[:IMAGES].tolist()]
        kinds = len(y_N.unique())
        sentence = f"Client {client} holds {len(y_N):,} examples of {kinds} label{'s' * (kinds != 1)}; some of them"
    chart(image_grid(images_NHWC, names, sentence=sentence, dark=dark), "data:images", tools=False)


page()
