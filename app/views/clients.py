"""Clients: how good the model is for each of them, under its own sub-network if it has one, and who took part when."""

from __future__ import annotations

import streamlit as st

from app import engine, live, session
from app.charts import chart
from app.choose import choose_run
from app.words import escape
from fedlab_core.measures import client_scores, device_shares
from fedlab_core.plots.clients import client_bars, participation_heatmap
from fedlab_core.plots.style import format_percent

# Clients that are drawn: a screen shows no more.
CLIENTS = 200


def page() -> None:
    """A run; its clients after the last round whose weights are kept."""
    runs = [run for run in engine.store().list() if run.last_row]
    if not runs:
        st.info("No run has any clients yet. Start one on the page **Run**, then come back.", icon=":material/groups:")
        return
    run = choose_run(runs, "clients")
    try:
        past = live.history(run)
        stored, scores_K, shares = _measured(run.run_id, past[-1]["round"])
        metric = engine.lab(run.experiment).data.dataset.metric
    except ValueError as error:  # damaged, deleted in another window, or data that is not here
        st.error(f"The clients of this run cannot be shown: {escape(str(error))}.", icon=":material/error:")
        return
    _said(stored, shares)
    order = st.segmented_control("Order", ["worst first", "by number"], default="worst first", key="clients:order")
    dark = session.dark()
    if len(scores_K) > CLIENTS:
        st.caption(f"The pictures show {CLIENTS} of {len(scores_K):,} clients: the worst, or the first.")
    first = order != "by number"
    chart(client_bars(scores_K, metric=metric, worst_first=first, most=CLIENTS, dark=dark), "clients:scores")
    took = {row["round"]: [k for k in row["clients"] if k < CLIENTS] for row in past if row["clients"]}
    chart(participation_heatmap(took, min(CLIENTS, len(scores_K)), dark=dark), "clients:participation")


@st.cache_data(max_entries=32, show_spinner="Testing every client …")
def _measured(run_id: str, round: int) -> tuple[int, list[float], list[float]]:
    """The last stored round up to this one, each client's score after it, and shares of FLOPs of sub-networks."""
    run = engine.store().get(run_id)
    stored, server = engine.store().state(run_id, round)
    lab = engine.lab(run.experiment)
    return stored, client_scores(lab, server, stored).tolist(), device_shares(lab, server)


def _said(stored: int, shares: list[float]) -> None:
    """Which model it is that each client uses."""
    if not shares or all(share == 1 for share in shares):
        st.caption(f"Each client's own test examples, with the global model after round {stored}.")
        return
    server, low, high = (format_percent(share) for share in (shares[0], min(shares[1:]), max(shares[1:])))
    st.caption(
        f"Each device's own test examples, with its own sub-network after round {stored}. It keeps "
        f"{low if low == high else f'{low} to {high}'} of the FLOPs, the server's network {server}. "
        "The page **Masks** shows which channels these are."
    )


page()
