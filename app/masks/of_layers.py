"""One layer's mask in several views, the first layer as pictures, and all layers as a network."""

from __future__ import annotations

from typing import cast, get_args

import streamlit as st

from app import engine, live, session
from app.charts import chart
from app.words import escape
from fedlab_core.plots.channels import channel_bars
from fedlab_core.plots.filters import filter_pictures
from fedlab_core.plots.layers import kept_changes_bars, layer_density_heatmap
from fedlab_core.plots.masks import View, mask_map
from fedlab_core.plots.network import network_picture
from fedlab_core.runs.store import RunInfo
from fedlab_core.types import Masks, ServerState

VIEWS = {
    "mask": "kept and pruned",
    "change": "change since last round",
    "magnitude": "magnitude",
    "channels": "channels",
}


def draw_layer(at: int, masks: Masks, before: Masks | None, stored: int, server: ServerState) -> None:
    """The chosen layer after round `at` in the chosen view; `stored` is the round of `server`, at or before it."""
    dark = session.dark()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        layer, view = _choose_layer(masks), _choose_view()
    if view not in get_args(View):
        chart(channel_bars(masks[layer], name=layer, dark=dark), "masks:map")
        return
    if view == "magnitude" and stored != at:
        st.caption(f"Not every round's weights are kept, to save space: these are of round {stored}.")
    if view == "magnitude":
        figure = mask_map(server.masks[layer], None, "magnitude", server.params[layer], name=layer, dark=dark)
    else:
        figure = mask_map(masks[layer], before[layer] if before else None, cast(View, view), name=layer, dark=dark)
    chart(figure, "masks:map")


def draw_network(run: RunInfo, masks: Masks, before: Masks | None, server: ServerState) -> None:
    """Layers by the units they have left, beside their density; what the first one looks for; what changed."""
    dark = session.dark()
    left, right = st.columns(2)
    chart(network_picture(masks, dark=dark), "masks:network", left)
    chart(layer_density_heatmap(live.rows(run.run_id), dark=dark), "masks:density", right)
    _first_layer(run, server)
    chart(kept_changes_bars(before, masks, dark=dark), "masks:changes")


def _first_layer(run: RunInfo, server: ServerState) -> None:
    """What the first layer looks for. Only of a dense one the data have to say how its inputs lie."""
    name = next(name for name, mask in server.masks.items() if mask.dim() > 1)
    weight = server.params[name]
    try:
        shape = engine.lab(run.experiment).data.dataset.input_shape if weight.dim() == 2 else ()
    except ValueError as error:  # data that is not here
        st.error(f"The first layer cannot be drawn here: {escape(str(error))}.", icon=":material/error:")
        return
    figure = filter_pictures(weight, server.masks[name], shape, name=name, dark=session.dark())
    chart(figure, "masks:filters", tools=False)


def _choose_layer(masks: Masks) -> str:
    """The layer of the address; without one, the largest."""
    wanted = session.looked_at("layer")
    largest = max(masks, key=lambda name: masks[name].numel())
    st.session_state["masks:layer"] = wanted if wanted in masks else largest
    st.selectbox(
        "Layer",
        list(masks),
        format_func=lambda name: f"{name}  ({' × '.join(str(size) for size in masks[name].shape)})",
        key="masks:layer",
        on_change=session.turn,
        args=("layer", "masks:layer"),
    )
    chosen: str = st.session_state["masks:layer"]
    return chosen


def _choose_view() -> str:
    wanted = session.looked_at("view")
    st.session_state["masks:view"] = wanted if wanted in VIEWS else "mask"
    st.segmented_control(
        "Show",
        list(VIEWS),
        format_func=VIEWS.__getitem__,
        key="masks:view",
        on_change=session.turn,
        args=("view", "masks:view"),
    )
    chosen: str = st.session_state["masks:view"] or "mask"
    return chosen
