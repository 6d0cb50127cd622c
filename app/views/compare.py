"""Compare: several runs over each other, what they cost to reach a target, and what differs in their settings."""

from __future__ import annotations

from statistics import median
from typing import Any, cast

import streamlit as st

from app import engine, live, session
from app.actions import ACTIVE
from app.charts import chart
from app.words import STATUS, coordinate, escape, title
from fedlab_core.costs.target import costs_to_target
from fedlab_core.metrics import ACCURACY, MAE, Metric, metric_of
from fedlab_core.plots.overlay import Quantity, overlay
from fedlab_core.plots.records import X, x_axis
from fedlab_core.plots.style import format_gap, format_score
from fedlab_core.runs.alike import SEEDS, differing, groups, seeds_of
from fedlab_core.runs.store import RunInfo

# More lines than that nobody tells apart.
MAX_RUNS = 24

POLL_S = 1.0

AXES: dict[X, str] = {"round": "rounds", "megabytes": "megabytes", "flops": "FLOPs"}

Groups = dict[str, list[tuple[RunInfo, live.Rows]]]


def page() -> None:
    """Runs, a baseline, an axis; curves, costs, differences."""
    stored = engine.store().list()
    runs = {run.run_id: run for run in stored if run.last_row}
    growing = _watch(stored)
    if len(runs) < 2 and growing:
        return
    if len(runs) < 2:
        st.info("Two runs are needed to compare. Start them on the page **Run**.", icon=":material/compare_arrows:")
        return
    chosen = _choose(runs)
    if not chosen:
        st.caption("Choose runs above. Those that differ only in their seeds become one line with a band.")
        return
    read = _read([runs[run_id] for run_id in chosen])
    if not read:
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        baseline = _baseline(list(read))
        x = _axis()
    metric = metric_of(read[baseline][0][1][-1])
    other = [name for name, members in read.items() if metric_of(members[0][1][-1]) is not metric]
    if other:
        names = ", ".join(escape(name) for name in other)
        st.warning(
            f"Years and percent share no axis: {names} cannot be compared with the baseline, and is left out.",
            icon=":material/straighten:",
        )
    shown = {name: members for name, members in read.items() if name not in other}
    _curves(shown, baseline, x)
    _table(shown, baseline, metric)
    _settings(shown)


def _watch(stored: list[RunInfo]) -> bool:
    """Draw the page again while runs of the address are under way; whether any is."""
    growing = [run for run in stored if run.run_id in _wanted() and run.status in ACTIVE]
    if growing:
        waiting = sum(not run.last_row for run in growing)
        words = f"; {waiting} not yet begun" if waiting else ""
        st.caption(
            f":material/progress_activity: {len(growing)} of these runs under way{words}. Curves grow with every round."
        )
        st.fragment(_look_again, run_every=POLL_S)(_standing())
    return bool(growing)


def _look_again(drawn: list[tuple[str, str, int]]) -> None:
    if _standing() != drawn:
        st.rerun()


def _standing() -> list[tuple[str, str, int]]:
    """How far the runs of the address are."""
    return [(run.run_id, run.status, run.rounds_done) for run in engine.store().list() if run.run_id in _wanted()]


def _wanted() -> list[str]:
    """The runs of the address."""
    return [run_id for run_id in (session.looked_at("runs") or "").split(",") if run_id]


def _choose(runs: dict[str, RunInfo]) -> list[str]:
    """The runs of the address; those that are gone are said."""
    wanted = _wanted()
    gone = [run_id for run_id in wanted if run_id not in runs and not _is_coming(run_id)]
    if gone:
        st.warning(escape(f"Not here, or without rounds: {', '.join(gone[:5])}."), icon=":material/search:")
    st.session_state["compare:runs"] = [run_id for run_id in wanted if run_id in runs][:MAX_RUNS]
    chosen: list[str] = st.multiselect(
        "Runs",
        list(runs),
        format_func=lambda run_id: f"{title(runs[run_id])} · {STATUS[runs[run_id].status][0]} · {run_id}",
        key="compare:runs",
        max_selections=MAX_RUNS,
        placeholder=f"Choose from {len(runs)} runs",
        on_change=_look,
    )
    return chosen


def _is_coming(run_id: str) -> bool:
    """Whether a run without rounds will have some."""
    try:
        return engine.store().get(run_id).status in ACTIVE
    except ValueError:
        return False


@session.callback
def _look() -> None:
    session.look_at(runs=",".join(st.session_state["compare:runs"]) or None)


def _read(runs: list[RunInfo]) -> Groups:
    """The rounds of every run, in groups that differ only in seeds; damaged ones are said and left out."""
    rows: dict[str, live.Rows] = {}
    for run in runs:
        try:
            rows[run.run_id] = live.history(run)
        except ValueError as error:
            st.error(f"{escape(title(run))} cannot be shown: {escape(str(error))}.", icon=":material/error:")
    together = groups(run for run in runs if run.run_id in rows)
    return {name: [(run, rows[run.run_id]) for run in group] for name, group in _named(together).items()}


def _named(together: list[list[RunInfo]]) -> dict[str, list[RunInfo]]:
    """Each group's name: that of its only run, else what it has differently from the others; never twice the same."""
    found = differing([group[0].experiment for group in together])
    # Where one method lacks a setting, its name says that already.
    different = {key: values for key, values in found.items() if len({*values} - {None}) > 1 and key not in SEEDS}
    order = sorted(different, key=lambda key: (key != "strategy.name", not key.startswith("strategy.")))
    named: dict[str, list[RunInfo]] = {}
    for place, group in enumerate(together):
        values = {key: different[key][place] for key in order if different[key][place] is not None}
        settings = [coordinate(key, value) for key, value in values.items()]
        count = seeds_of(group)
        seeds = f" ({count} seeds)" if count > 1 else ""
        alone = len(group) == 1 and group[0].sweep_id is None
        name = title(group[0]) if alone or not settings else ", ".join(settings[:4])
        name = f"{name}{seeds}"
        named[name if name not in named else f"{name} · {group[0].run_id}"] = group
    return named


def _baseline(names: list[str]) -> str:
    """The group that all others are compared with: that of the address, else the first; stored as a place."""
    place = session.number("base") or 0
    st.session_state["compare:base"] = place if place < len(names) else 0
    st.selectbox(
        "Baseline",
        range(len(names)),
        format_func=names.__getitem__,
        key="compare:base",
        on_change=session.turn,
        args=("base", "compare:base"),
    )
    return names[st.session_state["compare:base"]]


def _axis() -> X:
    """What the curves are aligned by; part of the address."""
    wanted = session.looked_at("x")
    st.session_state["compare:x"] = wanted if wanted in AXES else "round"
    st.segmented_control(
        "Align by",
        list(AXES),
        format_func=AXES.__getitem__,
        key="compare:x",
        on_change=session.turn,
        args=("x", "compare:x"),
    )
    return cast(X, st.session_state["compare:x"] or "round")


def _curves(shown: Groups, baseline: str, x: X) -> None:
    """Score, then loss and sparsity."""
    lines = {name: [rows for _, rows in members] for name, members in shown.items()}
    dark = session.dark()
    chart(overlay(lines, "score", x=x, baseline=baseline, dark=dark), "compare:score")
    left, right = st.columns(2)
    for place, quantity in ((left, "sparsity"), (right, "loss")):
        figure = overlay(lines, cast(Quantity, quantity), x=x, dark=dark)
        chart(figure.update_layout(showlegend=False), f"compare:{quantity}", place)  # lines as above


def _table(shown: Groups, baseline: str, metric: Metric) -> None:
    """How every group ended, against the baseline, and what it took to reach the target; medians over seeds."""
    target = _target(shown, metric)
    base = median(rows[-1][metric.test] for _, rows in shown[baseline])
    unit: Any = "%.2f years" if metric is MAE else "percent"
    table: list[dict[str, Any]] = []
    for name, members in shown.items():
        histories = [rows for _, rows in members]
        scores = [rows[-1][metric.test] for rows in histories]
        reached = [costs_to_target(rows, target) for rows in histories]
        costs = [cost for cost in reached if cost is not None]
        table.append(
            {
                "run": name,
                "seeds": seeds_of(run for run, _ in members),
                metric.short: median(scores),
                "lowest": min(scores),
                "highest": max(scores),
                "against the baseline": _difference(metric, median(scores) - base) if name != baseline else "baseline",
                "sparsity": median(rows[-1]["sparsity"] for rows in histories),
                "MB": median(x_axis("megabytes").values(rows)[-1] for rows in histories),
                "GFLOPs": median(x_axis("flops").values(rows)[-1] / 1e9 for rows in histories),
                "reached by": f"{len(costs)}/{len(reached)}",
                "round to target": median(cost.round for cost in costs) if costs else None,
                "MB to target": median(cost.bytes / 1e6 for cost in costs) if costs else None,
                "GFLOPs to target": median(cost.effective_flops / 1e9 for cost in costs) if costs else None,
            }
        )
    columns = {
        **{name: st.column_config.NumberColumn(name, format=unit) for name in (metric.short, "lowest", "highest")},
        "sparsity": st.column_config.NumberColumn("sparsity", format="percent"),
        "reached by": st.column_config.TextColumn("reached by", help="How many of the runs reached the target."),
        **{
            name: st.column_config.NumberColumn(name, format="%.2f")
            for name in ("MB", "GFLOPs", "MB to target", "GFLOPs to target")
        },
    }
    st.dataframe(table, column_config=columns, hide_index=True, key="compare:table")
    st.caption(
        "Medians over seeds. MB: encoded messages, up and down. GFLOPs: training, weighted by density (theoretical)."
    )
    if any(row["seeds"] == 1 for row in table):
        st.caption("One seed says little about chance: run the same settings with other seeds to see a band.")


def _difference(metric: Metric, gap: float) -> str:
    """In words: "1.2 points above"."""
    return "the same" if not gap else f"{format_gap(metric, gap)} {'above' if gap > 0 else 'below'}"


def _target(shown: Groups, metric: Metric) -> float:
    """What is to be reached; in the address as hundredths, or tenths of a year."""
    steps = 10 if metric is MAE else 100
    ends = [rows[-1][metric.test] for members in shown.values() for _, rows in members]
    easy = max(ends) * 1.1 if metric is MAE else min(ends) * 0.95
    wanted = session.number("target")
    shown_steps = wanted if wanted is not None and 1 <= wanted <= 100 else round(steps * easy)
    st.session_state["compare:target"] = min(100, max(1, shown_steps))
    turn: dict[str, Any] = {"on_change": session.turn, "args": ("target", "compare:target")}
    text = f"Costs until the test {metric.name} is" + ("" if metric is ACCURACY else " (tenths of a year)")
    form = "%d %%" if metric is ACCURACY else "%d"
    target = st.slider(text, 1, 100, format=form, key="compare:target", **turn) / steps
    st.caption(f"Target: {format_score(metric, target)}, for the first time.")
    return target


def _settings(shown: Groups) -> None:
    """Only what differs, one row a setting."""
    found = differing([members[0][0].experiment for members in shown.values()])
    st.subheader("What differs in the settings", anchor=False)
    rows = [
        {
            "setting": key,
            **{name: "–" if value is None else str(value) for name, value in zip(shown, values, strict=True)},
        }
        for key, values in found.items()
        if key not in SEEDS
    ]
    if rows:
        st.dataframe(rows, hide_index=True, key="compare:settings")
    else:
        st.caption("Nothing but seeds, and where a fork began.")


page()
