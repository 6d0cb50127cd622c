"""Masks: which weights of a layer are kept after any round of any run."""

from __future__ import annotations

from typing import Any, get_args

import streamlit as st

from app import engine, live, session
from app.actions import ACTIVE
from app.charts import chart
from app.choose import choose_run
from app.forking import fork_box
from app.words import escape
from fedlab_core.federation.aggregation import votes_needed
from fedlab_core.measures import GATE_CLIENTS, GATE_EXAMPLES, client_gates, device_channels, gate_sizes, last_vote
from fedlab_core.plots.gates import device_channels_heatmap, open_frequency_heatmap
from fedlab_core.plots.layers import kept_changes_bars, layer_density_heatmap
from fedlab_core.plots.masks import View, mask_map
from fedlab_core.plots.votes import vote_bars
from fedlab_core.runs.store import RunInfo
from fedlab_core.strategies.fedsparsify_local import FedSparsifyLocal
from fedlab_core.types import Masks, ServerState

# Time for each round of the playback; less would outrun the browser.
PLAY_S = 0.6

VIEWS: dict[View, str] = {
    "mask": "kept and pruned",
    "change": "change since last round",
    "magnitude": "magnitude",
}


def page() -> None:
    """A run, a layer, a round; and all layers over all rounds."""
    runs = [run for run in engine.store().list() if run.last_row]
    if not runs:
        st.info("No run has any masks yet. Start one on the page **Run**, then come back.", icon=":material/grid_on:")
        return
    run = choose_run(runs, "masks")
    playing = st.session_state.get("masks:play", False)
    seconds = PLAY_S if playing else 2 * live.POLL_S if run.status in ACTIVE else None
    st.fragment(_picture, run_every=seconds)(run)
    fork_box(run)


def _picture(run: RunInfo) -> None:
    """What changes with layer, round and view; drawn again during playback and while the run grows."""
    store, dark = engine.store(), session.dark()
    try:
        rounds, past = store.mask_rounds(run.run_id), live.rows(run.run_id)
        at = _choose_round(rounds)
        masks = store.masks(run.run_id, at)
        before = _mask_before(run, at, masks)
        stored, server = store.state(run.run_id, at)
    except ValueError as error:  # damaged, or deleted in another window
        st.error(f"The masks of this run cannot be shown: {escape(str(error))}.", icon=":material/error:")
        return
    if not masks:
        st.info("Nothing of this model can be pruned.", icon=":material/grid_off:")
        return
    _open_channels(run, stored, server)
    _device_networks(run, server)
    _vote(run, [len(row["clients"]) for row in past if row["round"] == stored], server)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        layer, view = _choose_layer(masks), _choose_view()
    if view == "magnitude" and stored != at:
        st.caption(f"Not every round's weights are kept, to save space: these are of round {stored}.")
    mask = server.masks[layer] if view == "magnitude" else masks[layer]
    last = before[layer] if before else None
    chart(mask_map(mask, last, view, server.params[layer], name=layer, dark=dark), "masks:map")
    left, right = st.columns(2)
    chart(layer_density_heatmap(past, dark=dark), "masks:density", left)
    chart(kept_changes_bars(before, masks, dark=dark), "masks:changes", right)


def _open_channels(run: RunInfo, stored: int, server: ServerState) -> None:
    """Which channels the images of each client open, where the model has gates: its masks are whole, and come after."""
    layers = gate_sizes(server.params)
    if not layers:
        return
    st.subheader("Open channels", anchor=False)
    layer = st.selectbox(
        "Gated layer", list(layers), format_func=lambda name: f"{name}  ({layers[name]} channels)", key="masks:gate"
    )
    try:
        clients, frequency_KC = client_gates(engine.lab(run.experiment), server, layer)
    except ValueError as error:  # data that is not here, an accelerator of another machine
        st.error(f"The channels cannot be watched here: {escape(str(error))}.", icon=":material/error:")
        return
    names = [f"client {client}" for client in clients]
    chart(open_frequency_heatmap(names, frequency_KC, layer=layer, dark=session.dark()), "masks:gates")
    st.caption(
        f"After round {stored}, on up to {GATE_EXAMPLES} training images of each of up to {GATE_CLIENTS} clients."
    )


def _device_networks(run: RunInfo, server: ServerState) -> None:
    """Which channels each device keeps, once a hypernetwork has given every one its own."""
    if "channels" not in server.state or server.state["channels"].all():
        return
    st.subheader("Sub-networks of the devices", anchor=False)
    try:
        layers = device_channels(engine.lab(run.experiment), server)
    except ValueError as error:
        st.error(f"The sub-networks cannot be shown here: {escape(str(error))}.", icon=":material/error:")
        return
    layer = st.selectbox("Layer of channels", list(layers), key="masks:device-layer")
    names = ["server", *(f"device {device}" for device in range(len(layers[layer]) - 1))][: GATE_CLIENTS + 1]
    kept = layers[layer][: len(names)]
    chart(device_channels_heatmap(names, kept, layer=layer, dark=session.dark()), "masks:devices")


def _vote(run: RunInfo, voters: list[int], server: ServerState) -> None:
    """How the clients of that round voted on each weight, where they did."""
    strategy, ballots = run.experiment.strategy, last_vote(server)
    if not isinstance(strategy, FedSparsifyLocal) or not ballots or not any(voters):
        return  # where a fork begins, the ballot is its parent's
    st.subheader("The vote", anchor=False)
    layer = st.selectbox("Layer of the vote", list(ballots), key="masks:vote-layer")
    needed = votes_needed(voters[0], strategy.vote)
    chart(vote_bars(ballots[layer], voters[0], needed, name=layer, dark=session.dark()), "masks:votes")
    st.caption("Weights that were pruned in earlier rounds are not in the vote.")


def _mask_before(run: RunInfo, at: int, masks: Masks) -> Masks | None:
    """The masks one round earlier; of a fork's first round, its parent's. None if there are none of the same layers."""
    store = engine.store()
    for run_id in filter(None, (run.run_id, run.parent_id)):
        if at - 1 in store.mask_rounds(run_id):  # none of a parent that has been deleted
            before = store.masks(run_id, at - 1)
            return before if before.keys() == masks.keys() else None
    return None


def _choose_round(rounds: list[int]) -> int:
    """A slider over the stored rounds, and its playback."""
    wanted = session.number("round")
    at = wanted if wanted in rounds else rounds[-1]
    slider, play = st.columns([8, 1], vertical_alignment="center")
    if play.toggle("Play", key="masks:play", on_change=session.note, help="One round after the other."):
        at = rounds[(rounds.index(at) + 1) % len(rounds)]
        session.look_at(round=str(at))
    if len(rounds) > 1:
        st.session_state["masks:round"] = at
        act: dict[str, Any] = {"on_change": session.turn, "args": ("round", "masks:round")}
        slider.select_slider("After round", rounds, key="masks:round", **act)
    return at


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


def _choose_view() -> View:
    wanted = session.looked_at("view")
    st.session_state["masks:view"] = wanted if wanted in get_args(View) else "mask"
    st.segmented_control(
        "Show",
        list(VIEWS),
        format_func=VIEWS.__getitem__,
        key="masks:view",
        on_change=session.turn,
        args=("view", "masks:view"),
    )
    chosen: View = st.session_state["masks:view"] or "mask"
    return chosen


page()
