"""Masks: which weights are kept after any round of any run, what is left of the network, and what clients have."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app import audience, engine, live, session
from app.actions import ACTIVE
from app.choose import choose_run
from app.forking import fork_box
from app.masks import of_clients, of_layers
from app.words import escape
from fedlab_core.runs.store import RunInfo
from fedlab_core.types import Masks

# Time for each round of the playback; less would outrun the browser.
PLAY_S = 0.6


def page() -> None:
    """A run, a layer, a round; and all layers over all rounds."""
    runs = [run for run in engine.store().list() if run.last_row]
    if not runs:
        st.info("No run has any masks yet. Start one on the page **Run**, then come back.", icon=":material/grid_on:")
        return
    run = choose_run(runs, "masks")
    playing = st.session_state.get("masks:play", False)
    seconds = PLAY_S if playing else 2 * audience.SOON_S if run.status in ACTIVE else None
    st.fragment(_picture, run_every=seconds)(run, playing)
    fork_box(run)


def _picture(run: RunInfo, playing: bool) -> None:
    """What changes with layer, round and view; drawn again during playback and while the run grows."""
    store = engine.store()
    try:
        rounds, past = store.mask_rounds(run.run_id), live.rows(run.run_id)
        at = _choose_round(rounds, playing)
        masks = store.masks(run.run_id, at)
        before = _mask_before(run, at, masks)
        stored, server = store.state(run.run_id, at)
    except ValueError as error:  # damaged, or deleted in another window
        st.error(f"The masks of this run cannot be shown: {escape(str(error))}.", icon=":material/error:")
        return
    if not masks:
        st.info("Nothing of this model can be pruned.", icon=":material/grid_off:")
        return
    of_layers.draw_layer(at, masks, before, stored, server)
    of_layers.draw_network(run, masks, before, server)
    if not playing:  # what clients have may take longer than a frame
        of_clients.draw(run, stored, server, [len(row["clients"]) for row in past if row["round"] == stored])
    if st.session_state["masks:play"] != playing:
        st.rerun()  # last, so that nothing on the page is missed for a moment; how often it is drawn is said outside


def _mask_before(run: RunInfo, at: int, masks: Masks) -> Masks | None:
    """The masks one round earlier; of a fork's first round, its parent's. None if there are none of the same layers."""
    store = engine.store()
    for run_id in filter(None, (run.run_id, run.parent_id)):
        if at - 1 in store.mask_rounds(run_id):  # none of a parent that has been deleted
            before = store.masks(run_id, at - 1)
            same = before.keys() == masks.keys() and all(before[name].shape == masks[name].shape for name in masks)
            return before if same else None
    return None


def _choose_round(rounds: list[int], playing: bool) -> int:
    """A slider over the stored rounds, and its playback: `playing`, if this part of the page is drawn for it."""
    wanted = session.number("round")
    at = wanted if wanted in rounds else rounds[-1]
    slider, play = st.columns([8, 1], vertical_alignment="center")
    play.toggle("Play", key="masks:play", on_change=session.note, help="One round after the other.")
    if playing:
        at = rounds[(rounds.index(at) + 1) % len(rounds)]
        session.look_at(round=str(at))
    if len(rounds) > 1:
        st.session_state["masks:round"] = at
        act: dict[str, Any] = {"on_change": session.turn, "args": ("round", "masks:round")}
        slider.select_slider("After round", rounds, key="masks:round", **act)
    return at


page()
