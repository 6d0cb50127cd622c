"""Where the clients of a new run are computed: in process, on Flower's processes of this machine, or at a SuperLink.

No part of the experiment, but of the address: `where` is "flower" or HOST:PORT; `nodes`, and `deadline` in seconds.
"""

from __future__ import annotations

from typing import Any

import streamlit as st
from pydantic import ValidationError

from app import session
from app.words import escape
from fedlab_core.runs.elsewhere import check_flower
from fedlab_core.runs.info import HERE, RunInfo, Where

FLOWER = "flower"
EXAMPLE = "127.0.0.1:8000"
"""What stands in the field for an address until another one is typed."""

CHOICES = {"here": "in process", FLOWER: "Flower on this machine", "address": "Flower at an address"}
NODES, DEADLINE_S = 4, 120
MOST_NODES, MOST_AT_ADDRESS, MOST_DEADLINE_S = 8, 64, 86400
PACE = "Flower takes about 5 to 10 s a round beside training, and half a minute to start."


def chosen() -> Where:
    """What the address says. Raises `ValueError`: it cannot be; one sentence."""
    where = session.looked_at("where")
    if where is None:
        return HERE
    check_flower()
    address = "" if where == FLOWER else where
    nodes = _number("nodes", NODES, MOST_AT_ADDRESS if address else MOST_NODES)
    deadline_s = _number("deadline", DEADLINE_S, MOST_DEADLINE_S)
    try:
        return Where(nodes=nodes, address=address, deadline_s=deadline_s)
    except ValidationError:
        raise ValueError(f"where is {where[:40]!r}; allowed is {FLOWER}, or HOST:PORT like {EXAMPLE}") from None


def _number(key: str, default: int, most: int) -> int:
    if session.looked_at(key) is None:
        return default
    number = session.number(key)
    if number is None or not 1 <= number <= most:
        said = (session.looked_at(key) or "")[:40]
        raise ValueError(f"{key} is {said!r}; allowed is a whole number from 1 to {most}")
    return number


def settle() -> Where:
    """What the address says; what cannot be is said on top of the page, and then forgotten."""
    try:
        return chosen()
    except ValueError as error:
        session.complain(f"{error}. Runs stay in process.")
        session.look_at(where=None, nodes=None, deadline=None)
        return HERE


def machine() -> dict[str, Any] | None:
    """What a new run is stored with; None in process. Raises `ValueError`, as `chosen`."""
    now = chosen()
    return {"where": now.model_dump()} if now.nodes else None


def controls() -> None:
    """Who computes the clients of the next run; `settle` comes first."""
    now = chosen()
    label = f"Where: Flower, {now.nodes} node{'s' * (now.nodes != 1)}" if now.nodes else "Where"
    with st.popover(label, icon=":material/lan:", key="run:where", help="Where the clients are computed."):
        missing = _missing()
        kind = "here" if not now.nodes else "address" if now.address else FLOWER
        st.session_state["run:kind"] = kind
        st.radio(
            "The clients of a new run are computed",
            list(CHOICES),
            format_func=CHOICES.__getitem__,
            key="run:kind",
            on_change=_choose,
            disabled=bool(missing),
        )
        if missing:
            st.caption(escape(missing))
        if not now.nodes:
            return
        if now.address:
            st.session_state["run:address"] = now.address
            st.text_input("SuperLink (HOST:PORT)", max_chars=255, key="run:address", on_change=_connect)
        most = MOST_AT_ADDRESS if now.address else MOST_NODES
        _field("nodes", "Nodes; client k is at node k mod N", now.nodes, most)
        _field("deadline", "A round waits so many seconds", int(now.deadline_s), MOST_DEADLINE_S)
        st.caption(
            f"{PACE} A client that does not answer in time is left out of the round. Forks and sweeps stay in process."
        )


def _missing() -> str:
    """Why there is no Flower; empty where it is installed."""
    try:
        check_flower()
    except ValueError as error:
        return str(error)
    return ""


def _field(key: str, label: str, value: int, most: int) -> None:
    widget = f"run:{key}"
    st.session_state[widget] = value
    st.number_input(label, 1, most, step=1, key=widget, on_change=session.turn, args=(key, widget))


@session.callback
def _choose() -> None:
    at = {"here": None, FLOWER: FLOWER, "address": EXAMPLE}[st.session_state["run:kind"]]
    session.look_at(where=at, nodes=None, deadline=None)


@session.callback
def _connect() -> None:
    before = session.looked_at("where")
    session.look_at(where=st.session_state["run:address"].strip())
    try:
        chosen()
    except ValueError:
        session.look_at(where=before)
        raise


def progress(run: RunInfo, rounds_known: int, starting: bool) -> str:
    """What a run on Flower is doing now: it takes longer than a round in process, and nothing moves meanwhile.

    Args:
        run: the run.
        rounds_known: how many rows it has.
        starting: whether the run is still with who has it carried out, not yet with the SuperLink's server app.
    """
    where = run.where
    if run.status != "running" or not where.nodes:
        return ""
    nodes = f"{where.nodes} node{'s' * (where.nodes != 1)}"
    if starting or not rounds_known:
        what = f"Handing the run to the SuperLink at {where.address}" if where.address else "Starting the SuperLink"
        return f"{what} and {'waiting for ' if where.address else ''}{nodes}: half a minute, on a busy machine more …"
    return f"Round {run.rounds_done + 1} is at {nodes} …"
