"""Clients: how good the model is for each of them, what it mistakes, who took part, and how far they pull apart."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app import again, engine, live, session
from app.charts import chart
from app.choose import choose_run
from app.words import escape
from fedlab_core import left_out
from fedlab_core.lab import Federation
from fedlab_core.measures import Answers, client_answers, client_scores, device_shares, dominant_labels
from fedlab_core.metrics import Metric
from fedlab_core.plots.answers import confusion_heatmap, error_by_age
from fedlab_core.plots.clients import client_bars, participation_heatmap, worst_clients
from fedlab_core.plots.drift import drift_scatter, update_map
from fedlab_core.plots.style import format_percent, format_score
from fedlab_core.runs.store import RunInfo

# Clients that are drawn: a screen shows no more.
CLIENTS = 200
NAMED = 10
ORDERS = ("worst first", "by number")
# Rounds that are offered to be computed again.
AGAIN = (1, 3, 5)


def page() -> None:
    """A run; its clients after the last round whose weights are kept."""
    runs = [run for run in engine.store().list() if run.last_row]
    if not runs:
        st.info("No run has any clients yet. Start one on the page **Run**, then come back.", icon=":material/groups:")
        return
    run = choose_run(runs, "clients")
    try:
        past = live.history(run)
        stored, scores_K, shares, answers = _measured(run.run_id, past[-1]["round"])
        lab = engine.lab(run.experiment)
    except ValueError as error:  # damaged, deleted in another window, or data that is not here
        st.error(f"The clients of this run cannot be shown: {escape(str(error))}.", icon=":material/error:")
        return
    metric, dark = lab.data.dataset.metric, session.dark()
    _said(stored, shares)
    _worst(scores_K, metric, answers, lab)
    first = _worst_first()
    if len(scores_K) > CLIENTS:
        st.caption(f"The pictures show {CLIENTS} of {len(scores_K):,} clients: the worst, or the first.")
    chart(client_bars(scores_K, metric=metric, worst_first=first, most=CLIENTS, dark=dark), "clients:scores")
    _mistakes(lab, answers)
    _participation(past, min(CLIENTS, len(scores_K)))
    _drift(run, lab)


@st.cache_data(max_entries=32, show_spinner="Testing every client …")
def _measured(run_id: str, round: int) -> tuple[int, list[float], list[float], Answers]:
    """The last stored round up to this one; each client's score after it, shares of FLOPs of sub-networks, answers."""
    run = engine.store().get(run_id)
    stored, server = engine.store().state(run_id, round)
    lab = engine.lab(run.experiment)
    scores = client_scores(lab, server, stored).tolist()
    return stored, scores, device_shares(lab, server), client_answers(lab, server, stored)


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


def _worst(scores_K: list[float], metric: Metric, answers: Answers, lab: Federation) -> None:
    """Who the worst tenth are, and what they have."""
    worst, most = worst_clients(scores_K, metric), dominant_labels(lab)
    tests = answers.client_N.bincount(minlength=len(scores_K)).tolist()
    parts = [
        f"client {k}: {format_score(metric, scores_K[k])} on {tests[k]} test examples"
        + (f", mostly {escape(most[k])} in training" if k in most else "")
        for k in worst[:NAMED]
    ]
    more = f"; and {len(worst) - NAMED} more" if len(worst) > NAMED else ""
    if parts:
        st.markdown(f"**Worst 10 %**: {'; '.join(parts)}{more}.")


def _worst_first() -> bool:
    """How the clients are sorted; part of the address."""
    st.session_state["clients:order"] = wanted if (wanted := session.looked_at("order")) in ORDERS else ORDERS[0]
    turn: dict[str, Any] = {"on_change": session.turn, "args": ("order", "clients:order")}
    return st.segmented_control("Order", ORDERS, key="clients:order", **turn) != ORDERS[1]


def _mistakes(lab: Federation, answers: Answers) -> None:
    """What is mistaken for what, or errors against ages, of one client or of all."""
    tested, dataset, dark = answers.client_N.unique().tolist(), lab.data.dataset, session.dark()
    wanted = session.number("client")
    st.session_state["clients:client"] = wanted if wanted in tested else None
    st.selectbox(
        "Whose test examples",
        tested,
        format_func=lambda k: f"client {k}",
        placeholder="all clients",
        key="clients:client",
        on_change=session.turn,
        args=("client", "clients:client"),
    )
    client = st.session_state["clients:client"]
    who, own = "All clients" if client is None else f"Client {client}", answers.of(client)
    if dataset.is_regression:
        figure = error_by_age(own.truth_N, own.answer_N, who=who, dark=dark)
    else:
        figure = confusion_heatmap(own.confusion(dataset.num_classes), dataset.class_names, who=who, dark=dark)
    chart(figure, "clients:mistakes")


def _participation(past: live.Rows, clients: int) -> None:
    """Who took part when; whose update was dropped, when and why."""
    asked = [row for row in past if row["clients"]]
    took = {row["round"]: [k for k in left_out.merged(row) if k < clients] for row in asked}
    gone = {row["round"]: {k: why for k, why in left_out.dropped(row).items() if k < clients} for row in asked}
    figure = participation_heatmap(took, clients, dropped_T=gone, dark=session.dark())
    chart(figure, "clients:participation")
    table = [
        {"round": row["round"], "client": k, "why": why} for row in asked for k, why in left_out.dropped(row).items()
    ]
    if table:
        with st.expander(f"Dropped updates: {len(table)}", icon=":material/person_off:", key="clients:dropped"):
            st.caption("Who was asked and left out: no answer, or an update that cannot be right. All others count.")
            st.dataframe(table, hide_index=True)


def _drift(run: RunInfo, lab: Federation) -> None:
    """Where the clients' updates point: the last rounds computed again, when someone asks for it."""
    st.subheader("Drift", anchor=False)
    own = run.rounds_done - run.first_round
    if own < 1:
        st.caption("No client has sent an update yet.")
        return
    rounds = session.number("drift")
    choices = [count for count in AGAIN if count <= own]
    st.caption(
        "What each client sent is not stored, but a round can be computed again, to the same numbers. An update is "
        "the client's model minus the one that it received, over the weights that it sends."
    )
    with st.container(horizontal=True):
        for count in choices:
            st.button(
                f"Last {f'{count} rounds' if count > 1 else 'round'} ({again.seconds(run, count)})",
                icon=":material/replay:",
                key=f"clients:again:{count}",
                type="primary" if count == rounds else "secondary",
                on_click=_compute,
                args=(count,),
            )
    if rounds not in choices:
        return
    try:
        drift, same = again.drift(run, rounds)
    except ValueError as error:
        st.error(f"The updates cannot be computed again: {escape(str(error))}.", icon=":material/error:")
        return
    left, right = st.columns(2)
    chart(drift_scatter(drift, dark=session.dark()), "clients:drift", left)
    chart(update_map(drift, dominant_labels(lab), dark=session.dark()), "clients:updates", right)
    if same:
        st.caption(
            "The states that came out are the stored ones, bit by bit."
            if all(same)
            else "The states that came out differ from the stored ones: the run was computed on another machine, "
            "where sums are rounded differently."
        )


@session.callback
def _compute(rounds: int) -> None:
    session.look_at(drift=str(rounds))


page()
