"""Data: who has which examples, how unlike the clients are, and whether such a split can be."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st
from torch import Tensor

from app import engine, session
from app.charts import chart
from app.controls import data_controls
from app.words import escape
from fedlab_core.data.federated import FederatedData
from fedlab_core.data.skew import mean_emd, mean_js_divergence
from fedlab_core.plots.data import client_images, image_grid, label_heatmap, size_bars

# Examples of a client, and clients, that are drawn: a screen shows no more.
IMAGES = 16
CLIENTS = 200
# Where every client has a row: so many rows, and images in each.
ROWS, IN_ROW = 12, 8


class Words(NamedTuple):
    """What the classes by which clients differ are called."""

    group: str
    skew: str


LABELS, AGES = Words("label", "Label skew"), Words("age group", "Age skew")


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
    words = AGES if data.dataset.is_regression else LABELS
    if data.dataset.is_regression:
        st.caption("Ages are in groups of five years here: clients differ by how many people of each group they have.")
    dark, names = session.dark(), data.dataset.class_names
    labels = label_heatmap(data.label_counts_KC[:CLIENTS], names, group=words.group, dark=dark)
    chart(labels, "data:labels")
    above = st.container()
    view = _choose_view(data)
    if view == "one":
        left, right = st.columns(2)
        with right:
            _images(data, dark)
    else:
        left = above
        {"every": _every_client, "same": _same_image}[view](data, dark)
    chart(size_bars(data.sizes[:CLIENTS].tolist(), dark=dark), "data:sizes", left)


def _choose_view(data: FederatedData) -> str:
    """Whose images are shown; part of the address."""
    views = {"one": "one client", "every": "every client"}
    if data.feature_skew is not None:
        views["same"] = "the same image at every client"
    wanted = session.looked_at("view")
    st.session_state["data:view"] = wanted if wanted in views else "one"
    st.segmented_control(
        "Examples of",
        list(views),
        format_func=views.__getitem__,
        key="data:view",
        on_change=session.turn,
        args=("view", "data:view"),
    )
    chosen: str = st.session_state["data:view"] or "one"
    return chosen


def _numbers(data: FederatedData) -> None:
    """The split in figures."""
    words = AGES if data.dataset.is_regression else LABELS
    figures = (
        ("Training examples", f"{int(data.sizes.sum()):,}", "All clients together; each example belongs to one."),
        ("Smallest · largest client", f"{int(data.sizes.min()):,} · {int(data.sizes.max()):,}", "Training examples."),
        (
            f"{words.skew}, JS divergence",
            f"{mean_js_divergence(data.label_counts_KC):.2f}",
            f"Mean Jensen-Shannon divergence between a client's {words.group}s and everybody's, in bits: 0 = alike,"
            " 1 = nothing in common.",
        ),
        (
            f"{words.skew}, EMD",
            f"{mean_emd(data.label_counts_KC):.2f}",
            f"Mean earth mover's distance: over all {words.group}s, the sum of the differences between a client's share"
            " and everybody's. 0 = alike, 2 = nothing in common.",
        ),
        ("Feasible", "yes", "The data can be split so; Run can start with these settings."),
    )
    with st.container(horizontal=True, gap="large"):
        for name, value, help_text in figures:
            st.metric(name, value, help=help_text, width="content")


def _every_client(data: FederatedData, dark: bool) -> None:
    """One row a client, a screenful of clients."""
    clients = _choose_clients(data)
    shown = [data.train(client) for client in clients]
    images = [data.dataset.to_images(x_NI[:IN_ROW]).numpy() for x_NI, _ in shown]
    titles = [_titles(data, y_N[:IN_ROW]) for _, y_N in shown]
    of_all = "" if len(clients) == data.num_clients else f" of {data.num_clients:,}"
    sentence = f"The first examples of clients {clients[0]} to {clients[-1]}{of_all}"
    slices = "Middle slices." if len(data.dataset.input_shape) == 4 else ""
    names = [f"client {client}" for client in clients]
    chart(client_images(images, titles, names, sentence=sentence, note=slices, dark=dark), "data:images", tools=False)


def _same_image(data: FederatedData, dark: bool) -> None:
    """What a feature skew does: the same images, as each client sees them."""
    clients = _choose_clients(data)
    x_NI, y_N = data.dataset.x_train_NI[:IN_ROW], data.dataset.y_train_N[:IN_ROW]
    images = [data.dataset.to_images(seen_NI).numpy() for seen_NI in (x_NI, *data.at_clients(x_NI, clients))]
    titles = [_titles(data, y_N)] * len(images)
    names = ["as they are", *(f"client {client}" for client in clients)]
    sentence = f"The same {len(y_N)} examples as clients {clients[0]} to {clients[-1]} see them"
    note = "Each client has an angle and a strength of noise of its own."
    chart(client_images(images, titles, names, sentence=sentence, note=note, dark=dark), "data:images", tools=False)


def _choose_clients(data: FederatedData) -> list[int]:
    """A screenful of clients: that with the client of the address."""
    starts = list(range(0, data.num_clients, ROWS))
    wanted = min(session.number("client") or 0, data.num_clients - 1)
    st.session_state["data:from"] = start = ROWS * (wanted // ROWS)
    if len(starts) > 1:
        st.select_slider("Clients from", starts, key="data:from", on_change=session.turn, args=("client", "data:from"))
    return list(range(start, min(start + ROWS, data.num_clients)))


def _titles(data: FederatedData, y_N: Tensor) -> list[str]:
    """What stands above each example: its label, or the age."""
    if data.dataset.is_regression:
        return [f"{age:.0f} years" for age in y_N.tolist()]
    return [data.dataset.class_names[label] for label in y_N.tolist()]


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
        sentence = f"Client {client} holds {len(y_N):,} volumes, of {y_N.mean():.1f} years on average; middle slices"
    else:
        kinds = len(y_N.unique())
        sentence = f"Client {client} holds {len(y_N):,} examples of {kinds} label{'s' * (kinds != 1)}; some of them"
    chart(
        image_grid(images_NHWC, _titles(data, y_N[:IMAGES]), sentence=sentence, dark=dark), "data:images", tools=False
    )


page()
