"""What clients have of their own: open channels, sub-networks, votes, and how much all of these overlap."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
import torch

from app import again, engine, session
from app.charts import chart
from app.words import escape
from fedlab_core.federation.aggregation import votes_needed
from fedlab_core.measures import (
    GATE_CLIENTS,
    GATE_EXAMPLES,
    client_gates,
    device_channels,
    device_masks,
    gate_sizes,
    last_vote,
    open_overlap,
)
from fedlab_core.plots.gates import device_channels_heatmap, open_frequency_heatmap
from fedlab_core.plots.layers import overlap_heatmap
from fedlab_core.plots.votes import vote_bars
from fedlab_core.pruning.masks import overlaps
from fedlab_core.runs.store import RunInfo
from fedlab_core.strategies.fedsparsify_local import FedSparsifyLocal
from fedlab_core.types import ServerState


def draw(run: RunInfo, stored: int, server: ServerState, voters: Sequence[int]) -> None:
    """What this method's clients have of their own after round `stored`; one sentence where they share everything.

    Args:
        run: which one.
        stored: the round of `server`.
        server: the state after it.
        voters: how many clients took part in it; nothing where a fork begins.
    """
    st.subheader("Masks of the clients", anchor=False)
    try:
        if gate_sizes(server.params):
            _open_channels(run, stored, server)
        elif "channels" in server.state and not server.state["channels"].all():
            _device_networks(run, stored, server)
        elif run.experiment.strategy.clients_choose:
            _own_choice(run, stored, server, voters)
        else:
            st.caption("All clients have the same mask here, the global one: every two of them overlap fully.")
    except ValueError as error:  # data that is not here, an accelerator of another machine
        st.error(f"The masks of the clients cannot be shown here: {escape(str(error))}.", icon=":material/error:")


def _open_channels(run: RunInfo, stored: int, server: ServerState) -> None:
    """Which channels the images of each client open, where the model has gates: its masks are whole, and come after."""
    layers = gate_sizes(server.params)
    layer = st.selectbox(
        "Gated layer", list(layers), format_func=lambda name: f"{name}  ({layers[name]} channels)", key="masks:gate"
    )
    clients, frequency_KC = client_gates(engine.lab(run.experiment), server, layer)
    names, dark = [f"client {client}" for client in clients], session.dark()
    left, right = st.columns([3, 2])
    chart(open_frequency_heatmap(names, frequency_KC, layer=layer, dark=dark), "masks:gates", left)
    overlap_KK = open_overlap(frequency_KC)
    chart(overlap_heatmap(names, overlap_KK, of="channels", does="opens", dark=dark), "masks:overlap", right)
    st.caption(
        f"After round {stored}, on up to {GATE_EXAMPLES} training images of each of up to {GATE_CLIENTS} clients. "
        "Overlap: the sum of the smaller shares over that of the larger ones, our reading where channels open for some "
        "images only."
    )


def _device_networks(run: RunInfo, stored: int, server: ServerState) -> None:
    """Which channels each device keeps, once a hypernetwork has given every one its own."""
    lab, dark = engine.lab(run.experiment), session.dark()
    layers = device_channels(lab, server)
    layer = st.selectbox("Layer of channels", list(layers), key="masks:device-layer")
    names = ["server", *(f"device {device}" for device in range(len(layers[layer]) - 1))][: GATE_CLIENTS + 1]
    kept = layers[layer][: len(names)]
    left, right = st.columns([3, 2])
    chart(device_channels_heatmap(names, kept, layer=layer, dark=dark), "masks:devices", left)
    overlap_KK = _device_overlap(run.run_id, stored)
    chart(overlap_heatmap(names[1:], overlap_KK, dark=dark), "masks:overlap", right)


@st.cache_data(max_entries=32, show_spinner="Comparing the sub-networks …")
def _device_overlap(run_id: str, stored: int) -> torch.Tensor:
    store = engine.store()
    lab = engine.lab(store.get(run_id).experiment)
    return overlaps(device_masks(lab, store.state(run_id, stored)[1], stored))


def _own_choice(run: RunInfo, stored: int, server: ServerState, voters: Sequence[int]) -> None:
    """The votes, which are stored, and the masks that were sent, which have to be computed again."""
    left, right = st.columns(2)
    with left:
        _vote(run, voters, server)
    with right:
        _sent_masks(run, stored)


def _vote(run: RunInfo, voters: Sequence[int], server: ServerState) -> None:
    """How the clients of that round voted on each weight, where they did."""
    strategy, ballots = run.experiment.strategy, last_vote(server)
    if not isinstance(strategy, FedSparsifyLocal) or not ballots or not any(voters):
        return  # where a fork begins, the ballot is its parent's
    layer = st.selectbox("Layer of the vote", list(ballots), key="masks:vote-layer")
    needed = votes_needed(voters[0], strategy.vote)
    chart(vote_bars(ballots[layer], voters[0], needed, name=layer, dark=session.dark()), "masks:votes")
    st.caption("Weights that were pruned in earlier rounds are not in the vote.")


def _sent_masks(run: RunInfo, round: int) -> None:
    """How much the masks overlap that clients sent in this round: computed again when someone asks for it."""
    if round <= run.first_round:
        st.caption("No client has sent a mask yet: choose a later round.")
        return
    if session.number("overlap") != round:
        st.caption("Each client chooses its own mask. What they sent is not stored, but can be computed again.")
        st.button(
            f"Compare the masks sent in round {round} ({again.seconds(run, 1)})",
            icon=":material/compare:",
            key="masks:compare",
            on_click=_compare,
            args=(round,),
        )
        return
    clients, overlap_KK = again.mask_overlap(run, round)
    names = [f"client {client}" for client in clients]
    chart(overlap_heatmap(names, overlap_KK, dark=session.dark()), "masks:overlap")


@session.callback
def _compare(round: int) -> None:
    session.look_at(overlap=str(round))
