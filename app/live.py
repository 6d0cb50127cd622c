"""A run as it grows: numbers, curves and the log, read from the store twice a second while it is under way."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from app import audience, engine, predict, replay, session, stopping, where
from app.actions import ACTIVE
from app.charts import chart
from app.choose import dense_reference
from app.words import escape
from fedlab_core.left_out import note, total
from fedlab_core.metrics import ACCURACY, MAE, metric_of
from fedlab_core.plots.curves import accuracy_curve, bytes_ledger, loss_curve, sparsity_curve
from fedlab_core.plots.style import format_bytes, format_flops, format_percent, format_score
from fedlab_core.runs.share import rounds_csv
from fedlab_core.runs.store import RunInfo

FIRST = 3
REDRAW_S = 1.0
"""The curves of a run under way are drawn again no sooner, after its first rounds: that is work for a small machine."""

AXES = {"round": "rounds", "megabytes": "megabytes", "flops": "FLOPs"}

Rows = list[dict[str, Any]]


def watch(run: RunInfo) -> None:
    """Draw the run; while it is under way, again and again."""
    replaying = replay.under_way(run)
    seconds = audience.every() if run.status in ACTIVE or replaying else None
    st.fragment(_draw, run_every=seconds)(run.run_id, run.status, replaying, seconds)


def rows(run_id: str) -> Rows:
    """All rounds of a run; only those that this window has not read yet are read."""
    read: dict[str, Rows] = st.session_state.setdefault("rows", {})
    known = read.setdefault(run_id, [])
    known += engine.store().rows(run_id, after=known[-1]["round"] if known else -1)
    return known


def history(run: RunInfo) -> Rows:
    """The rounds of a run from the untrained model on: of a fork, its parent's rounds come first.

    The round after which it was forked was the parent's, too: so its costs are counted once.
    """
    own = rows(run.run_id)
    if run.parent_id is None or run.parent_round is None:
        return own
    try:
        parent = history(engine.store().get(run.parent_id))
    except ValueError:  # the parent was deleted
        return own
    before = [row for row in parent if row["round"] <= run.parent_round]
    return before + [row for row in own if row["round"] > run.parent_round]


def _draw(run_id: str, drawn_status: str, replaying: bool, seconds: float | None) -> None:
    """The part of the page that is drawn again while a run is under way."""
    try:
        run = engine.store().get(run_id)
        past = replay.told(run, history(run))
    except ValueError as error:
        st.error(f"This run cannot be shown: {escape(str(error))}", icon=":material/error:")
        return
    still = replay.under_way(run)
    if run.status != drawn_status or still != replaying:
        st.rerun()  # the buttons change with the status, and they are outside of this part
    if seconds is not None and audience.has_changed(seconds):
        st.rerun()
    _numbers(run, past)
    stopping.say(run, past)
    dense = _dense(run)
    if not still:
        predict.judge(run, past, dense)
    _curves(run, past, dense)
    with st.expander("Round log", icon=":material/table_rows:", key="live:log", on_change="rerun") as log:
        if not log.open:
            return
        _log(past)
        st.download_button(
            "CSV",
            lambda: rounds_csv(past),
            file_name=f"fedlab-run-{run.run_id}.csv",
            mime="text/csv",
            icon=":material/table:",
            key="live:csv",
            on_click="ignore",
            help="Every round as a row, one column a field.",
        )


def _numbers(run: RunInfo, past: Rows) -> None:
    """Where the run is, in figures for people."""
    rounds = run.experiment.federation.rounds
    starting = bool(run.where.nodes) and engine.store().holder(run.run_id) in engine.pool().pids
    doing = where.progress(run, len(past), starting)
    st.progress(min(1.0, past[-1]["round"] / rounds) if past else 0.0, text=escape(doing) or None)
    if not past:
        return
    row = past[-1]
    by = metric_of(row)
    spread = [row[field] for field in (by.worst_client, by.mean_client, by.best_client)]
    target = row["target_sparsity"]
    aim = "No schedule asks for any." if target is None else f"The schedule asks for {format_percent(target)}."
    up, down, work, dense = (
        sum(past_row[field] for past_row in past)
        for field in ("upload_bytes", "download_bytes", "effective_flops", "dense_flops")
    )
    unpruned = f"Weighted by density (theoretical); {format_flops(dense)} as if nothing were pruned."
    figures = (
        ("Round", f"{row['round']} / {rounds}", "Round 0 is the untrained model."),
        (f"Test {by.name}", format_score(by, row[by.test]), "Of the global model that is sent next."),
        (
            "Worst · mean · best client",
            " · ".join(f"{value:.1f}" for value in spread) + " years"
            if by is MAE
            else " · ".join(f"{100 * value:.0f}" for value in spread) + " %",
            f"{by.name.capitalize()} of the global model on each client's own test data.",
        ),
        ("Sparsity", format_percent(row["sparsity"]), f"Pruned / prunable weights. {aim}"),
        ("Sent up · down", f"{format_bytes(up)} · {format_bytes(down)}", "Encoded messages of all clients so far."),
        ("Training work", format_flops(work), f"{unpruned} Zeros save no time until whole units are gone."),
    )
    with st.container(horizontal=True, gap="medium"):
        for name, value, help_text in figures:
            st.metric(name, value, help=help_text, width="content")
    if left_out := total(past):
        st.caption(f":material/person_off: {escape(left_out)}; the round log names them.")


def _dense(run: RunInfo) -> Rows | None:
    """The rounds of the same run without pruning, if there is one and somebody has made a prediction."""
    other = dense_reference(engine.store().list(), run.experiment) if session.looked_at("guess") else None
    try:
        return rows(other.run_id) if other else None
    except ValueError:  # damaged, or deleted in another window
        return None


def _curves(run: RunInfo, past: Rows, dense: Rows | None) -> None:
    """Accuracy (or error) and loss against what the reader chose; sparsity and bytes against rounds."""
    x, dark, beside = _axis(), session.dark(), _beside(run)
    if dense:
        beside["unpruned"] = dense
    total = run.experiment.federation.rounds
    predicted = predict.points(past, total)
    looks = (run.run_id, run.status, x, dark, tuple(predicted or ()))
    rounds = (len(past), tuple((name, len(rows)) for name, rows in beside.items()))
    drawn_looks, drawn_rounds, drawn_at = st.session_state.get("drawn", (None, None, 0.0))
    soon = run.status in ACTIVE and len(past) > FIRST and time.monotonic() - drawn_at < REDRAW_S
    if drawn_looks != looks or (drawn_rounds != rounds and not soon):
        make = partial(_figures, past, x, beside, predicted, dark, total)
        st.session_state["figures"] = _shared((looks, rounds), make)
        st.session_state["drawn"] = looks, rounds, time.monotonic()
    left, right = st.columns(2)
    for place, name in zip((left, right) * 2, st.session_state["figures"], strict=True):
        chart(st.session_state["figures"][name], f"live:{name}", place)


@st.cache_resource(max_entries=32, show_spinner=False)
def _shared(key: tuple[Any, ...], _make: Callable[[], dict[str, go.Figure]]) -> dict[str, go.Figure]:
    """Whoever watches the same run, and looks at it in the same way (`key`), shares its figures."""
    return _make()


def _figures(
    past: Rows, x: Any, beside: dict[str, Rows], predicted: predict.Points | None, dark: bool, rounds: int
) -> dict[str, go.Figure]:
    figures = {
        "accuracy": accuracy_curve(past, x=x, compare=beside, predicted=predicted, dark=dark),
        "sparsity": sparsity_curve(past, dark=dark),
        "bytes": bytes_ledger(past, dark=dark),
        "loss": loss_curve(past, x=x, dark=dark),
    }
    for name, figure in figures.items():
        if x == "round" or name in ("sparsity", "bytes"):
            # The whole run from the start, so that the curves grow into it; with ticks for so many rounds.
            figure.update_xaxes(range=[0, 1.02 * rounds], dtick=1 if rounds <= 12 else None)
    return figures


def _axis() -> Any:
    """Against what accuracy (or error) and loss are drawn; part of the address."""
    st.session_state["live:x"] = session.looked_at("x") if session.looked_at("x") in AXES else "round"
    return st.segmented_control(
        "Curves against",
        list(AXES),
        format_func=AXES.__getitem__,
        key="live:x",
        on_change=session.turn,
        args=("x", "live:x"),
    )


def _beside(run: RunInfo) -> dict[str, Rows]:
    """A fork's parent, to be drawn beside it."""
    try:
        parent = engine.store().get(run.parent_id) if run.parent_id else None
    except ValueError:
        return {}
    return {"its parent": history(parent)} if parent else {}


def _log(past: Rows) -> None:
    """Every round as a row of a table."""
    by = metric_of(past[-1]) if past else ACCURACY
    form: Any = "%.2f years" if by is MAE else "percent"
    columns = {
        "round": st.column_config.NumberColumn("round"),
        by.test: st.column_config.NumberColumn(by.short, format=form),
        by.before_purge: st.column_config.NumberColumn("before the purge", format=form),
        by.worst_client: st.column_config.NumberColumn("worst client", format=form),
        by.best_client: st.column_config.NumberColumn("best client", format=form),
        "test_loss": st.column_config.NumberColumn("test loss", format="%.3f"),
        "sparsity": st.column_config.NumberColumn("sparsity", format="percent"),
        "target_sparsity": st.column_config.NumberColumn("target", format="percent"),
        "upload_bytes": st.column_config.NumberColumn("up (bytes)", format="localized"),
        "download_bytes": st.column_config.NumberColumn("down (bytes)", format="localized"),
        "round_s": st.column_config.NumberColumn("seconds", format="%.2f"),
    }
    table = [{name: row[name] for name in columns} for row in reversed(past)]
    if any(map(note, past)):  # most runs drop nobody
        columns["left out"] = st.column_config.TextColumn("left out", width="medium")
        table = [
            {"round": row["round"], "left out": note(row), **shown}
            for shown, row in zip(table, reversed(past), strict=True)
        ]
    st.dataframe(table, column_config=columns, hide_index=True)
